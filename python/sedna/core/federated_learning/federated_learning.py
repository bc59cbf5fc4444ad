"""The training side of a federated job: trains on local data, exchanges weights with the aggregation server."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, Optional

from sedna.common.constant import K8sResourceKind, K8sResourceKindStatus
from sedna.core.base import JobBase

__all__ = ("FederatedLearning",)

# How long a thread waits for the server before Python's signal handlers get their turn.
_SIGNAL_TURN_SECONDS = 0.2


class FederatedLearning(JobBase):
    """One client of a federated job.

    Args:
        estimator: an object with ``train(train_data, valid_data=None, **kwargs)``, ``get_weights()``,
            ``set_weights(weights)`` and ``save(path)``.
        aggregation: the rule's name, as the server has it.

    The connection (AGG_PROTOCOL, AGG_IP, AGG_PORT) belongs to WORKER_NAME and lives on a thread of its own: an epoch may
    take as long as it likes. When it breaks it comes back under the same name, and an update that has not been answered
    is sent again; the server counts it once.
    """

    def __init__(self, estimator: Any, aggregation: str = "FedAvg") -> None:
        super().__init__(estimator=estimator)
        self.job_kind = K8sResourceKind.FEDERATED_LEARNING_JOB.value
        self.aggregation = aggregation
        self.node: Any = None
        self.register()

    def register(self, timeout: float = 300) -> None:
        """Connects, within CONNECT_TIMEOUT (``timeout``) seconds. ConnectionError or TimeoutError say what is wrong."""
        from sedna._native import native

        if self.node is not None:
            return
        environment = dict(os.environ)
        environment.setdefault("CONNECT_TIMEOUT", str(timeout))
        environment["WORKER_NAME"] = self.worker_name or ""
        environment["JOB_NAME"] = self.job_name or ""
        node = native.FederatedClient(environment, self.aggregation)
        node.connect()
        self.node = node

    def train(  # type: ignore[override]  # upstream's signature
        self, train_data: Any, valid_data: Any = None, post_process: Any = None, **kwargs: Any
    ) -> Any:
        """Rounds of local training until the server ends the job; the backend, through ``post_process`` where given.

        Each round: ``estimator.train``, the weights go out weighted by ``len(train_data)``, the round's model comes back,
        is set and saved, and the local controller hears of it. RuntimeError or ConnectionError when the job has failed.
        """
        callback = self._callback(post_process)
        self.log.info("federated learning starts: %s as %s", self.job_name, self.worker_name)
        try:
            while True:
                # Frameworks that keep weights in a file begin from it: the last round's, also after a restart.
                load_weights = getattr(self.estimator, "load_weights", None)
                if callable(load_weights):
                    load_weights()
                result = self.estimator.train(train_data, valid_data=valid_data, **kwargs)
                self.node.submit(len(train_data), _arrays(self.estimator.get_weights()))
                model = self._wait_for_model()
                self._take(model, result)
                if model["exit_flag"] == "ok":
                    break
        finally:
            self.node.close()
        return callback(self.estimator) if callback else self.estimator

    def _wait_for_model(self) -> Dict[str, Any]:
        while True:
            model: Optional[Dict[str, Any]] = self.node.wait(_SIGNAL_TURN_SECONDS)
            if model is not None:
                return model
            refusal = self.node.refusal()
            if refusal:
                # The round goes on without this update; its model is the best start for the next.
                self.log.warning("the update was refused: %s", refusal)

    def _take(self, model: Dict[str, Any], result: Any) -> None:
        if model["weights"] is None:
            raise RuntimeError(
                f"the rule {self.aggregation} gave no weights: FedAvgV2 and MistNet only describe the second interface"
            )
        self.estimator.set_weights(model["weights"])
        path = self.estimator.save()
        last = model["exit_flag"] == "ok"
        status = K8sResourceKindStatus.COMPLETED.value if last else K8sResourceKindStatus.RUNNING.value
        task_info = {
            "currentRound": model["round_number"],
            "sampleCount": model["total_sample"],
            "startTime": self.start_time,
            "updateTime": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        results = self.estimator.model_info(path, relpath=self.config.data_path_prefix, result=_metrics(result))
        self.report_task_info(task_info, status, results)


def _arrays(weights: Any) -> List[Any]:
    """An estimator's weights, arrays or nested lists, as arrays that JSON can carry."""
    import numpy as np

    out = []
    for layer in weights:
        array = np.asarray(layer)
        out.append(array if array.dtype.char in "fd" else array.astype("float64"))
    return out


def _metrics(result: Any) -> Any:
    """What ``train`` gave, as far as a report can carry it: a dictionary, or Keras' History."""
    history = getattr(result, "history", None)
    result = history if isinstance(history, dict) else result
    if not isinstance(result, dict):
        return None
    return {str(k): _plain(v) for k, v in result.items()}


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
