"""Federated jobs that wait for nobody, that choose their clients, and whose clients keep a part of the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
from test_federated_http import RATE, STEPS, Plain, Quadratic, run_clients, server

from sedna.core.federated_learning import FederatedLearning
from sedna.core.federated_learning.ditto import Ditto
from sedna.core.federated_learning.policies import FedProx, SharedPart
from sedna.service.server import AggregationServer

pytest.importorskip("sedna._sedna", reason="the extension module is not built")


class Headed(Quadratic):
    """A shared weight and one of the client's own, which is drawn to the client's number."""

    def __init__(self, target: float, own: float, names: Any = None) -> None:
        super().__init__(1.0, target)
        self.head = np.zeros(2)
        self.own = own
        if names is not None:
            self.weight_names = names

    def train(self, train_data: Any, valid_data: Any = None, policy: Any = None) -> Any:
        for _ in range(STEPS):
            gradients = [self.w - self.target, self.head - self.own]
            if policy is not None:
                gradients = policy.gradient([self.w, self.head], gradients, RATE)
            self.w = self.w - RATE * gradients[0]
            self.head = self.head - RATE * gradients[1]
        return {"loss": float(np.sum((self.w - self.target) ** 2))}

    def get_weights(self) -> List[Any]:
        return [self.w, self.head]

    def set_weights(self, weights: List[Any]) -> None:
        self.w, self.head = np.array(weights[0]), np.array(weights[1])


# FL-9.8
@pytest.mark.parametrize("algorithm", ["FedBuff,buffer=2", "FedAsync,alpha=0.5"])
# FL-9.8
def test_nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, algorithm: str) -> None:
    models = [Quadratic(1.0, target) for target in (1.0, 2.0, 3.0)]
    with server(3, 60, algorithm=algorithm) as host:
        errors = run_clients(monkeypatch, tmp_path, host, models)
    assert not errors and not host.errors
    assert len(host.reports) == 60
    assert all(report["staleness"] >= 0 for report in host.reports)
    # Around the mean of the targets by samples, (1 + 4 + 9) / 6; buffers of some of the clients sway about it.
    assert 1.0 < models[0].w[0] < 3.0
    assert models[0].w == models[1].w == models[2].w


# FL-10.7
@pytest.mark.parametrize("policy", ["random", "weighted", "oort"])
# FL-10.7
def test_some_are_chosen_and_the_others_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, policy: str) -> None:
    models = [Plain() for _ in range(4)]
    with server(2, 6, select=policy, select_pool=4, seed=5) as host:
        errors = run_clients(monkeypatch, tmp_path, host, models)
    assert not errors and not host.errors
    assert [len(report["chosen"]) for report in host.reports] == [2] * 6
    assert all(sorted(report["clients"]) == sorted(report["chosen"]) for report in host.reports)
    # Each round adds one, whoever trains; and everybody has the last model.
    assert all((model.w == 6).all() for model in models)


# FL-11.5
@pytest.mark.parametrize("protocol", ["http", "ws"])
# FL-11.5
def test_a_head_stays_with_its_client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protocol: str) -> None:
    models = [Headed(1.0, 10.0), Headed(4.0, 20.0)]
    monkeypatch.setenv("SEDNA_FL_PERSONAL", "FedPer,last=1")
    monkeypatch.setenv("SEDNA_FL_CLIENT_STATE", str(tmp_path / "state"))
    real = monkeypatch.setenv

    def setenv(name: str, value: str, prepend: Any = None) -> None:
        real(name, protocol if name == "AGG_PROTOCOL" else value, prepend)

    monkeypatch.setattr(monkeypatch, "setenv", setenv)
    with server(2, 30) as host:
        errors = run_clients(monkeypatch, tmp_path, host, models)
    assert not errors and not host.errors
    assert models[0].w == models[1].w == pytest.approx(3.0, abs=1e-2)  # (1·1 + 2·4) / 3
    assert models[0].head == pytest.approx(10.0, abs=1e-2) and models[1].head == pytest.approx(20.0, abs=1e-2)
    assert (tmp_path / "state" / "c0.personal").exists()


# FL-11.5
def test_normalisation_is_found_by_name_and_goes_with_every_algorithm(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = [Headed(1.0, 10.0, ["dense.weight", "bn1.weight"]),
              Headed(1.0, 20.0, lambda: ["dense.weight", "bn1.weight"])]
    monkeypatch.setenv("SEDNA_FL_PERSONAL", "FedBN")
    with server(2, 30, algorithm="SCAFFOLD") as host:
        errors = run_clients(monkeypatch, tmp_path, host, models)
    assert not errors and not host.errors
    assert models[0].w == pytest.approx(1.0, abs=1e-2)
    assert models[0].head == pytest.approx(10.0, abs=1e-2) and models[1].head == pytest.approx(20.0, abs=1e-2)


# FL-11.5
def test_what_is_not_there_cannot_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEDNA_FL_PERSONAL", "FedBN")
    with server(1, 1) as host:
        errors = run_clients(monkeypatch, tmp_path, host, [Headed(1.0, 1.0)])
        host.stop()
    assert "tensors=2+3" in str(errors[0])


# FL-11.1
def test_a_policy_sees_the_shared_tensors_only() -> None:
    policy = SharedPart(FedProx({"mu": 1.0}), [1])
    policy.begin([np.zeros(1), np.zeros(1)], [])
    gradients = policy.gradient([np.ones(1), np.ones(1)], [np.ones(1), np.ones(1)], 0.1)
    assert [g[0] for g in gradients] == [2.0, 1.0]
    assert policy.steps == 1


# FL-11.4
def test_ditto_is_what_the_paper_says(tmp_path: Path) -> None:
    ditto = Ditto.parse("Ditto,lambda=3", tmp_path / "v.npz")
    (v,) = ditto.begin([np.zeros(1)])
    policy = ditto.policy([np.zeros(1)])
    for _ in range(200):
        (gradient,) = policy.gradient([v], [v - 4], 0.1)
        v = v - 0.1 * gradient
    assert v[0] == pytest.approx(1.0)  # 4 / (1 + 3)
    ditto.keep([v])
    assert Ditto(3, tmp_path / "v.npz").begin([np.zeros(1)])[0][0] == pytest.approx(1.0)
    for wrong in ("Ditto,mu=1", "Ditto,lambda=near", "Ditto,lambda=-1"):
        with pytest.raises(ValueError, match="Ditto"):
            Ditto.parse(wrong)


# FL-11.4
def test_ditto_keeps_a_model_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = [Quadratic(1.0, 0.0), Quadratic(1.0, 3.0)]
    monkeypatch.setenv("SEDNA_FL_PERSONAL", "Ditto,lambda=1")
    with server(2, 60) as host:
        errors = run_clients(monkeypatch, tmp_path, host, models)
    assert not errors and not host.errors
    # The shared model is 2, (1·0 + 2·3) / 3; each client ends half way between that and its own optimum.
    assert models[0].w[0] == pytest.approx(1.0, abs=0.02)
    assert models[1].w[0] == pytest.approx(2.5, abs=0.02)


# FL-11.4
def test_ditto_needs_a_policy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MODEL_URL", str(tmp_path))
    monkeypatch.setenv("BACKEND_TYPE", "SKLEARN")
    with pytest.raises(RuntimeError, match="must take policy="):
        FederatedLearning(Plain(), personal="Ditto")


# FL-15.10
def test_a_server_is_a_site_of_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = [Quadratic(1.0, 0.0), Quadratic(1.0, 3.0)]
    with server(1, 40) as root:
        above = f"http://127.0.0.1:{root.port}/FedAvg"
        with server(2, 1, upstream=above, site="edge0") as site:  # which round is the last one is said above
            errors = run_clients(monkeypatch, tmp_path, site, models)
    assert not errors and not root.errors and not site.errors
    assert len(root.reports) == 40 and len(site.reports) == 40
    assert root.reports[-1]["samples"] == 3, "both clients' are in it"
    assert models[0].w[0] == models[1].w[0] == pytest.approx(2.0, abs=0.02)

    with pytest.raises(ValueError, match="cannot be a site"):
        AggregationServer(type("Mine", (), {}), upstream=above)
    with server(1, 1) as root:
        monkeypatch.setenv("SEDNA_FL_STRICT", "true")
        wrong = AggregationServer("FedAvg", http_port=0, upstream=f"http://127.0.0.1:{root.port}/FedAvg", site="edge0")
        with pytest.raises(ValueError, match="strict"):
            wrong.start()
        root.stop()
