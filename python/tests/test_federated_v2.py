"""Federated learning's second interface: upstream's names and shapes, FedAvgV2 and MistNet over the core's rounds."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List

import numpy as np
import pytest
from vectors import rows

from sedna.algorithms.aggregation import FedAvgV2, MistNet
from sedna.algorithms.client_choose import SimpleClientChoose
from sedna.algorithms.client_choose.client_choose import AbstractClientChoose
from sedna.algorithms.transmitter import S3Transmitter, WSTransmitter
from sedna.algorithms.transmitter.transmitter import AbstractTransmitter
from sedna.common.class_factory import ClassFactory, ClassType
from sedna.core.federated_learning import FederatedLearningV2
from sedna.service.server import AggregationServerV2

pytest.importorskip("sedna._sedna", reason="the extension module is not built")


# FL-13.1
@pytest.mark.parametrize("row", [r for r in rows("fed_avg_v2") if r["call"] in ("SimpleClientChoose", "WSTransmitter",
                                                                                "S3Transmitter")],
                         ids=lambda r: f"{r['call']}-{r['args']}")
# FL-13.1
def test_what_upstream_was_recorded_to_answer(row: Dict[str, Any]) -> None:
    made = {"SimpleClientChoose": SimpleClientChoose, "WSTransmitter": WSTransmitter, "S3Transmitter": S3Transmitter}
    if row["error"]:
        with pytest.raises(TypeError):
            made[row["call"]](*row["args"])
    else:
        assert made[row["call"]](*row["args"]).parameters == row["result"]


# FL-13.1
def test_the_names_and_signatures_are_upstreams() -> None:
    def parameters(function: Any) -> List[Any]:
        return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]

    none = [(name, None) for name in ("data", "estimator", "aggregation", "transmitter")]
    assert parameters(FederatedLearningV2) == none
    assert parameters(AggregationServerV2) == [*none, ("chooser", None)]
    assert parameters(FederatedLearningV2(None, Weights()).train) == []
    assert issubclass(SimpleClientChoose, AbstractClientChoose)
    assert issubclass(S3Transmitter, AbstractTransmitter)
    assert WSTransmitter().send(b"") is None and WSTransmitter().recv() is None
    from sedna.core.federated_learning.federated_learning import FederatedLearningV2 as again
    from sedna.service.server.aggregation import AggregationServerV2 as server_again

    assert (again, server_again) == (FederatedLearningV2, AggregationServerV2)


# FL-13.1
def test_the_transmitter_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(FederatedLearningV2.get_transmitter_from_config(), WSTransmitter)
    monkeypatch.setenv("TRANSMITTER", "s3")
    for name, value in (("S3_ENDPOINT_URL", "http://e"), ("ACCESS_KEY_ID", "ak"), ("SECRET_ACCESS_KEY", "sk"),
                        ("AGG_DATA_PATH", "s3://b/p")):
        monkeypatch.setenv(name, value)
    transmitter = FederatedLearningV2.get_transmitter_from_config()
    assert transmitter.parameters == {"s3_endpoint_url": "http://e", "s3_bucket": "s3://b/p", "access_key": "ak",
                                      "secret_key": "sk"}
    assert "sk" not in repr(transmitter)
    monkeypatch.setenv("TRANSMITTER", "mqtt")
    assert FederatedLearningV2.get_transmitter_from_config() is None


class Weights:
    """An estimator with methods of its own: moves towards its target."""

    def __init__(self, target: float = 1.0, rounds: int = 3, **more: Any) -> None:
        self.w, self.target = np.full(4, 10.0, "float32"), target
        self.hyperparameters = {"rounds": rounds, "type": "basic", **more}

    def get_weights(self) -> List[Any]:
        return [self.w]

    def set_weights(self, weights: List[Any]) -> None:
        self.w = np.array(weights[0])

    def train(self, train_data: Any, valid_data: Any = None) -> Dict[str, float]:
        self.w = (self.w + np.float32(self.target)) / 2
        return {"loss": float(np.abs(self.w - self.target).mean())}

    def evaluate(self, data: Any) -> Dict[str, float]:
        return {"accuracy": 1 - float(np.abs(self.w - self.target).mean()) / 10}

    def save(self, path: str) -> None:
        Path(path).write_bytes(self.w.tobytes())


class Data:
    def __init__(self, trainset: Any = None, testset: Any = None) -> None:
        self.customized = True
        self.trainset, self.testset = trainset, testset


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, clients: int, **arguments: Any) -> Iterator[AggregationServerV2]:
    monkeypatch.setenv("AGG_BIND_PORT", "0")
    monkeypatch.setenv("PARTICIPANTS_COUNT", str(clients))
    server = AggregationServerV2(**arguments)
    server.errors = []  # type: ignore[attr-defined]

    def serve() -> None:
        try:
            server.start()
        except Exception as error:
            server.errors.append(error)  # type: ignore[attr-defined]

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert server.ready.wait(20), server.errors  # type: ignore[attr-defined]
        monkeypatch.setenv("AGG_PORT", str(server.port))
        yield server
        thread.join(timeout=60)
        assert not thread.is_alive()
    finally:
        server.stop()
        thread.join(timeout=30)


SCRIPT = """
import os, sys
import numpy as np
sys.path.insert(0, {tests!r})
from test_federated_v2 import *
from sedna.algorithms.aggregation import FedAvgV2, MistNet
from sedna.core.federated_learning import FederatedLearningV2

transmitter = FederatedLearningV2.get_transmitter_from_config()
index = int(os.environ["WORKER_NAME"][1:])
{setup}
fl_model = FederatedLearningV2(data=data, estimator=estimator, aggregation=aggregation, transmitter=transmitter)
fl_model.train()
print("WEIGHTS", [float(np.sum(w)) for w in estimator_weights()], flush=True)
"""
ESTIMATOR = "estimator_weights = lambda: fl_model.trainer.get_weights()"


def run_clients(server: AggregationServerV2, tmp_path: Path, clients: int, setup: str, **env: str) -> List[str]:
    """Scripts in upstream's shape, a process each; what they printed."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), setup=setup + "\n" + ESTIMATOR))
    path = os.pathsep.join(p for p in sys.path if p)
    started = []
    for i in range(clients):
        started.append(subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONPATH": path, "AGG_PORT": str(server.port), "AGG_IP": "127.0.0.1", "LC_SERVER": "",
                 "WORKER_NAME": f"c{i}", "MODEL_NAME": f"c{i}", "MODEL_URL": str(tmp_path), "CONNECT_TIMEOUT": "20",
                 "LOG_LEVEL": "INFO", **env}))
    try:
        return [process.communicate(timeout=60)[0] for process in started]
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()


def weights_in(output: str) -> List[float]:
    lines = [line for line in output.splitlines() if line.startswith("WEIGHTS ")]
    assert lines, output
    return list(map(float, lines[0][9:-1].split(",")))


# FL-13.2
def test_fed_avg_v2_begins_with_the_servers_model_and_averages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setup = """
data = Data([0] * (index + 1), [0])
estimator = Weights(target=3.0 * index)
aggregation = FedAvgV2()
"""
    server_side = Weights(rounds=2, target_accuracy=2)
    server_side.w = np.full(4, 8.0, "float32")
    with serving(monkeypatch, 2, estimator=server_side, aggregation=FedAvgV2(), transmitter=WSTransmitter(),
                 chooser=SimpleClientChoose(per_round=2)) as server:
        outputs = run_clients(server, tmp_path, 2, setup)
    # From 8: to 4 and 5.5, weighted 1 to 2: 5; to 2.5 and 4: 3.5. Four of them.
    assert [weights_in(o) for o in outputs] == [[14.0], [14.0]]
    assert np.frombuffer((tmp_path / "c0").read_bytes(), "float32").tolist() == [3.5] * 4


# FL-13.2
def test_clients_that_reach_the_target_end_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setup = "data, estimator, aggregation = Data([0] * 3, [0]), Weights(), FedAvgV2()"
    with serving(monkeypatch, 1, estimator=Weights(rounds=100, target_accuracy=0.98), aggregation=FedAvgV2()) as server:
        outputs = run_clients(server, tmp_path, 1, setup)
    # From 10 to 1: half the way each round; within 0.2 of it after six.
    assert weights_in(outputs[0]) == pytest.approx([4 * (1 + 9 / 64)])


# FL-13.2
def test_so_many_of_them_as_the_chooser_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    setup = "data, estimator, aggregation = Data([0] * 3), Weights(), FedAvgV2()"
    with serving(monkeypatch, 3, estimator=Weights(rounds=4), aggregation=FedAvgV2(),
                 chooser=SimpleClientChoose(per_round=1)) as server:
        reports: List[Any] = []
        server.server.on_round = reports.append
        outputs = run_clients(server, tmp_path, 3, setup)
    assert len({weights_in(o)[0] for o in outputs}) == 1
    assert [len(report["clients"]) for report in reports] == [1] * 4


class Linear(Weights):
    """MistNet's hooks: features are the data itself, the head learns a mean of them per class."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.w = np.zeros((2, 16), "float32")
        self.seen: List[Any] = []

    def extract_features(self, data: Any, cut_layer: Any) -> Any:
        assert cut_layer == 1
        return data[0], data[1]

    def train(self, train_data: Any, valid_data: Any = None, cut_layer: Any = None) -> Dict[str, float]:  # type: ignore[override]
        features, labels = train_data
        self.seen.append(features)
        self.w = np.stack([features[labels == k].mean(0) for k in (0, 1)])
        return {"loss": 0.5}

    def evaluate(self, data: Any) -> float:  # type: ignore[override]
        return float((((data[0] > 0) @ (self.w[1] - self.w[0]) > 0) == data[1]).mean())


def halves(samples: int, seed: int) -> Any:
    """Of class 1 the first half of the features is above 0, of class 0 the second."""
    y = np.arange(samples) % 2
    x = np.where((np.arange(16) < 8)[None] == y[:, None], 1.0, -1.0) * np.random.default_rng(seed).uniform(0.1, 1, (samples, 16))
    return x.astype("float32"), y


MIST = "data, estimator, aggregation = Data(halves(40 + index, index)), Linear(), MistNet(cut_layer=1, epsilon={epsilon})"


# FL-13.3
def test_mist_net_trains_at_the_server_on_what_clients_send(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    estimator = Linear(rounds=2)
    with serving(monkeypatch, 2, data=Data(testset=halves(50, 9)), estimator=estimator,
                 aggregation=MistNet(cut_layer=1, epsilon=100)) as server:
        outputs = run_clients(server, tmp_path, 2, MIST.format(epsilon=100))
    assert [row["samples"] for row in server.history] == [81, 81]
    assert server.history[-1]["accuracy"] == 1.0
    assert estimator.seen[0].shape == (81, 16)
    assert set(np.unique(np.abs(estimator.seen[0]) > 0.5).tolist()) == {False, True}
    assert np.abs(estimator.seen[0] * (estimator.seen[0] - 1)).max() < 1e-20  # signs, not values
    # The same noise again: a second round tells nothing more.
    assert sorted(map(bytes, estimator.seen[0])) == sorted(map(bytes, estimator.seen[1]))
    for output in outputs:
        assert weights_in(output) == [pytest.approx(float(estimator.w.sum()))]
        assert output.count("epsilon 50 a feature, 800 a sample") == 1
    assert (tmp_path / "model.pkl").exists() or any(tmp_path.iterdir())


# FL-13.3
def test_noise_is_what_epsilon_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    estimator = Linear(rounds=1)
    with serving(monkeypatch, 1, estimator=estimator, aggregation=MistNet(1, 1)) as server:
        run_clients(server, tmp_path, 1, MIST.replace("40 + index", "20000").format(epsilon=1))
    q = 1 / (1 + np.exp(0.5))
    low, high = -q / (1 - 2 * q), (1 - q) / (1 - 2 * q)
    assert np.unique(estimator.seen[0]) == pytest.approx([low, high], rel=1e-5)
    # 10,000 samples of each class, 16 features: estimates of 0 and 1, within six deviations.
    deviation = np.sqrt(q * (1 - q) / 10_000) / (1 - 2 * q)
    assert np.abs(estimator.w[1] - (np.arange(16) < 8)).max() < 6 * deviation
    assert np.abs(estimator.w[0] - (np.arange(16) >= 8)).max() < 6 * deviation


# FL-13.3
def test_laplace_and_a_budget_for_a_sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    options = 'noise="laplace", per="sample", clip=1.5'
    estimator = Linear(rounds=1)
    with serving(monkeypatch, 1, estimator=estimator, aggregation=MistNet(1, 64, noise="laplace", per="sample")) as server:
        output = run_clients(server, tmp_path, 1, MIST.replace("40 + index", "4000").format(epsilon="64, " + options))[0]
    assert "noise laplace: epsilon 4 a feature, 64 a sample" in output
    scale = 2 * 1.5 / 4
    assert np.var(estimator.seen[0]) == pytest.approx(2 * scale**2 + 0.37, rel=0.1)  # noise, and that of the data


# FL-13.3
def test_the_example_learns_real_digits() -> None:
    pytest.importorskip("sklearn")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, str(root / "examples" / "federated_mistnet" / "demo.py"), "--clients", "3", "--noises", "none",
         "symmetric:100", "symmetric:1"],
        capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    assert done.returncode == 0, done.stdout + done.stderr
    results = [dict(part.split("=") for part in line.split()[2:]) for line in done.stdout.splitlines()
               if line.startswith("RESULT mistnet ")]
    assert [r["samples"] for r in results] == ["1437"] * 3
    assert [r["epsilon_sample"] for r in results] == ["inf", "12800", "128"]
    accuracy = [float(r["accuracy"]) for r in results]
    assert accuracy[0] > 0.94 and accuracy[1] > 0.9 and 0.5 < accuracy[2] < accuracy[1]


# FL-13.4
@pytest.mark.parametrize(("make", "says"), [
    (lambda: FederatedLearningV2(data=Data([1])), "neither a model nor get_weights"),
    (lambda: FederatedLearningV2(data=Data([1]), estimator=type("E", (), {"model": None, "hyperparameters": {
        "type": "yolov5"}})()), "yolov5"),
    (lambda: FederatedLearningV2(data=type("D", (), {"parameters": {"datasource": "YOLO"}})(), estimator=Weights()), "YOLO"),
    (lambda: FederatedLearningV2(estimator=type("E", (), {"model": object()})()), "object"),
    (lambda: FederatedLearningV2(estimator=Weights(), aggregation=type("A", (), {"parameters": {"type": "x"}})()), "'x'"),
    (lambda: FederatedLearningV2(estimator=Weights(), transmitter=S3Transmitter("e", "a", "s", "./")), "s3://"),
    (lambda: FederatedLearningV2(estimator=Weights()).train(), "trainset"),
    (lambda: AggregationServerV2(aggregation=MistNet(4)), "estimator"),
    (lambda: MistNet(4, noise="gauss"), "gauss"),
    (lambda: MistNet(4, per="client"), "client"),
])
# FL-13.4
def test_what_is_missing_is_said(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


# FL-13.4
def test_platos_names_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = {k: dict(v) for k, v in ClassFactory.__registry__.items()}
    monkeypatch.setattr(ClassFactory, "__registry__", registry)

    @ClassFactory.register(ClassType.GENERAL, alias="yolov5")
    class Model(Weights):
        def __init__(self, hyperparameters: Any) -> None:
            super().__init__()
            self.given = hyperparameters

    @ClassFactory.register(ClassType.GENERAL, alias="YOLO")
    class Source:
        def __init__(self, parameters: Any) -> None:
            self.trainset, self.testset = parameters["train_path"], None

    estimator = type("E", (), {"model": None, "hyperparameters": {"type": "yolov5", "rounds": 1}})()
    data = type("D", (), {"parameters": {"datasource": "YOLO", "train_path": [1, 2]}})()
    made = FederatedLearningV2(data, estimator, MistNet(cut_layer=4, epsilon=100))
    assert made.trainer.model.given["rounds"] == 1
    assert made.datasource.trainset == [1, 2]
