"""Joint inference as a user of the package sees it, beyond what was recorded of upstream's."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import numpy as np
import pytest
from doubles import recorder, silent_cloud, upstream_cloud

from sedna.common.class_factory import ClassFactory, ClassType
from sedna.core.joint_inference import BigModelService, InferenceResult, JointInference

pytest.importorskip("sedna._sedna", reason="the extension module is not built")

EASY, HARD = np.array([0.98, 0.01, 0.01]), np.array([0.4, 0.3, 0.3])
MSP: Dict[str, Any] = {"method": "MSP", "param": {"threshold": "0.5"}}


class Echo:
    """Its input is its answer: a sample is easy or hard as the test likes."""

    def predict(self, data: Any, **kwargs: Any) -> Any:
        return data


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_TYPE", "SKLEARN")
    monkeypatch.setenv("LC_SERVER", "")
    monkeypatch.setenv("BIG_MODEL_IP", "127.0.0.1")
    monkeypatch.setenv("BIG_MODEL_PORT", "1")  # nobody listens


@pytest.fixture(name="serve")
def _serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], int]]:
    with ExitStack() as stack:

        def start(model: Any) -> int:
            monkeypatch.setenv("BIG_MODEL_BIND_PORT", "0")
            service = BigModelService(estimator=model)
            thread = threading.Thread(target=service.start)
            thread.start()
            stack.callback(thread.join)
            stack.callback(service.stop)
            while service.inference_server is None or not service.inference_server.ready.wait(0.01):
                assert thread.is_alive()
            monkeypatch.setenv("BIG_MODEL_PORT", str(service.inference_server.port))
            return service.inference_server.port

        yield start


class Cloud:
    """Answers with a label, and remembers what it was given."""

    def __init__(self, delay: float = 0) -> None:
        self.given: List[Any] = []
        self.delay = delay

    def predict(self, data: Any, **kwargs: Any) -> Any:
        self.given.append(data)
        time.sleep(self.delay)  # a slow model
        return [7]


# JI-5.3
def test_arrays_travel_as_they_are(serve: Callable[[Any], int]) -> None:
    cloud = Cloud()
    serve(cloud)
    job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=10)
    result = job.inference(HARD.astype(np.float32))
    assert isinstance(result, InferenceResult)
    is_hard, final, edge, answer = result
    assert (is_hard, final, answer, result.reason) == (True, [7], [7], "hard")
    assert edge.dtype == np.float32
    assert isinstance(cloud.given[0], np.ndarray) and cloud.given[0].dtype == np.float32
    assert np.array_equal(cloud.given[0], HARD.astype(np.float32))
    cloud.given[0][0] = 5  # the model may write into its input
    assert result.upload_bytes > 12 and result.cloud_latency > 0 and result.score == pytest.approx(0.6)
    assert result.latency == result.edge_latency + result.cloud_latency


@pytest.mark.parametrize("data", [
    np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, ::-1, :], np.array(5, dtype=np.int64), np.zeros((0, 3), np.float64),
    np.array([True, False]), np.ones(3, np.float16), b"\x00\xff",
], ids=["strided", "scalar", "empty", "bool", "half", "bytes"])
# JI-2.12
def test_every_kind_of_array(serve: Callable[[Any], int], data: Any) -> None:
    cloud = Cloud()
    serve(cloud)
    result = JointInference(estimator=Echo(), hard_example_mining={"method": "CloudOnly"}, deadline=10).inference(data)
    assert result.final == [7], result.message
    expected = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data
    assert np.array_equal(cloud.given[0], expected) and cloud.given[0].dtype == expected.dtype


@pytest.mark.parametrize("data", [[1, 2.5, "text", None], [{"query": "q"}], [[1], [2, 3]], "prompt" and ["prompt"]])
# JI-5.3
def test_what_is_no_array_travels_as_json(serve: Callable[[Any], int], data: Any) -> None:
    cloud = Cloud()
    serve(cloud)
    result = JointInference(estimator=Echo(), hard_example_mining={"method": "CloudOnly"}, deadline=10).inference(data)
    assert result.final == [7], result.message
    assert cloud.given == [data]


@pytest.mark.parametrize(("answer", "got"), [
    ([[1, 2], [3]], [[1, 2], [3]]), ({"boxes": [1]}, {"boxes": [1]}), (np.float32(2.5), 2.5), ("text", "text"),
    (np.arange(3), [0, 1, 2]), ({"a": np.arange(2), "b": np.ones(1)}, {"a": [0, 1], "b": [1.0]}), (None, None),
    ({"boxes": np.ones((1, 2)), "label": "cat"}, {"boxes": [[1.0, 1.0]], "label": "cat"}), (["a", np.arange(2)], ["a", [0, 1]]),
], ids=str)
# JI-2.12
def test_answers_of_any_kind(serve: Callable[[Any], int], answer: Any, got: Any) -> None:
    class Any_:
        def predict(self, data: Any) -> Any:
            return answer

    serve(Any_())
    result = JointInference(estimator=Echo(), hard_example_mining={"method": "CloudOnly"}, deadline=10).inference(EASY)
    assert result.reason == "hard", result.message
    assert result.final == got


# JI-7.15
def test_a_model_that_raises_leaves_the_edge_answer(serve: Callable[[Any], int]) -> None:
    class Broken:
        def predict(self, data: Any) -> Any:
            raise RuntimeError("the model broke")

    serve(Broken())
    result = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=10).inference(HARD)
    assert result.is_hard and result.final is HARD and result.cloud is None
    assert result.reason != "hard" and "the model broke" in result.message


# JI-5.9
def test_a_sample_that_cannot_be_sent_stays() -> None:
    job = JointInference(estimator=Echo(), hard_example_mining={"method": "CloudOnly"})
    result = job.inference({"not": {1, 2}})
    assert result.final == {"not": {1, 2}} and "cannot be sent" in result.message
    assert job.counts["inferences"] == 1 == job.counts["edge"]


# JI-7.1
def test_cloud_refuses() -> None:
    job = JointInference(estimator=Echo(), hard_example_mining=MSP)
    started = time.monotonic()
    results = [job.inference(HARD) for _ in range(20)]
    assert time.monotonic() - started < 3
    assert all(r.is_hard and r.final is HARD and r.cloud is None and r.message for r in results)
    assert {r.reason for r in results} <= {"transport", "breaker", "deadline"} and results[-1].reason == "breaker"
    assert job.counts["edge"] == 20


# JI-5.4
def test_cloud_hangs() -> None:
    with silent_cloud() as port:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BIG_MODEL_PORT", str(port))
            job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=0.2)
        started = time.monotonic()
        result = job.inference(HARD)
        assert time.monotonic() - started < 2  # the deadline is 0.2 s, upstream waited 12 s
    assert result.reason == "deadline" and result.final is HARD


# JI-3.4
def test_the_gil_is_free_while_the_cloud_thinks(serve: Callable[[Any], int]) -> None:
    serve(Cloud(delay=0.3))
    job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=10)
    job.inference(HARD)
    thread = threading.Thread(target=job.inference, args=(HARD,))
    thread.start()
    spins = 0
    while thread.is_alive():
        spins += 1
    assert spins > 1000


# JI-7.15
def test_edge_errors_are_the_users() -> None:
    class Broken:
        def predict(self, data: Any) -> Any:
            raise KeyError("mine")

    job = JointInference(estimator=Broken(), hard_example_mining=MSP)
    with pytest.raises(KeyError, match="mine"):
        job.inference(EASY)
    with pytest.raises(TypeError, match="no predict"):
        JointInference(estimator=object())
    with pytest.raises(TypeError, match="without an estimator"):
        JointInference().inference(EASY)


# JI-6.3
def test_post_process_sees_a_copy() -> None:
    job = JointInference(estimator=Echo(), hard_example_mining=MSP)
    data = EASY.copy()

    def sharpen(values: Any) -> Any:
        values[0] = 1.0
        return values

    result = job.inference(data, post_process=sharpen)
    assert result.final[0] == 1.0 and result.edge is data and data[0] == 0.98


# JI-6.3
def test_extra_arguments_reach_the_models_that_take_them() -> None:
    seen: Dict[str, Any] = {}

    class Takes:
        def predict(self, data: Any, top_k: int = 1) -> Any:
            seen["top_k"] = top_k
            return data

    JointInference(estimator=Takes()).inference(EASY, top_k=3, unknown=1)
    assert seen == {"top_k": 3}


# JI-4.4
def test_filters_written_in_python() -> None:
    @ClassFactory.register(ClassType.HEM, alias="FirstBelow")
    class FirstBelow:
        def __init__(self, limit: Any = 0.5) -> None:
            self.limit = float(limit)

        def __call__(self, result: Any) -> Any:
            return result[0] < self.limit  # a numpy boolean

    try:
        job = JointInference(estimator=Echo(), hard_example_mining={"method": "FirstBelow", "param": {"limit": "0.9"}})
        assert [job.inference(x).is_hard for x in (EASY, HARD)] == [False, True]
        assert JointInference(estimator=Echo(), hard_example_mining=lambda r: True).inference(EASY).is_hard

        def broken(result: Any) -> bool:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            JointInference(estimator=Echo(), hard_example_mining=broken).inference(EASY)
    finally:
        del ClassFactory.__registry__[ClassType.HEM]["FirstBelow"]


# JI-4.4
def test_filters_subclassed_in_python_judge_by_themselves() -> None:
    from sedna.algorithms.hard_example_mining import MSPFilter

    class Never(MSPFilter):
        def __call__(self, infer_result: Any = None) -> bool:
            return False

    assert not JointInference(estimator=Echo(), hard_example_mining=Never(0.0)).inference(HARD).is_hard


# JI-4.3
def test_unreadable_results_are_not_hard() -> None:
    job = JointInference(estimator=Echo(), hard_example_mining=MSP)
    for odd in (None, "text", object(), [[1, 2], [3, 4]], {"a": 1}, np.zeros((2, 2, 2))):
        result = job.inference(odd)
        assert not result.is_hard and result.reason == "invalid" and result.final is odd
    assert job.counts["inferences"] == 6 == job.counts["edge"]


# JI-4.8
def test_budget(serve: Callable[[Any], int]) -> None:
    serve(Cloud())
    job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=10, requests_per_second=0.001,
                         requests_burst=2)
    reasons = [job.inference(HARD).reason for _ in range(4)]
    assert reasons == ["hard", "hard", "budget", "budget"]
    assert job.counts["hard"] == 4 and job.counts["uploaded"] == 2


# JI-6.3
def test_ianvs_signature() -> None:
    """0.6.0.1: the cloud is an object, the mode an argument, the reporter can be off."""

    class Big:
        def inference(self, data: Any, **kwargs: Any) -> Any:
            assert kwargs == {"post_process": None, "shots": 2}
            return {"answer": data}

    job = JointInference(estimator=Echo, cloud=Big(), hard_example_mining={"method": "CloudOnly"},
                         LCReporter_enable=False)
    result = job.inference("q", mining_mode="mining-then-inference", shots=2)
    assert list(result) == [True, {"answer": "q"}, None, {"answer": "q"}]
    assert list(job.inference("q", mining_mode="inference-then-mining", shots=2)) == [
        True, {"answer": "q"}, "q", {"answer": "q"}]
    with pytest.raises(ValueError, match="nonsense"):
        job.inference("q", mining_mode="nonsense")


# JI-5.2
def test_self_design() -> None:
    class Big:
        def inference(self, data: Any, **kwargs: Any) -> Any:
            return f"big {data}"

    def design(data: Any, edge: Any, cloud: Any) -> Any:
        draft = edge()
        return cloud(f"check {draft}") if len(draft) > 2 else draft

    job = JointInference(estimator=Echo(), cloud=Big(), hard_example_mining=design, LCReporter_enable=False)
    assert list(job.inference("ab", mining_mode="self-design")) == [False, "ab", "ab", None]
    assert list(job.inference("abc", mining_mode="self-design")) == [True, "big check abc", "abc", "big check abc"]


@pytest.mark.parametrize("delay", [0.0, 0.05])
# JI-5.10
def test_stream_keeps_the_order(serve: Callable[[Any], int], delay: float) -> None:
    serve(Cloud(delay))
    job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=20)
    samples = [HARD if i % 5 == 0 else np.array([0.9, 0.1, i / 1e6]) for i in range(60)]
    results = list(job.stream(iter(samples), window=16))
    assert len(results) == 60
    for sample, result in zip(samples, results):
        assert result.edge is sample
        assert result.final == [7] if sample is HARD else result.final is sample
        assert result.is_hard == (sample is HARD)
    assert job.counts["inferences"] == 60 and job.counts["cloud"] == 12


# JI-5.10
def test_stream_is_not_slowed_by_the_cloud() -> None:
    with silent_cloud() as port:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BIG_MODEL_PORT", str(port))
            job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=0.5)
        started = time.monotonic()
        results = list(job.stream([HARD] * 20))
        assert time.monotonic() - started < 3  # not 20 deadlines
    assert len(results) == 20 and all(r.final is HARD and r.reason != "hard" for r in results)


# JI-5.10
def test_stream_is_lazy_and_may_be_left(serve: Callable[[Any], int]) -> None:
    serve(Cloud())
    job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=10)

    def endless() -> Iterator[Any]:
        while True:
            yield EASY

    for index, _ in enumerate(job.stream(endless(), window=4)):
        if index == 10:
            break


def test_stream_passes_on_errors_of_the_model() -> None:
    class Third:
        calls = 0

        def predict(self, data: Any) -> Any:
            self.calls += 1
            if self.calls == 3:
                raise KeyError("third")
            return data

    job = JointInference(estimator=Third(), hard_example_mining=MSP)
    with pytest.raises(KeyError, match="third"):
        list(job.stream([EASY] * 5))


# JI-5.11
def test_submit(serve: Callable[[Any], int]) -> None:
    serve(Cloud(delay=0.05))
    job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=20)
    easy, hard = job.submit(EASY), [job.submit(HARD) for _ in range(5)]
    assert easy.done() and easy.result().final is EASY
    assert [f.result(20).final for f in hard] == [[7]] * 5
    assert job.counts["inferences"] == 6


# JI-5.11
def test_jobs_with_calls_in_flight_may_go() -> None:
    with silent_cloud() as port:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BIG_MODEL_PORT", str(port))
            job = JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=0.2)
        future = job.submit(HARD)
        del job
        assert future.result(5).reason in ("deadline", "transport", "queue")


# JI-5.11
def test_a_callback_may_hold_the_last_of_a_job(serve: Callable[[Any], int]) -> None:
    serve(Cloud(delay=0.05))
    held = [JointInference(estimator=Echo(), hard_example_mining=MSP, deadline=20)]
    future = held[0].submit(HARD)
    future.add_done_callback(lambda _: held.clear())
    assert future.result(20).final == [7]
    deadline = time.monotonic() + 20
    while held and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not held


# JI-4.7
def test_calibration_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sedna

    model = tmp_path / "edge.bin"
    model.write_bytes(b"m")
    p = np.random.default_rng(0).dirichlet([1, 1, 1], size=200)
    sedna.calibrate(p, np.argmax(p, axis=1), ratio=0.25, model=model, output=tmp_path / "c.json")
    monkeypatch.setenv("MODEL_URL", str(model))
    monkeypatch.setenv("SEDNA_CALIBRATION", str(tmp_path / "c.json"))
    job = JointInference(estimator=Echo())
    assert sum(job.inference(x).is_hard for x in p) == pytest.approx(50, abs=2)
    model.write_bytes(b"another")
    with pytest.raises((ValueError, RuntimeError)):
        JointInference(estimator=Echo())


# JI-7.11
def test_bad_configuration_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEDNA_CLOUD_DEADLINE_MS", "soon")
    with pytest.raises(ValueError, match="SEDNA_CLOUD_DEADLINE_MS"):
        JointInference(estimator=Echo())
    monkeypatch.delenv("SEDNA_CLOUD_DEADLINE_MS")
    for port in ("http", "70000", "-1"):
        with monkeypatch.context() as context:
            context.setenv("BIG_MODEL_PORT", port)
            with pytest.raises(ValueError, match=f"BIG_MODEL_PORT: is '{port}'"):
                JointInference(estimator=Echo())
    with monkeypatch.context() as context:
        context.setenv("BIG_MODEL_BIND_PORT", "http")
        with pytest.raises(ValueError, match="BIG_MODEL_BIND_PORT"):
            BigModelService(estimator=Echo())
    with pytest.raises(ValueError, match="NoSuch"):
        JointInference(estimator=Echo(), hard_example_mining={"method": "NoSuch"})
    with pytest.raises(ValueError, match="deadline"):
        JointInference(estimator=Echo(), deadline=-1)
    with pytest.raises(TypeError, match="hard_example_mining"):
        JointInference(estimator=Echo(), hard_example_mining=5)


# JI-5.3
def test_upstreams_server_is_asked_in_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that knows no /v2 gets JSON, the same text whether an array was given or lists."""
    with recorder(upstream_cloud()) as big:
        monkeypatch.setenv("BIG_MODEL_PORT", str(big.port))
        job = JointInference(estimator=Echo(), hard_example_mining={"method": "CloudOnly"}, deadline=10)
        data = np.array([[1.5, 2], [3, 1e-7]])
        assert job.inference(data).reason == job.inference(data.tolist()).reason == "hard"
        (_, array), (_, lists) = big.posts()
        assert array == lists == b'{"post_process": null, "data": [[1.5, 2.0], [3.0, 1e-07]]}'
