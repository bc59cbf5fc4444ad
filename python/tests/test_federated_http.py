"""Federated learning over HTTP: clients with every algorithm, the policies' arithmetic, files that other tools read."""

from __future__ import annotations

import json
import struct
import threading
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List

import numpy as np
import pytest

from sedna.core.federated_learning import FederatedLearning
from sedna.core.federated_learning.policies import ClientPolicy, FedDyn, FedProx, Scaffold, policy_of, register_policy
from sedna.service.server import AggregationServer

pytest.importorskip("sedna._sedna", reason="the extension module is not built")

STEPS = 10
RATE = 0.05


class Quadratic:
    """Gradient descent on 0.5 curve (w - target)^2, through the policy when there is one."""

    def __init__(self, curve: float, target: float, start: float = 5.0) -> None:
        self.curve, self.target = curve, target
        self.w = np.full(1, start)

    def train(self, train_data: Any, valid_data: Any = None, policy: Any = None) -> Dict[str, float]:
        for _ in range(STEPS):
            gradients = [self.curve * (self.w - self.target)]
            if policy is not None:
                gradients = policy.gradient([self.w], gradients, RATE)
            self.w = self.w - RATE * gradients[0]
        return {"loss": float(0.5 * self.curve * (self.w[0] - self.target) ** 2)}

    def get_weights(self) -> List[Any]:
        return [self.w]

    def set_weights(self, weights: List[Any]) -> None:
        self.w = np.array(weights[0])

    def save(self, path: str) -> None:
        Path(path).write_text("m")


class Plain:
    """An estimator whose train() knows nothing of policies."""

    def __init__(self) -> None:
        self.w = np.zeros((2, 3), "float32")

    def train(self, train_data: Any, valid_data: Any = None, **kwargs: Any) -> None:
        self.w = self.w + 1

    def get_weights(self) -> List[Any]:
        return [self.w, np.zeros(2)]

    def set_weights(self, weights: List[Any]) -> None:
        self.w = np.array(weights[0])

    def save(self, path: str) -> None:
        Path(path).write_text("m")


@contextmanager
def server(participants: int, rounds: int, **settings: Any) -> Iterator[AggregationServer]:
    host = AggregationServer(settings.pop("aggregation", "FedAvg"), http_port=0, exit_round=rounds,
                             participants_count=participants, **settings)
    errors: List[BaseException] = []

    def serve() -> None:
        try:
            host.start()
        except RuntimeError as error:
            errors.append(error)

    host.reports = []  # type: ignore[attr-defined]
    host.on_round = host.reports.append  # type: ignore[attr-defined]
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert host.ready.wait(20)
        yield host
        thread.join(timeout=30)
        assert not thread.is_alive()
    finally:
        host.stop()
        thread.join(timeout=30)
    host.errors = errors  # type: ignore[attr-defined]


def run_clients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: AggregationServer, models: List[Any],
                aggregation: str = "FedAvg") -> List[Any]:
    monkeypatch.setenv("AGG_PROTOCOL", "http")
    monkeypatch.setenv("AGG_PORT", str(host.port))
    monkeypatch.setenv("MODEL_URL", str(tmp_path))
    monkeypatch.setenv("LC_SERVER", "")
    monkeypatch.setenv("BACKEND_TYPE", "SKLEARN")
    monkeypatch.setenv("CONNECT_TIMEOUT", "20")
    jobs = []
    for i, model in enumerate(models):
        monkeypatch.setenv("WORKER_NAME", f"c{i}")
        monkeypatch.setenv("MODEL_NAME", f"c{i}")
        jobs.append(FederatedLearning(model, aggregation=aggregation))
    errors: List[BaseException] = []

    def train(job: Any, samples: int) -> None:
        try:
            job.train([0] * samples)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=train, args=(job, i + 1)) for i, job in enumerate(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout=60)
        assert not t.is_alive()
    return errors


# FL-3.6
def test_clients_train_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = [Plain(), Plain()]
    models[1].w = models[1].w + 3
    with server(2, 3) as host:
        assert run_clients(monkeypatch, tmp_path, host, models) == []
    # (1 * 1 + 2 * 4) / 3 = 3, then one more in each of two rounds
    for model in models:
        assert model.w.dtype == np.float32
        assert np.array_equal(model.w, np.full((2, 3), 5.0))
    assert [r["clients"] for r in host.reports] and len(host.reports) == 3


# FL-3.6
def test_a_model_is_a_safetensors_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = tmp_path / "job"
    with server(1, 1, state=str(state)) as host:
        assert run_clients(monkeypatch, tmp_path, host, [Plain()]) == []
    raw = (state / "models" / "round-000001.safetensors").read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    assert header["__metadata__"]["round"] == "1"
    entry = header["weights.0"]
    assert (entry["dtype"], entry["shape"]) == ("F32", [2, 3])
    begin, end = entry["data_offsets"]
    values = np.frombuffer(raw[8 + size + begin:8 + size + end], "<f4")
    assert np.array_equal(values, np.ones(6))
    safetensors = pytest.importorskip("safetensors.numpy", reason="the format's own reader is not installed")
    assert np.array_equal(safetensors.load(raw)["weights.0"], np.ones((2, 3), "float32"))


# FL-4.8, FL-16.2
def test_policies_are_what_the_papers_say() -> None:
    x = [np.array([1.0, 2.0])]
    plain = policy_of("FedAvg", {})
    plain.begin(x, [])
    assert plain.gradient(x, [np.array([3.0, 4.0])], 0.1)[0].tolist() == [3.0, 4.0]
    assert (plain.steps, plain.end(x)) == (1, [])

    prox = FedProx({"mu": 0.5})
    prox.begin(x, [])
    assert prox.gradient([np.array([3.0, 2.0])], [np.array([1.0, 1.0])], 0.1)[0].tolist() == [2.0, 1.0]
    none = FedProx({"mu": 0.0})
    none.begin(x, [])
    gradients = [np.array([0.1, 0.7])]
    assert none.gradient([np.array([9.0, 9.0])], gradients, 0.1) is gradients  # bit for bit FedAvg's

    scaffold = Scaffold()
    scaffold.begin(x, [np.array([0.5, 0.5])])
    assert scaffold.gradient(x, [np.array([1.0, 1.0])], 0.1)[0].tolist() == [1.5, 1.5]
    scaffold.gradient(x, [np.array([1.0, 1.0])], 0.1)
    # change of c_i: -c + (x - y) / (2 * 0.1)
    assert np.allclose(scaffold.end([np.array([0.8, 2.0])])[0], [-0.5 + 0.2 / 0.2, -0.5])
    scaffold.begin(x, [np.array([0.0, 0.0])])
    assert np.allclose(scaffold.gradient(x, [np.array([1.0, 1.0])], 0.1)[0], [0.5, 1.5])
    assert scaffold.steps == 1

    dyn = FedDyn({"alpha": 2.0})
    dyn.begin(x, [])
    assert dyn.gradient([np.array([2.0, 2.0])], [np.array([0.0, 0.0])], 0.1)[0].tolist() == [2.0, 0.0]
    dyn.end([np.array([2.0, 1.0])])  # g_i = -2 * (1, -1)
    dyn.begin(x, [])
    assert dyn.gradient(x, [np.array([0.0, 0.0])], 0.1)[0].tolist() == [2.0, -2.0]

    @register_policy("Mine")
    class Mine(ClientPolicy):
        pass

    assert isinstance(policy_of("Mine", {}), Mine)


# FL-4.8, FL-16.5
def test_scaffold_reaches_what_fedavg_misses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    finals = {}
    for name in ("FedAvg", "SCAFFOLD"):
        models = [Quadratic(1, 0), Quadratic(10, 1)]
        # Samples weigh: with 1 and 2 of them the optimum of (1 f1 + 2 f2) / 3 is 20/21.
        with server(2, 60, aggregation=name) as host:
            assert run_clients(monkeypatch, tmp_path, host, models, name) == []
        finals[name] = float(models[0].w[0])
    assert abs(finals["SCAFFOLD"] - finals["FedAvg"]) > 0.05
    # Plain means of variates: SCAFFOLD goes to the optimum of f1 + f2, 10/11.
    assert abs(finals["SCAFFOLD"] - 10 / 11) < 0.02, finals


# FL-4.8
def test_an_estimator_without_policy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with server(1, 1, aggregation="SCAFFOLD") as host:
        errors = run_clients(monkeypatch, tmp_path, host, [Plain()], "SCAFFOLD")
        host.stop()
    assert "policy.gradient(weights, gradients, rate)" in str(errors[0])


# FL-4.8
def test_a_policys_state_survives(tmp_path: Path) -> None:
    x = [np.array([1.0]), np.array([[2.0, 3.0]])]
    for cls, parameters in ((Scaffold, {}), (FedDyn, {"alpha": 1.0})):
        first = cls(parameters)
        first.begin(x, [])
        first.gradient(x, x, 0.1)
        first.end([w * 0.5 for w in x])
        first.save(tmp_path / "state.npz")
        again = cls(parameters)
        again.load(tmp_path / "state.npz")
        for policy in (first, again):
            policy.begin(x, [])
        for a, b in zip(first.gradient(x, x, 0.1), again.gradient(x, x, 0.1)):
            assert np.array_equal(a, b)


# FL-2.7
def test_the_job_ends_by_what_clients_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = [Quadratic(1, 0), Quadratic(1, 0)]
    with server(2, 1000, stop_metric="-loss", stop_target=0.01) as host:
        assert run_clients(monkeypatch, tmp_path, host, models) == []
    assert 1 < len(host.reports) < 20
    assert host.reports[-1]["last"] and "loss has reached" in host.reports[-1]["stopped"]
    assert host.reports[-1]["metrics"]["loss"] <= 0.01


# FL-7.3
@pytest.mark.parametrize("codec", ["bf16", "fp16", "int8", "int4", "topk,share=0.5", "sign"])
# FL-7.3
def test_updates_are_coded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, codec: str) -> None:
    models = [Quadratic(1, 0), Quadratic(1, 1)]
    monkeypatch.setenv("SEDNA_FL_CLIENT_STATE", str(tmp_path / "client"))
    with server(2, 30, codec=codec) as host:
        assert run_clients(monkeypatch, tmp_path, host, models) == []
    # The optimum, weighted 1 to 2, is 2/3; error feedback gets there with any codec.
    assert abs(models[0].w[0] - 2 / 3) < 0.05, models[0].w
    assert (tmp_path / "client" / "c0.residual").exists()


# FL-8.2
def test_privacy_is_accounted_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with server(2, 3, clip="1", privacy="1,delta=1e-5") as host:
        assert run_clients(monkeypatch, tmp_path, host, [Quadratic(1, 0), Quadratic(1, 1)]) == []
    spent = [r["epsilon"] for r in host.reports]
    assert 4.3 < spent[0] < 5 and spent == sorted(spent)
    with pytest.raises(ValueError, match="needs clip as a number"):
        AggregationServer("FedAvg", http_port=0, privacy="1").start()


# FL-4.7
def test_settings_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="has no setting 'algorythm'; there are algorithm"):
        AggregationServer("FedAvg", algorythm="FedAdam")
    with pytest.raises(ValueError, match=r"FedAdam\.taux: is unknown; there are beta1"):
        AggregationServer("FedAvg", http_port=0, algorithm="FedAdam,taux=1").start()
    monkeypatch.setenv("SEDNA_FL_ALGORITHM", "Nosuch")
    with pytest.raises(Exception, match="there are FedAdagrad"):
        AggregationServer("FedAvg", http_port=0).start()
    monkeypatch.delenv("SEDNA_FL_ALGORITHM")
    assert AggregationServer("MultiKrum", robust="", participants_count=5).settings == {"robust": ""}


def test_plain_requests_are_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A client of one's own needs a JSON reader and a file."""
    with server(1, 1) as host:
        base = f"http://127.0.0.1:{host.port}/FedAvg"
        request = urllib.request.Request(base + "/join", data=b'{"client": "me"}', method="POST")
        plan = json.load(urllib.request.urlopen(request))
        assert (plan["phase"], plan["round"], plan["model"]) == ("collecting", 1, None)
        header = json.dumps({"__metadata__": {"round": "1", "num_samples": "4"},
                             "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
        body = struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1.5, -2)
        put = urllib.request.Request(base + "/rounds/1/updates/me", data=body, method="PUT")
        assert json.load(urllib.request.urlopen(put))["result"] == "committed"
        while plan["phase"] != "finished" or plan["model"] is None:
            plan = json.load(urllib.request.urlopen(f"{base}/plan?client=me&wait=5&after={plan['version']}"))
        raw = urllib.request.urlopen(f"http://127.0.0.1:{host.port}{plan['model']['url']}").read()
        assert raw.endswith(struct.pack("<2f", 1.5, -2))
        urllib.request.urlopen(urllib.request.Request(base + "/leave", data=b'{"client": "me"}', method="POST"))
