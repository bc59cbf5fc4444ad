"""The federated example with each real framework: separate processes that train on digits of their own, over HTTP."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from harness import ROOT

before = list(sys.path)
sys.path.insert(0, str(ROOT / "examples" / "federated_digits"))
import data  # noqa: E402
import demo  # noqa: E402

sys.path[:] = before  # the demo looks in examples/, where a folder is called keras

PACKAGES = {"sklearn": "sklearn", "keras": "keras", "pytorch": "torch", "paddle": "paddle", "mindspore": "mindspore"}
CLIENTS, ROUNDS, EPOCHS = 3, 4, 5


# FL-17.1
def test_each_framework_has_a_case():
    assert set(demo.FRAMEWORKS) == {"numpy", *PACKAGES}


@pytest.mark.parametrize("framework", PACKAGES)
# FL-17.1
def test_the_clients_learn_together(framework, tmp_path):
    if importlib.util.find_spec(PACKAGES[framework]) is None:
        pytest.skip(f"{framework} is not installed")
    labels = data.write(tmp_path, CLIENTS, alpha=0.1, seed=0)
    # SCAFFOLD where the network lets the algorithm correct its gradients.
    algorithm = "SCAFFOLD" if framework == "pytorch" else "FedAvg"
    run = demo.federate(tmp_path, algorithm, CLIENTS, ROUNDS, EPOCHS, 0, "native", "http", framework)
    # Nobody knows enough digits alone: whoever answered only what its best client has seen would stay below.
    alone = max(len(set(own.tolist())) for own in labels) / 10
    assert run.accuracy[-1] > 0.6
    assert run.accuracy[-1] > run.accuracy[0] or run.accuracy[0] > alone
    extension = demo.FRAMEWORKS[framework][2]
    models = list(Path(tmp_path).glob(f"{algorithm}/model-*/*{extension}"))
    assert len(models) == CLIENTS, "each client saves the job's model as its framework does"
