"""Replays the recorded joint-inference traces of upstream: the same calls in the same environment, the same results,
requests and reports, but for the deliberate differences that stand here (and in docs/compatibility/python.md)."""

from __future__ import annotations

import http.client
import json
import os
import re
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, Iterator, List

import numpy as np
import pytest
from doubles import EdgeModel, Recorder, big_boxes, recorder, sample, upstream_cloud
from vectors import VECTORS

from sedna.common.class_factory import ClassFactory, ClassType
from sedna.core.joint_inference import BigModelService, JointInference

pytest.importorskip("sedna._sedna", reason="the extension module is not built")

TRACES = json.loads((VECTORS / "joint_inference.json").read_text(encoding="utf-8"))
EDGE: List[Dict[str, Any]] = TRACES["edge"]
SERVER: List[Dict[str, Any]] = TRACES["server"]

BOXES = [[0.0, 0.0, 4.0, 4.0, 0.20000000000000004, 1], [1.0, 1.0, 2.0, 2.0, 0.20000000000000004, 2]]
CLOUD = [[0.0, 0.0, 10.0, 10.0, 0.99, 1], [1.0, 1.0, 5.0, 5.0, 0.9, 0.20000000000000004]]

# Results that are meant to differ: case → the values of its calls, and why.
RESULTS: Dict[str, List[Any]] = {
    # A function as post_process concerns the edge; the cloud is still asked (upstream fails to send the function).
    "itm_callable_post_process": [
        [True, big_boxes(0.9), [[0.0, 0.0, 4.0, 4.0, 0.9, 1], [1.0, 1.0, 2.0, 2.0, 0.9, 2]], big_boxes(0.9)]
    ],
    # Lists are sent too (upstream calls tolist() on them and gives up).
    "itm_list_data": [[True, CLOUD, BOXES, CLOUD]],
    # The final result is the result itself, in both modes (upstream's is the response object here).
    "mti_cloudonly": [[True, CLOUD, None, CLOUD], [True, CLOUD, None, CLOUD]],
    # Arrays are sent in this mode too (upstream raises TypeError).
    "mti_ndarray_hard": [[True, CLOUD, None, CLOUD]],
}
# Errors of upstream's that are none here: text parameters are numbers; an estimator without MODEL_URL is used as it is.
WORKS = {"itm_random_from_crd", "model_url_unset"}
# One request instead of five, three seconds apart: the model said no, and saying it again changes nothing.
REQUESTS = {"itm_cloud_not_list": 1, "itm_cloud_raises": 1, "itm_callable_post_process": 1, "itm_list_data": 1,
            "mti_ndarray_hard": 1}


def place(value: str, work: Path, big_port: int, lc_port: int) -> str:
    return value.replace("<W>", str(work)).replace("<BIG_PORT>", str(big_port)).replace("<LC_PORT>", str(lc_port))


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def _callbacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClassFactory, "__registry__", {k: dict(v) for k, v in ClassFactory.__registry__.items()})
    ClassFactory.register(ClassType.CALLBACK, "halve")(halve)
    ClassFactory.register(ClassType.CALLBACK, "first_only")(lambda boxes: boxes[:1])


def halve(boxes: Any) -> Any:
    for box in boxes:
        box[4] /= 2
    return boxes


def same(expected: Any, actual: Any) -> bool:
    return bool(json.loads(json.dumps(expected)) == json.loads(json.dumps(actual)))


@pytest.mark.parametrize("trace", EDGE, ids=lambda t: t["case"])
# JI-5.1, JI-5.2, JI-6.3
def test_edge(trace: Dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"m")
    answered = [r["answered"] for r in trace["reports"]]
    reports: List[int] = []

    def local_controller(method: str, path: str, body: bytes) -> Any:
        reports.append(1)
        return (answered[len(reports) - 1] if len(reports) <= len(answered) else 200), b"{}"

    with ExitStack() as stack:
        lc = stack.enter_context(recorder(local_controller))
        job_name = trace["env"].get("JOB_NAME", "sedna")
        if trace["cloud"]:
            big = stack.enter_context(recorder(upstream_cloud(f"/{job_name}/predict", trace["cloud"])))
            big_port = big.port
        else:
            big_port = free_port()
        env = {"BACKEND_TYPE": "SKLEARN", "LC_SERVER": f"http://127.0.0.1:{lc.port}", "LC_PERIOD": "1",
               "BIG_MODEL_IP": "127.0.0.1", "BIG_MODEL_PORT": str(big_port)}
        if trace["identity"]:
            env.update(NAMESPACE="default", WORKER_NAME="edgeworker-abcde", SERVICE_NAME="helmet")
        options: Dict[str, Any] = {}
        for key, value in trace["env"].items():
            if key == "JI_KWARGS":
                options = json.loads(value)
            elif key != "LINGER":
                env[key] = place(value, tmp_path, big_port, lc.port)
        for key, value in env.items():
            monkeypatch.setenv(key, value)

        model = EdgeModel()
        if trace["case"] == "mode_invalid":  # said when the job is made, not at the first call
            with pytest.raises(ValueError, match="Invalid MINING_MODE: nonsense"):
                JointInference(estimator=model)
            return
        if "constructor_error" in trace and trace["case"] not in WORKS:
            with pytest.raises((ValueError, FileExistsError)) as caught:
                JointInference(estimator=model, **options)
            assert caught.type.__name__ == trace["constructor_error"][0]
            assert trace["constructor_error"][1].split(" in class")[0] in str(caught.value)
            return
        job = JointInference(estimator=model, **options)
        check_attributes(trace, job, model, tmp_path, big_port)
        check_results(trace, job)
        if trace["cloud"]:
            check_requests(trace, big)
        check_reports(trace, job, lc)
        assert not os.path.exists("org")  # upstream makes a folder of that name


def check_attributes(trace: Dict[str, Any], job: JointInference, model: EdgeModel, work: Path, big_port: int) -> None:
    expected = trace.get("attributes")
    if not expected:
        return
    for name in ("worker_name", "job_name", "namespace", "job_kind"):
        assert getattr(job, name) == expected[name]
    assert job.cloud.endpoint == place(expected["endpoint"], work, big_port, 0)
    loads = [place(path, work, big_port, 0) for path in expected["loads"]]
    if trace["case"] == "model_load_mode_http":
        loads = ["org/some-model"]  # the name as it is, not a path made of it
    assert model.loads == loads


def check_results(trace: Dict[str, Any], job: JointInference) -> None:
    for index, recorded in enumerate(trace["results"]):
        case = recorded["case"]
        post_process = case.get("post_process")
        started = time.monotonic()
        if "error" in recorded and trace["case"] not in WORKS | set(RESULTS):
            with pytest.raises(ValueError, match=re.escape(recorded["error"][1])) as caught:
                job.inference(sample(case), **case.get("kwargs", {}))
            assert caught.type.__name__ == recorded["error"][0]
            continue
        result = job.inference(sample(case), post_process=halve if post_process == "callable" else post_process,
                               **case.get("kwargs", {}))
        assert time.monotonic() - started < 1.5, "nothing waits for 12 s"
        assert isinstance(result, list) and len(result) == 4
        if trace["case"] not in WORKS:
            expected = RESULTS.get(trace["case"], [r.get("value") for r in trace["results"]])[index]
            assert same(expected, result), f"{list(result)} ({result.reason}: {result.message})"
        is_hard, final, _edge, cloud = result
        assert result.reason in ("easy", "hard") or (is_hard and cloud is None and result.message)
        assert final is not None


def check_requests(trace: Dict[str, Any], big: Recorder) -> None:
    posts = big.posts()
    assert len(posts) == REQUESTS.get(trace["case"], len(trace["requests"])) or trace["case"] == "itm_random_from_crd"
    for (path, body), recorded in zip(posts, trace["requests"]):
        assert f"POST {path} HTTP/1.1" == recorded["line"]
        if recorded["body"] is not None:
            assert body.decode() == recorded["body"]  # byte for byte, blanks and order included


def check_reports(trace: Dict[str, Any], job: JointInference, lc: Recorder) -> None:
    if not trace["reports"]:
        return
    lc.wait(len(trace["reports"]) if trace["case"] == "lc_report_errors" else 1, 15)
    path, text = lc.posts()[-1]
    assert f"POST {path}" == trace["reports"][-1]["line"].replace(" HTTP/1.1", "")
    body, expected = json.loads(text), trace["reports"][-1]["body"]
    info, recorded = body.pop("ownerInfo"), expected["ownerInfo"]
    assert {k: v for k, v in expected.items() if k not in ("ownerInfo", "namespace")} == {
        k: v for k, v in body.items() if k != "namespace"}
    assert list(info) == list(recorded)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", info["startTime"])
    counts = job.counts
    # Each sample is counted once (upstream counts hard ones twice, so its ratio stays below one half).
    assert info["inferenceNumber"] == counts["inferences"] == len(trace["results"])
    assert info["hardExampleNumber"] == counts["hard"]
    assert info["uploadCloudRatio"] == counts["uploaded"] / counts["inferences"]
    assert counts["edge"] + counts["cloud"] == counts["inferences"]


# The cloud side ------------------------------------------------------------------------------------------------------


class BigModel:
    """The recorded big model; BIG_RESULT makes it misbehave."""

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def load(self, model_url: str = "") -> None:
        pass

    def predict(self, data: Any, **kwargs: Any) -> Any:
        if self.kind == "raise":
            raise RuntimeError("the model broke")
        if self.kind == "echo":
            return data
        if self.kind == "ndarray":
            return np.asarray(big_boxes(data))
        if self.kind == "dict":
            return {"boxes": big_boxes(data)}
        if not len(data):
            raise ZeroDivisionError("nothing")
        return big_boxes(data)


@pytest.fixture(name="serve")
def _serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    (tmp_path / "big.bin").write_bytes(b"m")
    monkeypatch.setenv("BACKEND_TYPE", "SKLEARN")
    monkeypatch.setenv("MODEL_URL", str(tmp_path / "big.bin"))
    monkeypatch.setenv("BIG_MODEL_BIND_IP", "127.0.0.1")
    monkeypatch.setenv("BIG_MODEL_BIND_PORT", "0")
    with ExitStack() as stack:

        def start(model: Any) -> int:
            service = BigModelService(estimator=model)
            thread = threading.Thread(target=service.start)
            thread.start()
            stack.callback(thread.join)
            stack.callback(service.stop)
            while service.inference_server is None or not service.inference_server.ready.wait(0.01):
                assert thread.is_alive()
            return service.inference_server.port

        yield start


def exchange(port: int, recorded: Dict[str, Any]) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = recorded.get("body")
        connection.request(recorded["method"], recorded["path"], body.encode() if body is not None else None,
                           recorded["headers"])
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("trace", SERVER, ids=lambda t: t["case"])
# JI-2.4, JI-3.4
def test_server(trace: Dict[str, Any], serve: Any) -> None:
    kind = "echo" if trace["case"] == "server_predict_echo" else trace["big_result"]
    port = serve(BigModel(kind))
    for recorded in trace["exchanges"]:
        answer, text = exchange(port, recorded)
        where = f"{recorded['method']} {recorded['path']} {recorded.get('body')}: {answer.status} {text[:200]}"
        if trace["case"] == "server_predict_ndarray":
            # An array is a list to JSON, as one would expect (upstream answers 500).
            assert answer.status == 200 and json.loads(text)["result"], where
            continue
        assert answer.status == recorded["status"], where
        if answer.status == 200 and recorded["path"].endswith("predict") and recorded["method"] == "POST":
            assert text == recorded["answer"], where
        elif answer.status == 422:
            assert json.loads(text) == json.loads(recorded["answer"]), where
        elif answer.status == 200 and recorded["path"] == "/sedna":
            ours = [info["path"] for info in json.loads(text)["infos"]]
            assert "/sedna" in ours and "/sedna/predict" in ours, where
        for name, value in recorded.get("answer_headers", {}).items():
            if name == "location":
                assert answer.getheader(name, "").endswith("/sedna"), where


# JI-2.9
def test_a_broken_model_breaks_one_request_only(serve: Any) -> None:
    port = serve(BigModel(None))
    bad = {"method": "POST", "path": "/sedna/predict", "headers": {"Content-Type": "application/json"}, "body": '{"data": []}'}
    good = {**bad, "body": '{"data": [1]}'}
    assert [exchange(port, request)[0].status for request in (bad, good, bad, good)] == [500, 200, 500, 200]
