"""The aggregation server by upstream's second interface: FedAvgV2 in the core, MistNet's training on the thread of start()."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any, Dict, List, Optional

from sedna.algorithms.aggregation import AggClient, BaseAggregation
from sedna.common.config import Context
from sedna.common.log import LOGGER

__all__ = ("AggregationServerV2",)


class AggregationServerV2:
    """Runs a job's rounds: ``hyperparameters["rounds"]`` of the estimator, ``per_round`` clients of the chooser in each.

    Args:
        data: with a ``testset``, MistNet's model is evaluated after each round.
        estimator: its model is what the job begins with; MistNet trains it. None (FedAvgV2): the first client's.
        aggregation: ``FedAvgV2()`` or ``MistNet(cut_layer, epsilon)``, as the clients have it.
        transmitter: as the clients have it.
        chooser: ``SimpleClientChoose(per_round)``; without one all PARTICIPANTS_COUNT (1) clients take part. Of more
            clients than ``per_round``, so many are chosen at random each round.

    Listens on AGG_BIND_IP:AGG_BIND_PORT as ``AggregationServer`` does; SEDNA_FL_<NAME> settings hold here too. A job of
    FedAvgV2 ends early once its clients report ``target_accuracy``.
    """

    def __init__(
        self, data: Any = None, estimator: Any = None, aggregation: Any = None, transmitter: Any = None,
        chooser: Any = None,
    ) -> None:
        from sedna.core.federated_learning.second_interface import kind_of, name_of, rounds_of, store_of, target_of
        from sedna.core.federated_learning.trainers import make_trainer, source_of
        from sedna.service.server.aggregation import AggregationServer, settings_of_environment

        self.kind = kind_of(aggregation)
        self.trainer = None if estimator is None else make_trainer(estimator)
        self.model = None if self.trainer is None else self.trainer.model
        self.datasource = source_of(data)
        self.history: List[Dict[str, Any]] = []
        said = settings_of_environment()
        settings = _choice(chooser, said)
        per_round = settings.pop("per_round")
        self._begins_with: Optional[Any] = None
        rule: Any = name_of(aggregation)
        if self.kind == "mistnet":
            if self.trainer is None:
                raise ValueError("MistNet's server trains: it needs the estimator")
            rule = _training_rule(self, aggregation)
        else:
            if "algorithm" not in said:
                settings["algorithm"] = "FedAvg"
            target = target_of(estimator)
            if target is not None and "stop-metric" not in said:
                settings.update({"stop_metric": "accuracy", "stop_target": target})
        self.server = AggregationServer(rule, exit_round=rounds_of(estimator), participants_count=per_round, **settings)
        self.server.features = self.kind == "mistnet"
        self.server.store = store_of(transmitter)

    def start(self) -> None:
        """Serves on this thread until the last round's clients have gone. RuntimeError with the reason when the job fails."""
        from sedna._native import native

        with tempfile.TemporaryDirectory(prefix="sedna-") as folder:
            if self.trainer is not None and "initial-model" not in self.server.settings:
                path = str(Path(folder) / "initial.safetensors")
                native.save_weights(path, _floats(self.trainer.get_weights()))
                self.server.settings["initial-model"] = path
            self.server.start()
        if self.kind == "mistnet" and self.history:
            from sedna.core.federated_learning.second_interface import backend_of

            if Context.get_parameters("MODEL_URL"):
                LOGGER.info("the model is saved: %s", backend_of(self.trainer).save())  # type: ignore[arg-type]

    def stop(self) -> None:
        """Ends start(), from any thread."""
        self.server.stop()

    @property
    def port(self) -> int:
        """Where it listens, once ``ready``."""
        return self.server.port

    @property
    def ready(self) -> threading.Event:
        """Set when clients can connect."""
        return self.server.ready


def _choice(chooser: Any, said: Dict[str, str]) -> Dict[str, Any]:
    total = int(Context.get_parameters("PARTICIPANTS_COUNT") or 0)
    parameters = getattr(chooser, "parameters", None) or {}
    per_round = int(parameters.get("per_round") or total or 1)
    if per_round < 1:
        raise ValueError(f"the chooser's per_round is {per_round}; it must be 1 or more")
    settings: Dict[str, Any] = {"per_round": per_round}
    if total > per_round and "select" not in said:
        settings.update({"select": "random", "select_pool": total})
    return settings


def _training_rule(server: AggregationServerV2, mistnet: Any) -> Any:
    """MistNet as a rule: a round's features in, the model trained on them out."""

    class MistNet(BaseAggregation):
        def aggregate(self, clients: List[AggClient]) -> Any:
            import numpy as np

            from sedna._native import native

            trainer: Any = server.trainer
            features = np.concatenate([native.estimate_features(c.weights[0], c.weights[1]) for c in clients])
            targets = tuple(np.concatenate([c.weights[i] for c in clients]) for i in range(2, len(clients[0].weights)))
            self.total_size = len(features)
            metrics = trainer.train_features(features, targets, mistnet.parameters["cut_layer"],
                                             server.datasource.testset)
            row = {"samples": len(features), "clients": len(clients), **_last(metrics)}
            server.history.append(row)
            LOGGER.info("MistNet: trained on features: %s", ", ".join(f"{k} {v:.6g}" for k, v in row.items()))
            return _floats(trainer.get_weights())

    return MistNet


def _last(metrics: Dict[str, Any]) -> Dict[str, float]:
    out = {}
    for name, value in metrics.items():
        value = value[-1] if isinstance(value, (list, tuple)) and value else value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            out[str(name)] = float(value)
    return out


def _floats(weights: List[Any]) -> List[Any]:
    import numpy as np

    arrays = [np.ascontiguousarray(w) for w in weights]
    return [a if a.dtype.char in "fd" else a.astype("float64") for a in arrays]
