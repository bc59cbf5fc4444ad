"""A stock ``tritonclient.http`` against ``sedna-worker infer``: health, documents, inference in every form, errors."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from processes import Worker, sedna_worker
from programs import WORKER

onnx = pytest.importorskip("onnx")
triton = pytest.importorskip("tritonclient.http")
from onnx import TensorProto, helper  # noqa: E402
from tritonclient.utils import InferenceServerException  # noqa: E402

pytestmark = pytest.mark.skipif(not WORKER.exists(), reason="sedna-worker is not built (script/build)")


def save_model(path: Path, nodes: list, inputs: dict, outputs: dict) -> Path:
    """Writes a small model; ports are ``name: (type, shape)``."""
    ports = [[helper.make_tensor_value_info(n, t, s) for n, (t, s) in group.items()] for group in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *ports)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString())
    return path


def doubling(path: Path, kind: int = TensorProto.FLOAT) -> Path:
    """``y = x + x`` over rows of two."""
    add = helper.make_node("Add", ["x", "x"], ["y"])
    return save_model(path, [add], {"x": (kind, ["n", 2])}, {"y": (kind, ["n", 2])})


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("models")
    twice = doubling(folder / "twice.onnx")
    echo = save_model(
        folder / "echo.onnx",
        [helper.make_node("Identity", ["text"], ["same"])],
        {"text": (TensorProto.STRING, ["n"])},
        {"same": (TensorProto.STRING, ["n"])},
    )
    pair = save_model(
        folder / "pair.onnx",
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
        {"a": (TensorProto.INT32, [3]), "b": (TensorProto.INT32, [3])},
        {"sum": (TensorProto.INT32, [3]), "difference": (TensorProto.INT32, [3])},
    )
    repository = folder / "repository"
    doubling(repository / "later" / "1" / "model.onnx")
    arguments = [f"--model=twice={twice}", f"--model=echo={echo}", f"--model=pair={pair}"]
    with sedna_worker("infer", *arguments, "--model-repository", repository, "--port", "0") as running:
        yield running


@pytest.fixture
def client(worker: Worker) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(f"127.0.0.1:{worker.port}") as opened:
        yield opened


def tensor(name: str, value: np.ndarray, *, binary: bool = True) -> triton.InferInput:
    """An input of the value's own type."""
    from tritonclient.utils import np_to_triton_dtype

    out = triton.InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
    out.set_data_from_numpy(value, binary_data=binary)
    return out


ROWS = np.array([[1, 2], [3, -4.5]], np.float32)


# JI-2.1
def test_health_and_documents(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("twice")
    assert client.is_model_ready("twice", "1")
    assert not client.is_model_ready("twice", "2")
    assert not client.is_model_ready("nobody")
    server = client.get_server_metadata()
    assert server["name"] == "sedna"
    assert {"binary_tensor_data", "statistics", "model_configuration", "model_repository"} <= set(server["extensions"])
    metadata = client.get_model_metadata("twice")
    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    config = client.get_model_config("twice")
    assert config["input"][0]["data_type"] == "TYPE_FP32"
    assert config["input"][0]["dims"] == [-1, 2]


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
# JI-2.1
def test_infer(client: triton.InferenceServerClient, binary_in: bool, binary_out: bool | None) -> None:
    outputs = None if binary_out is None else [triton.InferRequestedOutput("y", binary_data=binary_out)]
    result = client.infer("twice", [tensor("x", ROWS, binary=binary_in)], outputs=outputs, request_id="r 7")
    np.testing.assert_array_equal(result.as_numpy("y"), ROWS * 2)
    response = result.get_response()
    assert response["id"] == "r 7"
    assert (response["model_name"], response["model_version"]) == ("twice", "1")


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
# JI-2.3
def test_compressed(client: triton.InferenceServerClient, algorithm: str) -> None:
    result = client.infer(
        "twice",
        [tensor("x", ROWS)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(result.as_numpy("y"), ROWS * 2)


@pytest.mark.parametrize("binary", [True, False])
# JI-2.1
def test_strings(client: triton.InferenceServerClient, binary: bool) -> None:
    texts = np.array([b"cat", b"", "é中".encode()], object)
    result = client.infer("echo", [tensor("text", texts, binary=binary)])
    assert result.as_numpy("same").tolist() == texts.tolist()


# JI-2.1
def test_two_inputs_one_output_asked_for(client: triton.InferenceServerClient) -> None:
    a, b = np.array([5, 6, 7], np.int32), np.array([1, 2, 3], np.int32)
    wanted = [triton.InferRequestedOutput("difference")]
    result = client.infer("pair", [tensor("b", b), tensor("a", a)], outputs=wanted)
    assert result.as_numpy("difference").tolist() == [4, 4, 4]
    assert result.as_numpy("sum") is None


# JI-2.2
def test_large_tensor_behind_unaligned_json(client: triton.InferenceServerClient) -> None:
    """The stock client's JSON part has any length: the tensor behind it is still used rightly."""
    rng = np.random.default_rng(1)
    for rows in (1, 2, 1000, 100_000):
        value = rng.standard_normal((rows, 2), np.float32)
        np.testing.assert_array_equal(client.infer("twice", [tensor("x", value)]).as_numpy("y"), value * 2)


# JI-2.1
def test_asynchronous_calls(worker: Worker) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{worker.port}", concurrency=4) as client:
        calls = [client.async_infer("twice", [tensor("x", ROWS + i)]) for i in range(32)]
        for i, call in enumerate(calls):
            np.testing.assert_array_equal(call.get_result().as_numpy("y"), (ROWS + i) * 2)


# JI-2.1, JI-2.11
def test_statistics_count_what_happened(client: triton.InferenceServerClient) -> None:
    def count() -> tuple[int, int, int]:
        stats = client.get_inference_statistics("twice")["model_stats"][0]
        parts = stats["inference_stats"]
        return stats["inference_count"], parts["success"]["count"], parts["fail"]["count"]

    rows, success, fail = count()
    client.infer("twice", [tensor("x", ROWS)])
    with pytest.raises(InferenceServerException):
        client.infer("twice", [tensor("x", ROWS.astype(np.float64))])
    assert count() == (rows + 2, success + 1, fail + 1)


@pytest.mark.parametrize(
    ("model", "version", "value", "message"),
    [
        ("nobody", "", ROWS, "not known"),
        ("twice", "3", ROWS, "no version 3"),
        ("twice", "", ROWS.astype(np.float64), "takes FP32, got FP64"),
        ("twice", "", np.zeros((1, 3), np.float32), "takes the shape [-1, 2], got [1, 3]"),
    ],
)
# JI-2.10
def test_errors_say_what_is_wrong(
    client: triton.InferenceServerClient, model: str, version: str, value: np.ndarray, message: str
) -> None:
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, [tensor("x", value)], model_version=version)
    assert message in error.value.message()
    assert error.value.status() == ("404" if "no" in message.split()[0] else "400")


# JI-2.10
def test_unknown_output_and_input(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="nope"):
        client.infer("twice", [tensor("x", ROWS)], outputs=[triton.InferRequestedOutput("nope")])
    with pytest.raises(InferenceServerException, match="no input 'z'"):
        client.infer("twice", [tensor("z", ROWS)])


# JI-2.8
def test_repository(client: triton.InferenceServerClient) -> None:
    states = {entry["name"]: entry["state"] for entry in client.get_model_repository_index()}
    assert states["later"] == "UNAVAILABLE"
    client.load_model("later")
    np.testing.assert_array_equal(client.infer("later", [tensor("x", ROWS)]).as_numpy("y"), ROWS * 2)
    client.unload_model("later")
    with pytest.raises(InferenceServerException, match="not known"):
        client.infer("later", [tensor("x", ROWS)])
    for name in ("nobody", "..", "a%2Fb"):
        with pytest.raises(InferenceServerException):
            client.load_model(name)


# JI-2.10
def test_what_is_not_there_is_501(client: triton.InferenceServerClient) -> None:
    for call in (client.get_log_settings, client.get_trace_settings, client.get_system_shared_memory_status):
        with pytest.raises(InferenceServerException) as error:
            call()
        assert error.value.status() == "501"


def post(worker: Worker, path: str, document: object) -> tuple[int, dict]:
    request = urllib.request.Request(
        worker.origin + path, json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


# JI-2.4
def test_json_route_beside_the_protocol(worker: Worker) -> None:
    assert post(worker, "/sedna/predict", {"data": ROWS.tolist()}) == (200, {"result": (ROWS * 2).tolist()})
    status, body = post(worker, "/sedna/predict", {"data": [[1, 2, 3]]})
    assert status == 422
    assert "[1, 3]" in body["detail"][0]["msg"]


# JI-2.11
def test_metrics_have_the_names_that_dashboards_know(worker: Worker, client: triton.InferenceServerClient) -> None:
    client.infer("twice", [tensor("x", ROWS)])
    with urllib.request.urlopen(worker.origin + "/metrics", timeout=20) as response:
        text = response.read().decode()
    for name in ("nv_inference_request_success", "nv_inference_count", "sedna_inference_request_seconds_count"):
        assert f'{name}{{model="twice",version="1"}}' in text


# JI-2.8
def test_sigterm_ends_it_with_status_0(tmp_path: Path) -> None:
    with sedna_worker("infer", "--model", doubling(tmp_path / "m.onnx"), "--port", "0") as running:
        running.process.terminate()
        assert running.process.wait(timeout=15) == 0


@pytest.mark.parametrize("content", [b"", b"not a model", None])
# JI-7.10
def test_a_wrong_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    import subprocess

    path = tmp_path / "broken.onnx"
    if content is None:
        path.write_bytes(doubling(tmp_path / "whole.onnx").read_bytes()[:40])
    else:
        path.write_bytes(content)
    ended = subprocess.run(
        [str(WORKER), "infer", "--model", f"m={path}", "--port", "0"], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert str(path) in ended.stderr
