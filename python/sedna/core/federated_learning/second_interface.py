"""Federated learning's second interface: upstream's scripts for plato, on this package's rounds.

Upstream's ``FederatedLearningV2`` fills plato's configuration and starts plato's client. Here the same arguments drive the
client of the first interface over HTTP: FedAvgV2 sends weights, MistNet sends noised features once a round.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, Dict, List, Optional

from sedna.algorithms.transmitter import S3Transmitter, WSTransmitter
from sedna.backend.base import BackendBase
from sedna.common.config import BaseConfig, Context
from sedna.common.log import LOGGER
from sedna.core.federated_learning.trainers import Trainer, make_trainer, source_of

__all__ = ("FederatedLearningV2",)

_DEFAULT_TYPE = "fedavg"


def kind_of(aggregation: Any) -> str:
    """"fedavg" or "mistnet"."""
    parameters = getattr(aggregation, "parameters", None) or {}
    kind = parameters.get("type", _DEFAULT_TYPE)
    if kind not in ("fedavg", "mistnet"):
        raise ValueError(
            f"the aggregation's type is {kind!r}; there are 'fedavg' and 'mistnet' (SEDNA_FL_ALGORITHM at the aggregator "
            "chooses what it makes of the updates of 'fedavg')"
        )
    return str(kind)


def name_of(aggregation: Any) -> str:
    """The path of the job at the server."""
    return "MistNet" if kind_of(aggregation) == "mistnet" else "FedAvgV2"


def store_of(transmitter: Any) -> Dict[str, str]:
    """The object store through which the bulk travels; empty: none."""
    parameters = getattr(transmitter, "parameters", None) or {}
    url = str(parameters.get("s3_bucket") or "")
    if not url:
        return {}
    if not url.startswith("s3://"):
        raise ValueError(f"the transmitter's address is {url!r}; it must be s3://bucket/prefix (AGG_DATA_PATH)")
    return {
        "url": url,
        "endpoint": str(parameters.get("s3_endpoint_url") or ""),
        "access_key": str(parameters.get("access_key") or ""),
        "secret_key": str(parameters.get("secret_key") or ""),
    }


class FederatedLearningV2:
    """One client of a federated job, by upstream's second interface.

    Args:
        data: ``trainset`` and ``testset`` (with ``customized = True``), or ``parameters`` that name a registered source.
        estimator: ``model`` and ``hyperparameters``, or an estimator with methods of its own: see ``trainers``.
        aggregation: ``FedAvgV2()`` or ``MistNet(cut_layer, epsilon)``.
        transmitter: ``WSTransmitter()``, ``S3Transmitter(…)``, or what ``get_transmitter_from_config()`` gives.

    AGG_IP and AGG_PORT say where the aggregation server is, WORKER_NAME who this is; AGG_PROTOCOL is ``http`` (``https``).
    """

    def __init__(self, data: Any = None, estimator: Any = None, aggregation: Any = None, transmitter: Any = None) -> None:
        self.aggregation = aggregation
        self.transmitter = transmitter
        kind_of(aggregation)
        store_of(transmitter)
        self.datasource = source_of(data)
        self.trainer = make_trainer(estimator)
        self.model = self.trainer.model
        self.job: Any = None

    @classmethod
    def get_transmitter_from_config(cls) -> Any:
        """By TRANSMITTER: ``ws``, or ``s3`` with S3_ENDPOINT_URL, ACCESS_KEY_ID, SECRET_ACCESS_KEY and AGG_DATA_PATH."""
        kind = BaseConfig.transmitter
        if kind == "ws":
            return WSTransmitter()
        if kind == "s3":
            get = Context.get_parameters
            return S3Transmitter(
                s3_endpoint_url=get("S3_ENDPOINT_URL", ""), access_key=get("ACCESS_KEY_ID", ""),
                secret_key=get("SECRET_ACCESS_KEY", ""), transmitter_url=get("AGG_DATA_PATH", ""),
            )
        return None

    def train(self) -> None:
        """Takes part until the server ends the job; the estimator then has the job's model."""
        if self.datasource.trainset is None:
            raise ValueError("a client needs data with a trainset")
        from sedna.core.federated_learning._second_client import SecondClient

        self.job = SecondClient(self.trainer, name_of(self.aggregation), store_of(self.transmitter))
        if kind_of(self.aggregation) == "mistnet":
            self.job.train_by_features(self.datasource, Features(self.trainer, self.aggregation))
        else:
            self.job.train_by_weights(self.datasource)


class Features:
    """A client's features as MistNet sends them: the same data and cut give the same noise, so that a further round tells
    nothing more than the first one did."""

    def __init__(self, trainer: Trainer, mistnet: Any) -> None:
        self.trainer = trainer
        parameters = mistnet.parameters
        self.cut_layer = parameters["cut_layer"]
        epsilon = parameters.get("epsilon")
        noise = getattr(mistnet, "noise", "symmetric")
        self.mechanism = "none" if epsilon is None else noise
        self.of_sample = getattr(mistnet, "per", "value") == "sample"
        self.clip = float(getattr(mistnet, "clip", 1.0))
        try:
            self.epsilon = 1.0 if self.mechanism == "none" else float(epsilon)
        except (TypeError, ValueError):
            raise ValueError(f"MistNet's epsilon is {epsilon!r}; it must be a number, or None for no noise") from None
        self._digest = ""
        self._sent: List[Any] = []

    def of(self, data: Any) -> List[Any]:
        """Tensors for the wire: features, their layout, targets."""
        import numpy as np

        from sedna._native import native

        extracted = [np.asarray(part) for part in self.trainer.extract_features(data, self.cut_layer)]
        features = np.ascontiguousarray(extracted[0], extracted[0].dtype if extracted[0].dtype.char in "fd" else "float32")
        targets = [np.ascontiguousarray(part) for part in extracted[1:]]
        for part in targets:
            if part.dtype.char not in "?bBhHiIlLqQfd" or part.ndim == 0:
                raise ValueError(f"MistNet's targets must be arrays of numbers, a row a sample; one is {part.dtype}")
        digest = hashlib.sha256()
        for part in (features, *targets):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(part.tobytes())
        if digest.hexdigest() == self._digest:
            return self._sent
        sent, layout, worth = native.randomize_features(
            features, self.mechanism, self.epsilon, self.of_sample, self.clip)
        if self._digest:
            LOGGER.warning("the features have changed: noise is drawn once more, and epsilon adds up")
        LOGGER.info("MistNet: %d samples of %d features, noise %s: epsilon %.6g a feature, %.6g a sample",
                    len(features), worth["values"], worth["mechanism"], worth["epsilon_of_value"],
                    worth["epsilon_of_sample"])
        self._digest = digest.hexdigest()
        self._sent = [sent, layout, *targets]
        return self._sent


class Adapter:
    """A trainer as the first interface's estimator."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def train(self, train_data: Any, valid_data: Any = None, policy: Any = None) -> Dict[str, Any]:
        """One round."""
        return self.trainer.train(train_data.data, valid_data=valid_data, policy=policy)

    def get_weights(self) -> Any:
        """All of the model."""
        return self.trainer.get_weights()

    def set_weights(self, weights: Any) -> None:
        """All of the model."""
        self.trainer.set_weights(weights)

    def save(self, path: str) -> None:
        """Where the backend wants it."""
        self.trainer.save(path)


class Counted:
    """Data and its number of samples: data sets of frameworks do not all have a length in samples."""

    def __init__(self, data: Any, samples: int) -> None:
        self.data = data
        self._samples = samples

    def __len__(self) -> int:
        return self._samples


def backend_of(trainer: Trainer) -> BackendBase:
    """Saves and reports as every backend does; MODEL_URL says where to, MODEL_NAME under which name."""
    config = BaseConfig()
    return BackendBase(estimator=Adapter(trainer), fine_tune=True,
                       model_save_path=config.get("base_model_url") or os.environ.get("MODEL_URL"),
                       model_name=config.get("model_name"))


def rounds_of(estimator: Any) -> int:
    """``hyperparameters["rounds"]``; 1."""
    return int(_hyper(estimator).get("rounds") or 1)


def target_of(estimator: Any) -> Optional[float]:
    """``hyperparameters["target_accuracy"]``."""
    target = _hyper(estimator).get("target_accuracy")
    return None if target is None else float(target)


def _hyper(estimator: Any) -> Dict[str, Any]:
    return dict(getattr(estimator, "hyperparameters", None) or {})
