"""The two sides of joint inference, as user scripts call them. Deadlines, retries, breaker, budgets, counters, the wire
and the reports are the core's; what stands here joins them to an estimator and to upstream's names."""

from __future__ import annotations

import atexit
import copy
import json
import os
import weakref
from concurrent.futures import Future
from typing import Any, Callable, Dict, Iterable, Iterator, Mapping, Optional, Tuple

from sedna.common.class_factory import ClassFactory, ClassType
from sedna.common.constant import K8sResourceKind
from sedna.common.file_ops import FileOps
from sedna.common.utils import get_host_ip
from sedna.core.base import JobBase
from sedna.core.joint_inference.result import InferenceResult
from sedna.service.client import LCReporter, ModelClient
from sedna.service.server import InferenceServer

__all__ = ("BigModelService", "InferenceResult", "JointInference")

INFERENCE_THEN_MINING = "inference-then-mining"
MINING_THEN_INFERENCE = "mining-then-inference"
SELF_DESIGN = "self-design"
OFFLOAD = "offload"
_MODES = (INFERENCE_THEN_MINING, MINING_THEN_INFERENCE, SELF_DESIGN)


_LIVE: weakref.WeakSet[JointInference] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Calls in flight end (their deadlines bound it) while the interpreter is whole: a thread of the core that needs it
    later would end the process with an abort."""
    for job in list(_LIVE):
        job._core.close()


def _load_model(job: JobBase) -> None:
    """Gives MODEL_URL to the estimator. Without MODEL_URL the estimator is taken as it is: it holds its model already."""
    path = job.model_path
    if not path:
        job.estimator.instantiate()
        job.log.info("MODEL_URL is not set: the estimator is used as it is")
        return
    if job.model_load_mode == "file" and not FileOps.is_remote(path) and not os.path.exists(path):
        raise FileExistsError(f"{path} miss")  # upstream's type, and text
    job.estimator.load(path)


def _own_address(job: JobBase) -> str:
    """Where a service of this machine is, when nobody said: loopback, unless plaintext beyond it is meant, or TLS is set."""
    beyond = job.get_parameters("SEDNA_SERVE_PLAINTEXT") or job.get_parameters("SEDNA_TLS_CERT")
    return get_host_ip() if beyond else "127.0.0.1"


def _port(job: JobBase, variable: str) -> int:
    text = str(job.get_parameters(variable, "5000"))
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise ValueError(f"{variable}: is {text!r}; it must be a whole number from 0 to 65535")
    return int(text)


class BigModelService(JobBase):
    """The cloud side: serves the big model on BIG_MODEL_BIND_IP:BIG_MODEL_BIND_PORT until it is ended.

    Args:
        estimator: an object (or a class) with ``predict(data, **kwargs)``, perhaps ``load(model_url)``.

    Example::

        BigModelService(estimator=Estimator()).start()
    """

    def __init__(self, estimator: Any = None) -> None:
        super().__init__(estimator=estimator)
        self.local_ip = self.get_parameters("BIG_MODEL_BIND_IP") or _own_address(self)
        self.port = _port(self, "BIG_MODEL_BIND_PORT")
        self.job_kind = K8sResourceKind.JOINT_INFERENCE_SERVICE.value
        self.inference_server: Optional[InferenceServer] = None

    def start(self) -> None:
        """Loads the model and serves; returns when the process is told to end (SIGINT, SIGTERM) or stop() is called."""
        server = InferenceServer(
            model=self, servername=self.job_name, host=self.local_ip, http_port=self.port,
            aliases=[self.config.service_name],
        )
        self.inference_server = server
        # It listens before the model is loaded, and says that it is not ready: whoever waits can see why.
        server.start(load=lambda: _load_model(self))

    def stop(self) -> None:
        """Ends start(), from another thread; requests under way are answered."""
        if self.inference_server is not None:
            self.inference_server.stop()

    def train(self, train_data: Any, valid_data: Any = None, post_process: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """A service does not train."""
        raise NotImplementedError("a big model service does not train")

    def inference(self, data: Any = None, post_process: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        """The model's answer for one request; ``post_process`` names a registered CALLBACK or is a function."""
        callback = self._callback(post_process)
        result = self.estimator.predict(data, **kwargs)
        return callback(result) if callback else result


class JointInference(JobBase):
    """The edge side: the small model answers, the filter judges, hard samples go to the big model.

    Args:
        estimator: an object (or a class) with ``predict(data, **kwargs)``, perhaps ``load(model_url)``; or a bare Keras
            model, torch module or Paddle layer with the BACKEND_TYPE of that framework.
        hard_example_mining: ``{"method": name, "param": {…}}``, or a callable; HEM_NAME and HEM_PARAMETERS when None.
        cloud: an object with ``inference(data, **kwargs)`` that is asked instead of BIG_MODEL_IP:BIG_MODEL_PORT.
        LCReporter_enable: whether counts are reported to the local controller.
        deadline: seconds that one sample may take, edge and cloud together (SEDNA_CLOUD_DEADLINE_MS, 1 s).
        target_ratio: share of samples to send; the threshold follows it.
        requests_per_second, requests_burst, bytes_per_second: budget of offloads; none when 0.

    A cloud that refuses, hangs, is slow or talks nonsense never raises here: the edge's answer is the final one, and the
    result's ``reason`` and ``message`` say why.

    Example::

        job = JointInference(estimator=Estimator(), hard_example_mining={"method": "Entropy", "param": {"threshold": 0.4}})
        is_hard, final, edge, cloud = job.inference(image)
    """

    def __init__(
        self,
        estimator: Any = None,
        hard_example_mining: Any = None,
        *,
        cloud: Any = None,
        LCReporter_enable: bool = True,  # noqa: N803  (upstream's spelling)
        deadline: Optional[float] = None,
        target_ratio: float = 0.0,
        requests_per_second: float = 0.0,
        requests_burst: float = 20.0,
        bytes_per_second: float = 0.0,
    ) -> None:
        super().__init__(estimator=estimator)
        self.job_kind = K8sResourceKind.JOINT_INFERENCE_SERVICE.value
        self.local_ip = _own_address(self)
        self.remote_ip = self.get_parameters("BIG_MODEL_IP") or self.local_ip
        self.port = _port(self, "BIG_MODEL_PORT")
        self.mining_mode: str = self.get_parameters("MINING_MODE", INFERENCE_THEN_MINING)
        _check_mode(self.mining_mode, "MINING_MODE")
        self.hard_example_mining_algorithm = self._make_filter(hard_example_mining)
        self.cloud: Any = cloud if cloud is not None else ModelClient(
            service_name=self.job_name, host=self.remote_ip, port=self.port
        )
        self.own_cloud = cloud
        self.lc_reporter: Optional[LCReporter] = None
        if cloud is not None and LCReporter_enable and self.lc_server:
            self.lc_reporter = self._start_reporter()

        if self.estimator is not None:
            _load_model(self)
            self._predict: Callable[..., Any] = self.estimator.predictor()
        else:
            self._predict = _no_estimator
        self._core = self._make_core(
            LCReporter_enable and cloud is None,
            {"deadline": deadline, "target_ratio": target_ratio, "requests_per_second": requests_per_second,
             "requests_burst": requests_burst, "bytes_per_second": bytes_per_second},
        )
        _LIVE.add(self)
        # The usual call, bound once: nothing is looked up or copied beside the model and the filter.
        fast = self.mining_mode == INFERENCE_THEN_MINING and cloud is None
        self._fast: Optional[Callable[[Any], InferenceResult]] = self._core.infer if fast else None

    # Set-up ----------------------------------------------------------------------------------------------------------

    @classmethod
    def get_hem_algorithm_from_config(cls, **param: Any) -> Dict[str, Any]:
        """The filter that the resource names (HEM_NAME, HEM_PARAMETERS), with ``param`` over its parameters."""
        return cls.parameters.get_algorithm_from_api(algorithm="HEM", **param)

    def _make_filter(self, given: Any) -> Any:
        calibration = self.get_parameters("SEDNA_CALIBRATION")
        if given is not None and not isinstance(given, Mapping):
            if not callable(given):
                raise TypeError("hard_example_mining: a dictionary {method, param} or a callable is expected")
            return given() if isinstance(given, type) else given
        named: Mapping[str, Any] = given or self.get_hem_algorithm_from_config()
        if not named and not calibration:
            return None
        method = named.get("method", "IBT" if named else None)
        param = named.get("param") or {}
        if isinstance(param, str):
            param = json.loads(param)
        if calibration:
            from sedna.calibration import parameters_from

            method, param = parameters_from(calibration, self.model_path, method, param)
        return ClassFactory.get_cls(ClassType.HEM, method)(**param)

    def _start_reporter(self) -> LCReporter:
        reporter = LCReporter(
            lc_server=self.lc_server,
            message={"name": self.worker_name, "namespace": self.namespace, "ownerName": self.job_name,
                     "ownerKind": self.job_kind, "kind": "inference", "results": []},
            period_interval=float(self.get_parameters("LC_PERIOD", "30")),
        )
        reporter.start()
        return reporter

    def _make_core(self, report: bool, options: Dict[str, Any]) -> Any:
        from sedna._native import native

        environment = dict(os.environ)
        environment.setdefault("BIG_MODEL_IP", self.remote_ip)
        environment["JOB_NAME"] = self.job_name
        if not report or not self.lc_server:
            environment["LC_SERVER"] = ""
        algorithm = self.hard_example_mining_algorithm
        core_filter = _core_filter(algorithm)
        return native.JointCore(
            environment,
            self._predict,
            core_filter,
            algorithm if core_filter is None else None,
            InferenceResult,
            {k: float(v) for k, v in options.items() if v},
            self.own_cloud is None,
        )

    # Inference -------------------------------------------------------------------------------------------------------

    def inference(self, data: Any = None, post_process: Any = None, **kwargs: Any) -> InferenceResult:  # type: ignore[override]
        """One sample: ``[is_hard_example, final_result, edge_result, cloud_result]``.

        ``post_process`` (a function, or a registered CALLBACK's name) is applied to a copy of the edge's answer before
        the filter judges it. ``mining_mode`` overrides MINING_MODE for this call. Other arguments go to both models.
        """
        if self._fast is not None and post_process is None and not kwargs:
            return self._fast(data)
        return self._inference(data, post_process, kwargs)

    def _inference(self, data: Any, post_process: Any, kwargs: Dict[str, Any]) -> InferenceResult:
        mode = kwargs.pop("mining_mode", None) or self.mining_mode
        _check_mode(mode, "mining_mode")
        if mode == SELF_DESIGN:
            return self._self_design(data, post_process, kwargs)
        if mode == MINING_THEN_INFERENCE:
            if self.hard_example_mining_algorithm is None:
                raise ValueError("Hard example mining algorithm is not set.")
            result = self._judge(data, data)
            if result.reason == OFFLOAD:
                result = self._ask(result, data, post_process, kwargs)
                if result.reason == "hard":
                    result[1] = result[3]
                    return result
            result[1], result[2], result.edge_latency = self._edge(data, post_process, kwargs)
            return result
        processed, raw, seconds = self._edge(data, post_process, kwargs)
        result = self._judge(processed, data)
        if result.reason == OFFLOAD:
            result = self._ask(result, data, post_process, kwargs)
        result[1] = result[3] if result.reason == "hard" else processed
        result[2], result.edge_latency = raw, seconds
        return result

    def _edge(self, data: Any, post_process: Any, kwargs: Dict[str, Any]) -> Tuple[Any, Any, float]:
        """What the filter sees, what the model said, and the seconds that it took."""
        raw, seconds = self._core.predict(data, self.estimator.parse_kwargs(self._predict, **kwargs))
        callback = self._callback(post_process)
        return (callback(copy.deepcopy(raw)) if callback else raw), raw, seconds

    def _judge(self, judged: Any, data: Any) -> InferenceResult:
        """Filter and policies: a result without answers yet, its reason OFFLOAD when the cloud is to be asked."""
        if self.own_cloud is None:
            verdict: InferenceResult = self._core.decide(judged, data)
            return verdict
        algorithm = self.hard_example_mining_algorithm
        hard = bool(algorithm(judged)) if algorithm is not None else False
        result = InferenceResult([hard, None, None, None])
        result.reason = OFFLOAD if hard else "easy"
        if self.lc_reporter is not None:
            if hard:
                self.lc_reporter.update_for_collaboration_inference()
            else:
                self.lc_reporter.update_for_edge_inference()
        return result

    def _ask(self, verdict: InferenceResult, data: Any, post_process: Any, kwargs: Dict[str, Any]) -> InferenceResult:
        """The cloud's answer in element 3; ``reason`` is "hard" when there is one."""
        if self.own_cloud is not None:
            try:
                verdict[3] = self.own_cloud.inference(data, post_process=post_process, **kwargs)
                verdict.reason = "hard"
            except Exception as error:  # the user's object: whatever it raises, the edge's answer stands
                self.log.exception("the cloud object raised: the edge's answer is used")
                verdict.reason, verdict.message = "transport", f"{type(error).__name__}: {error}"
            return verdict
        body = None
        if kwargs or isinstance(post_process, str):
            body = {"post_process": post_process if isinstance(post_process, str) else None, **kwargs}
        answer: InferenceResult = self._core.offload(data, body)
        answer.score = verdict.score
        return answer

    def _self_design(self, data: Any, post_process: Any, kwargs: Dict[str, Any]) -> InferenceResult:
        """The algorithm does the joint inference: it is called with the sample and both models as functions.

        ``algorithm(data, edge=function, cloud=function, **kwargs)`` (those that it takes) returns the four elements of a
        result, or the final answer alone.
        """
        algorithm = self.hard_example_mining_algorithm
        if algorithm is None:
            raise ValueError("Hard example mining algorithm is not set.")
        asked: Dict[str, Any] = {}

        def edge(sample: Any = data, **more: Any) -> Any:
            asked["edge"] = self._edge(sample, post_process, {**kwargs, **more})[0]
            return asked["edge"]

        def cloud(sample: Any = data, **more: Any) -> Any:
            verdict = InferenceResult([True, None, None, None])
            if self.own_cloud is None:
                verdict = self._core.decide_hard(sample)
                if verdict.reason != OFFLOAD:  # a budget, or an open breaker
                    asked["answer"] = verdict
                    return None
            answer = asked["answer"] = self._ask(verdict, sample, post_process, {**kwargs, **more})
            return answer[3]

        call = algorithm.__call__ if not hasattr(algorithm, "__name__") else algorithm
        given = self.estimator.parse_kwargs(call, edge=edge, cloud=cloud, **kwargs)
        outcome = algorithm(data, **given)
        answer = asked.get("answer")
        if isinstance(outcome, (list, tuple)) and len(outcome) == 4 and isinstance(outcome[0], bool):
            result = InferenceResult(outcome)
        else:
            result = InferenceResult(
                [answer is not None, outcome, asked.get("edge"), answer[3] if answer is not None else None]
            )
        if answer is None and self.own_cloud is None:
            self._core.decide_easy()
        if answer is not None:
            result.__dict__.update(answer.__dict__)
        return result

    # Throughput ------------------------------------------------------------------------------------------------------

    def stream(self, samples: Iterable[Any], window: int = 256) -> Iterator[InferenceResult]:
        """Results in the samples' order, while offloaded ones are in flight: a slow cloud does not slow the edge.

        At most ``window`` samples are under way; what is not answered by its deadline keeps the edge's answer.
        Inference-then-mining only.
        """
        if self._fast is None:
            raise ValueError(f"stream() needs MINING_MODE {INFERENCE_THEN_MINING} and a cloud over the network")
        flow = self._core.stream(window)
        try:
            for sample in samples:
                while flow.full():
                    yield flow.next()
                flow.submit(sample)
                while True:
                    ready = flow.try_next()
                    if ready is None:
                        break
                    yield ready
            flow.close()
            while flow.pending():
                yield flow.next()
        finally:
            flow.close()

    def submit(self, data: Any) -> Future[InferenceResult]:
        """The edge answers here and now; the future is done at once for easy samples, else when the cloud has answered
        or the deadline is over. Inference-then-mining only."""
        if self._fast is None:
            raise ValueError(f"submit() needs MINING_MODE {INFERENCE_THEN_MINING} and a cloud over the network")
        future: Future[InferenceResult] = Future()
        future.set_running_or_notify_cancel()
        self._core.infer_async(data, future.set_result)
        return future

    @property
    def counts(self) -> Dict[str, int]:
        """Totals since the job was made: inferences, hard, wanted, uploaded, edge, cloud, late."""
        return dict(self._core.counts())

    def train(self, train_data: Any = None, valid_data: Any = None, post_process: Any = None, **kwargs: Any) -> Any:
        """Joint inference does not train."""
        raise NotImplementedError("joint inference does not train")


def _no_estimator(*args: Any, **kwargs: Any) -> Any:
    raise TypeError("JointInference was made without an estimator: it cannot infer at the edge")


def _check_mode(mode: str, name: str) -> None:
    if mode not in _MODES:
        raise ValueError(f"Invalid MINING_MODE: {mode}. ({name} is one of: {', '.join(_MODES)})")


def _core_filter(algorithm: Any) -> Any:
    """The core's own filter behind a preset, unless a subclass judges by itself."""
    from sedna.algorithms.hard_example_mining.hard_example_mining import CoreFilter

    if isinstance(algorithm, CoreFilter) and type(algorithm).__call__ is CoreFilter.__call__:
        return algorithm.core
    return None
