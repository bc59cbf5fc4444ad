"""set_backend and BackendBase answer as upstream's, but for what is listed here."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
from vectors import rows

from sedna.backend import set_backend
from sedna.backend.base import BackendBase

ROWS = rows("backend_base")


def f1(a: Any, b: Any = None) -> None: ...
def f2(a: Any, **kwargs: Any) -> None: ...
def f3(a: Any, **others: Any) -> None: ...
def f4() -> None: ...


class C:
    def __init__(self, x: Any) -> None: ...


FUNCTIONS = {"f1": f1, "f2": f2, "f3": f3, "f4": f4, "C": C, "text": "text", "None": None, "len": len}


@pytest.mark.parametrize("row", [r for r in ROWS if r["call"].startswith("parse_kwargs")], ids=lambda r: r["call"])
def test_parse_kwargs(row: Dict[str, Any]) -> None:
    assert BackendBase.parse_kwargs(FUNCTIONS[row["call"].split()[1]], **row["kwargs"]) == row["result"]


@pytest.mark.parametrize("row", [r for r in ROWS if r["call"] == "model_name"], ids=lambda r: str(r["args"]))
def test_model_name(row: Dict[str, Any]) -> None:
    config, framework, fine_tune = row["args"]
    backend = BackendBase(object(), fine_tune=fine_tune, **config)
    backend.framework = framework
    assert backend.model_name == row["result"].replace("['.pth', '.pt']", ".pth")  # upstream renders a list


@pytest.mark.parametrize("row", [r for r in ROWS if r["call"] == "model_info"], ids=lambda r: str(r["args"]))
def test_model_info(row: Dict[str, Any]) -> None:
    assert BackendBase(object()).model_info(*row["args"], result={"a": [1]}) == row["result"]


@pytest.mark.parametrize("row", [r for r in ROWS if r["call"] == "set_backend BACKEND_TYPE"], ids=lambda r: str(r["args"]))
# JI-3.5
def test_set_backend(row: Dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_TYPE", row["args"][0])
    backend = set_backend(object())
    assert isinstance(backend, BackendBase)
    if row["args"][0] != "paddle" or importlib.util.find_spec("paddle") is None:
        assert type(backend).__name__ == row["result"]


def test_set_backend_none_and_defaults() -> None:
    assert set_backend(None) is None
    assert BackendBase(object()).model_save_path == "/tmp"
    with pytest.raises(NotImplementedError):
        BackendBase(object()).get_weights()
    with pytest.raises(NotImplementedError):
        BackendBase(object()).set_weights([])


# JI-6.3
def test_training_methods() -> None:
    """A difference: upstream asks for the fallback method even when it needs none, so fit alone raises there."""

    class OnlyFit:
        def fit(self, data: Any) -> List[Any]:
            return ["fit", data]

    class OnlyTrain:
        def train(self, data: Any, a: int = 0) -> List[Any]:
            return ["train", data, {"a": a}]

    class Both(OnlyFit, OnlyTrain):
        pass

    assert BackendBase(OnlyFit).train([1], a=2) == ["fit", [1]]
    assert BackendBase(OnlyTrain()).train([1], a=2) == ["train", [1], {"a": 2}]
    assert BackendBase(Both()).train([1], a=2) == ["fit", [1]]
    assert BackendBase(OnlyFit()).update([1]) == ["fit", [1]]
    with pytest.raises(AttributeError, match="fit"):
        BackendBase(object()).train([1])


# JI-3.5
def test_a_missing_framework_costs_a_log_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Upstream's default BACKEND_TYPE is TENSORFLOW, and every job died without TensorFlow."""
    if importlib.util.find_spec("tensorflow") is not None:
        pytest.skip("TensorFlow is installed: the fallback cannot be shown")

    class Plain:
        def predict(self, data: Any) -> Any:
            return [data]

    logger = logging.getLogger("sedna")
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level(logging.INFO, logger="sedna"):
        backend = set_backend(Plain)
    assert type(backend) is BackendBase and backend.predict(3) == [3]
    assert "tensorflow is not installed" in caplog.text


@pytest.mark.parametrize(
    ("signature", "got"),
    [("model_url", {"model_url": "M"}), ("path", {"path": "M"}), ("", {}), ("*, model_url=''", {"model_url": "M"}),
     ("**kwargs", {"kwargs": {"model_url": "M"}}), ("path, tag='t'", {"path": "M", "tag": "t"})],
)
# JI-3.5
def test_load_is_called_as_the_estimator_takes_it(signature: str, got: Dict[str, Any], tmp_path: Path) -> None:
    calls: List[Dict[str, Any]] = []
    scope: Dict[str, Any] = {"calls": calls}
    exec(f"def load(self, {signature}):\n    l = dict(locals()); l.pop('self'); calls.append(l)", scope)
    model = tmp_path / "m.bin"
    model.write_bytes(b"m")
    backend = BackendBase(type("E", (), {"load": scope["load"], "predict": lambda self, x: x}))
    backend.load(str(model))

    def placed(value: Any) -> Any:
        return {k: placed(v) for k, v in value.items()} if isinstance(value, dict) else (str(model) if value == "M" else value)

    assert calls == [placed(got)] and backend.has_load


def test_save_and_report(tmp_path: Path) -> None:
    class Saver:
        def save(self, path: str) -> None:
            Path(path).write_text("model")

    backend = BackendBase(Saver(), model_save_path=str(tmp_path / "out"), model_name="m.bin")
    assert backend.save() == str(tmp_path / "out" / "m.bin")
    assert backend.save(str(tmp_path / "copy.bin")) == str(tmp_path / "copy.bin")
    assert (tmp_path / "copy.bin").read_text() == "model"


# JI-3.5
def test_onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    helper, types = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["probabilities"])], "g",
        [helper.make_tensor_value_info("x", types.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("probabilities", types.FLOAT, [None, 3])],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    monkeypatch.setenv("BACKEND_TYPE", "ONNX")
    backend = set_backend(str(path))
    assert backend is not None
    answer = backend.predict(np.zeros((1, 3)))
    assert answer.shape == (1, 3) and abs(float(answer.sum()) - 1) < 1e-6
