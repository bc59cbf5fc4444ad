"""sedna.calibrate: thresholds from held-out samples, bound to the model that they were made for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import sedna

pytest.importorskip("sedna._sedna", reason="the extension module is not built")


def held_out(count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(count, 5)) * 2
    labels = np.argmax(logits + generator.normal(size=logits.shape), axis=1)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return p, labels


# JI-4.6
def test_ratio(tmp_path: Path) -> None:
    p, labels = held_out()
    model = tmp_path / "edge.bin"
    model.write_bytes(b"model")
    found = sedna.calibrate(p, labels, filter="MSP", ratio=0.2, cloud=labels, model=model, output=tmp_path / "c.json")
    assert found.ratio == pytest.approx(0.2, abs=0.01)
    assert found.accuracy_joint is not None and found.accuracy_edge is not None
    assert found.accuracy_joint > found.accuracy_edge
    written = json.loads((tmp_path / "c.json").read_text())
    assert written["filter"] == "MSP"
    from sedna.calibration import parameters_from

    assert parameters_from(tmp_path / "c.json", str(model), None, {}) == ("MSP", found.parameters)
    with pytest.raises(ValueError, match="MSP"):
        parameters_from(tmp_path / "c.json", str(model), "Entropy", {})
    model.write_bytes(b"another model")
    with pytest.raises((ValueError, RuntimeError)):
        parameters_from(tmp_path / "c.json", str(model), None, {})


# JI-4.6
def test_accuracy_target() -> None:
    p, labels = held_out()
    found = sedna.calibrate(p, labels, accuracy=0.95, cloud=np.ones(len(labels), dtype=bool))
    assert found.reached and found.accuracy_joint is not None and found.accuracy_joint >= 0.95
    with pytest.raises(ValueError, match="cloud"):
        sedna.calibrate(p, labels, accuracy=0.95)


# JI-7.11
def test_what_is_wrong_is_named() -> None:
    p, labels = held_out(10)
    with pytest.raises(ValueError, match="labels"):
        sedna.calibrate(p, labels[:5])
    with pytest.raises(ValueError, match="outputs"):
        sedna.calibrate(p[0], labels)
    with pytest.raises(ValueError, match="ratio and accuracy"):
        sedna.calibrate(p, labels, ratio=0.1, accuracy=0.9)
    with pytest.raises((ValueError, FileNotFoundError), match="NoSuch"):
        sedna.calibrate(p, labels, filter="NoSuch")
