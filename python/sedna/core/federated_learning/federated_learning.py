"""The training side of a federated job: trains on local data, exchanges weights with the aggregation server."""

from __future__ import annotations

import inspect
import os
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

from sedna.common.constant import K8sResourceKind, K8sResourceKindStatus
from sedna.core.base import JobBase
from sedna.core.federated_learning.ditto import Ditto
from sedna.core.federated_learning.policies import SharedPart, policy_of
from sedna.core.federated_learning.second_interface import FederatedLearningV2

__all__ = ("FederatedLearning", "FederatedLearningV2")

# How long a thread waits for the server before Python's signal handlers get their turn.
_SIGNAL_TURN_SECONDS = 0.2


class FederatedLearning(JobBase):
    """One client of a federated job.

    Args:
        estimator: an object with ``train(train_data, valid_data=None, **kwargs)``, ``get_weights()``,
            ``set_weights(weights)`` and ``save(path)``. Algorithms that act between two steps of the optimiser (FedProx,
            SCAFFOLD, FedNova, FedDyn) need a ``train`` that takes ``policy``: see ``policies``.
        aggregation: the rule's name, as the server has it.
        personal: what of the model is this client's own: ``"FedBN"``, ``"FedPer,last=2"`` (tensors that never leave),
            ``"Ditto,lambda=0.1"`` (a model beside the shared one); SEDNA_FL_PERSONAL when not given. FedBN finds its
            tensors by ``estimator.weight_names`` (a list, or a method that gives one), or by ``tensors=2+3``.

    With AGG_PROTOCOL ``ws`` or ``wss`` (ws) it speaks as upstream does, with ``http`` or ``https`` it sends safetensors,
    resumes uploads and takes part in every algorithm. The connection (AGG_IP, AGG_PORT) belongs to WORKER_NAME and lives
    on threads of its own: an epoch may take as long as it likes. When it breaks it comes back under the same name, and
    an update that has not been answered is sent again; the server counts it once.
    """

    default_protocol = "ws"
    store: Dict[str, str] = {}  # an object store that bulk may travel through

    def __init__(self, estimator: Any, aggregation: str = "FedAvg", personal: Optional[str] = None) -> None:
        super().__init__(estimator=estimator)
        self.job_kind = K8sResourceKind.FEDERATED_LEARNING_JOB.value
        self.aggregation = aggregation
        self.personal = str(self.get_parameters("SEDNA_FL_PERSONAL", "") if personal is None else personal)
        self.ditto: Optional[Ditto] = None
        if self.personal.split(",")[0].strip() == "Ditto":
            self.ditto = Ditto.parse(self.personal, self._state_file("ditto.npz"))
            self.personal = ""
            self._must_take_policy("Ditto trains a model of its own near the shared one")
        self.node: Any = None
        self.policy: Any = None
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
        environment["SEDNA_FL_PERSONAL"] = self.personal
        environment.setdefault("AGG_PROTOCOL", self.default_protocol)
        http = environment["AGG_PROTOCOL"] in ("http", "https")
        node: Any = None
        if http:
            node = native.FederatedHttpClient(environment, self.aggregation, self.store)
        else:
            node = native.FederatedClient(environment, self.aggregation)
        node.connect()
        self.node = node

    def train(  # type: ignore[override]  # upstream's signature
        self, train_data: Any, valid_data: Any = None, post_process: Any = None, **kwargs: Any
    ) -> Any:
        """Rounds of local training until the server ends the job; the backend, through ``post_process`` where given.

        Each round: ``estimator.train``, the weights go out weighted by ``len(train_data)``, the round's model comes back,
        is set and saved, and the local controller hears of it. RuntimeError or ConnectionError when the job has failed.
        Over HTTP, numbers in a dictionary that ``train`` returns ("loss", "accuracy") go along: the job may end by them.
        """
        callback = self._callback(post_process)
        self.log.info("federated learning starts: %s as %s", self.job_name, self.worker_name)
        try:
            if hasattr(self.node, "next"):
                self._rounds_over_http(train_data, valid_data, kwargs)
            else:
                self._rounds(train_data, valid_data, kwargs)
        finally:
            self.node.close()
        return callback(self.estimator) if callback else self.estimator

    def _rounds(self, train_data: Any, valid_data: Any, kwargs: Dict[str, Any]) -> None:
        self._load_weights()
        self._adopt()
        while True:
            self._load_weights()
            start = _arrays(self.estimator.get_weights()) if self.ditto else []
            result = self.estimator.train(train_data, valid_data=valid_data, **kwargs)
            self.node.submit(len(train_data), _arrays(self.estimator.get_weights()))
            self._train_personal(start, train_data, valid_data, kwargs)
            model = self._wait(self.node.wait)
            self._take(model, result)
            if model["exit_flag"] == "ok":
                break
        self._end_personal()

    def _adopt(self) -> None:
        # The core cuts the personal tensors out of what is sent, and puts them back into what arrives.
        if not self.personal:
            return
        estimator = getattr(self.estimator, "estimator", self.estimator)
        names = getattr(estimator, "weight_names", None)
        names = list(names() if callable(names) else names or [])
        self.node.adopt(_arrays(self.estimator.get_weights()), [str(name) for name in names])

    def _train_personal(self, start: List[Any], train_data: Any, valid_data: Any, kwargs: Dict[str, Any]) -> None:
        if self.ditto is None:
            return
        shared = [array.copy() for array in _arrays(self.estimator.get_weights())]
        self.estimator.set_weights(self.ditto.begin(start))
        self.estimator.train(train_data, valid_data=valid_data, policy=self.ditto.policy(start), **kwargs)
        self.ditto.keep(_arrays(self.estimator.get_weights()))
        self.estimator.set_weights(shared)

    def _end_personal(self) -> None:
        # What this client uses from now on is its own model.
        if self.ditto is not None and self.ditto.weights is not None:
            self.estimator.set_weights(self.ditto.weights)
            self.estimator.save()

    def _rounds_over_http(self, train_data: Any, valid_data: Any, kwargs: Dict[str, Any]) -> None:
        self._load_weights()
        self._adopt()
        if self.node.wants_initial:
            self.node.offer_initial(_arrays(self.estimator.get_weights()))
        result: Any = None
        began = False
        while True:
            task = self._wait(self.node.next)
            if task["weights"] is not None and began:
                model = {"weights": task["weights"], "round_number": task["model_round"], "total_sample": task["samples"],
                         "exit_flag": "ok" if task["finished"] else "continue"}
                self._take(model, result)
            elif task["weights"] is not None:
                # The initial model, or the newest one of a job that is under way: nothing of it is this worker's yet.
                self.estimator.set_weights(task["weights"])
            if task["finished"]:
                if not began and task["weights"] is None:
                    raise RuntimeError("the job has ended without a model")
                if not began:
                    self.estimator.save()
                break
            policy = self._policy_for(task)
            began = True
            self._load_weights()
            start = [array.copy() for array in _arrays(self.estimator.get_weights())]
            policy.begin(start, task["extra"] or [])
            extra_arguments = {"policy": policy} if self._takes_policy() else {}
            result = self.estimator.train(train_data, valid_data=valid_data, **extra_arguments, **kwargs)
            weights = _arrays(self.estimator.get_weights())
            extra = policy.end(weights)
            self._save_policy()
            self.node.submit(len(train_data), weights, _arrays(extra), policy.steps, _numbers(result))
            self._train_personal(start, train_data, valid_data, kwargs)
        self._end_personal()

    def _load_weights(self) -> None:
        # Frameworks that keep weights in a file begin from it: the last round's, also after a restart.
        load_weights = getattr(self.estimator, "load_weights", None)
        if callable(load_weights):
            load_weights()

    def _wait(self, ask: Any) -> Dict[str, Any]:
        while True:
            answer: Optional[Dict[str, Any]] = ask(_SIGNAL_TURN_SECONDS)
            if answer is not None:
                return answer
            refusal = self.node.refusal()
            if refusal:
                # The round goes on without this update; its model is the best start for the next.
                self.log.warning("the update was refused: %s", refusal)

    def _policy_for(self, task: Dict[str, Any]) -> Any:
        if self.policy is None:
            self.policy = policy_of(task["algorithm"], task["parameters"])
            if self.policy.needs_gradients:
                self._must_take_policy(f"{task['algorithm']} acts between two steps of the optimiser")
            if self.node.personal:
                self.policy = SharedPart(self.policy, self.node.personal)
            path = self._policy_file()
            if path is not None:
                self.policy.load(path)
        return self.policy

    def _must_take_policy(self, why: str) -> None:
        if not self._takes_policy():
            raise RuntimeError(
                f"{why}: the estimator's train() must take policy= and call policy.gradient(weights, gradients, rate); see "
                "sedna.core.federated_learning.policies"
            )

    def _takes_policy(self) -> bool:
        estimator = getattr(self.estimator, "estimator", self.estimator)
        for name in ("fit", "train"):
            method = getattr(estimator, name, None)
            if callable(method):
                return "policy" in inspect.signature(method).parameters
        return False

    def _policy_file(self) -> Optional[Path]:
        return self._state_file("npz")

    def _state_file(self, ending: str) -> Optional[Path]:
        folder = self.get_parameters("SEDNA_FL_CLIENT_STATE")
        return Path(folder) / f"{self.worker_name}.{ending}" if folder else None

    def _save_policy(self) -> None:
        path = self._policy_file()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.policy.save(path)

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
    """An estimator's weights, arrays or nested lists, as arrays of float32 or float64."""
    import numpy as np

    out = []
    for layer in weights:
        array = np.asarray(layer)
        out.append(array if array.dtype.char in "fd" else array.astype("float64"))
    return out


def _numbers(result: Any) -> Dict[str, float]:
    """The numbers in what ``train`` gave, for the server: of a list (an epoch each) the last."""
    numbers: Dict[str, float] = {}
    for name, value in (_metrics(result) or {}).items():
        if isinstance(value, list) and value:
            value = value[-1]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
            numbers[name] = float(value)
    return numbers


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
