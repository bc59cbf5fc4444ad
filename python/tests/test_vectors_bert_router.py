"""BertRouter answers as upstream's; the model behind it is replaced by recorded scores."""

from __future__ import annotations

import sys
import types
from typing import Any, Dict, List

import pytest
from vectors import rows

from sedna.algorithms.hard_example_mining import BertRouterFilter

ROWS = rows("bert_router")


class Pipeline:
    made: List[Dict[str, Any]] = []

    def __init__(self, task: str, model: str, device: Any = None, **kwargs: Any) -> None:
        if model == "missing":
            raise OSError("no such model")
        Pipeline.made.append({"task": task, "model": model, "device": device, "kwargs": kwargs})
        self.scores = {"LABEL_0": 0.5, "LABEL_1": 0.5}
        self.calls: List[Any] = []

    def __call__(self, data: Any, **kwargs: Any) -> Any:
        self.calls.append([data, kwargs])
        return [{"label": k, "score": v} for k, v in self.scores.items()]


@pytest.fixture(autouse=True)
def _transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("transformers")
    module.pipeline = Pipeline  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", module)
    monkeypatch.setitem(sys.modules, "torch", None)
    Pipeline.made = []


@pytest.mark.parametrize("row", [r for r in ROWS if r["call"] == "construct"], ids=lambda r: str(r["kwargs"]))
# JI-6.3
def test_construct(row: Dict[str, Any]) -> None:
    if row["error"]:
        with pytest.raises((RuntimeError, ValueError)) as caught:
            BertRouterFilter(**row["kwargs"])
        assert caught.type.__name__ == row["error"]
        return
    made = BertRouterFilter(**row["kwargs"])
    fields, calls = row["result"]
    assert {k: getattr(made, k) for k in fields} == fields
    assert Pipeline.made == calls


@pytest.mark.parametrize("row", [r for r in ROWS if r["call"].startswith("threshold=")], ids=lambda r: f"{r['call']}-{r['args']}")
# JI-4.1
def test_rule(row: Dict[str, Any]) -> None:
    router = BertRouterFilter(threshold=row["call"].split("=")[1].strip("'"))
    router.classifier.scores = {"LABEL_0": row["args"][0]["label_0"], "LABEL_1": row["args"][0]["label_1"]}
    # A difference: scores that add up to nothing are not hard; upstream divides by zero.
    assert router("q") is (False if row["error"] == "ZeroDivisionError" else row["result"])


def test_errors() -> None:
    router = BertRouterFilter()
    router.classifier.scores = {"A": 1.0}
    with pytest.raises(KeyError):
        router("q")
    with pytest.raises(NotImplementedError):
        BertRouterFilter(task="other")("q")
    router.cleanup()
    assert router.classifier is None


@pytest.mark.parametrize("row", [r for r in ROWS if r["call"] == "what the classifier receives"], ids=lambda r: str(r["args"])[:40])
def test_what_the_classifier_receives(row: Dict[str, Any]) -> None:
    router = BertRouterFilter()
    assert router(*row["args"]) == row["result"][0]
    sent = router.classifier.calls
    data = row["args"][0]
    # A difference: the text of a query is sent, cut to max_length; upstream has a method for that and does not call it.
    while isinstance(data, dict):
        data = data["query"]
    assert sent == [[data[:512] if isinstance(data, str) else data, {"top_k": None}]]


def test_preprocess() -> None:
    router = BertRouterFilter(max_length=4)
    for row in (r for r in ROWS if r["call"] == "_preprocess"):
        expected = "my q" if row["error"] else row["result"]  # upstream indexes into a text that contains "query"
        assert router._preprocess(row["args"][0]) == expected


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="pip install transformers"):
        BertRouterFilter()
