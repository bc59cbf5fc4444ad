"""The second interface through a real object store, which checks every signature: versitygw over a folder, from script/s3."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import Dict, Iterator, Tuple

import numpy as np
import pytest
from test_federated_v2 import MIST, Data, Linear, Weights, halves, run_clients, serving, weights_in

from sedna.algorithms.aggregation import FedAvgV2, MistNet
from sedna.algorithms.transmitter import S3Transmitter

pytest.importorskip("sedna._sedna", reason="the extension module is not built")

ROOT = Path(__file__).resolve().parents[2]
KEY, SECRET = "mistkey", "a/secret+with=signs"
NO_GO = 3


@pytest.fixture(scope="session")
def program() -> str:
    built = subprocess.run([str(ROOT / "script" / "s3"), "build"], capture_output=True, text=True, timeout=900)
    if built.returncode == NO_GO:
        pytest.skip("no object store to test against: " + built.stderr.strip())
    assert built.returncode == 0, built.stderr
    return built.stdout.split()[-1]


@pytest.fixture
def store(program: str, tmp_path: Path) -> Iterator[Tuple[str, Path]]:
    """Its address, and the folder behind it, with one bucket."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    folder = tmp_path / "store"
    (folder / "bucket").mkdir(parents=True)
    (tmp_path / "sidecar").mkdir()
    gateway = subprocess.Popen(
        [program, "--port", f"127.0.0.1:{port}", "posix", "--sidecar", str(tmp_path / "sidecar"), str(folder)],
        stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, env={**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET})
    try:
        until = time.monotonic() + 20
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert gateway.poll() is None and time.monotonic() < until, "the object store does not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}", folder / "bucket"
    finally:
        gateway.terminate()
        gateway.wait(timeout=20)


def through(address: str, secret: str = SECRET) -> S3Transmitter:
    return S3Transmitter(address, KEY, secret, "s3://bucket/exchange")


def environment(address: str, secret: str = SECRET) -> Dict[str, str]:
    return {"TRANSMITTER": "s3", "S3_ENDPOINT_URL": address, "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": secret,
            "AGG_DATA_PATH": "s3://bucket/exchange"}


EXCHANGED = '\nimport atexit\natexit.register(lambda: print("EXCHANGED", fl_model.job.node.exchanged))'


def exchanged(output: str) -> int:
    return int(next(line for line in output.splitlines() if line.startswith("EXCHANGED ")).split()[1])


# FL-14.4
def test_weights_travel_through_a_real_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Tuple[str, Path]) -> None:
    address, bucket = store
    setup = "data, estimator, aggregation = Data([0] * 2), Weights(target=3.0 * index), FedAvgV2()" + EXCHANGED
    server_side = Weights(rounds=2)
    server_side.w = np.full(4, 8.0, "float32")
    with serving(monkeypatch, 2, estimator=server_side, aggregation=FedAvgV2(), transmitter=through(address)) as server:
        outputs = run_clients(server, tmp_path, 2, setup, **environment(address))
    # From 8: to 4 and 5.5, so 4.75; to 2.375 and 3.875, so 3.125.
    assert [weights_in(output) for output in outputs] == [[12.5], [12.5]]
    assert [exchanged(output) for output in outputs] == [5, 5]  # the initial model, and an update and a model a round
    assert all(SECRET not in output for output in outputs)
    left = [path for path in bucket.rglob("*") if path.is_file() and "updates" in path.parts]
    assert left == []
    assert 1 <= len(list((bucket / "exchange" / "models").iterdir())) <= 2


# FL-14.4
def test_features_travel_through_a_real_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Tuple[str, Path]) -> None:
    address, _ = store
    estimator = Linear(rounds=1)
    with serving(monkeypatch, 2, data=Data(testset=halves(50, 9)), estimator=estimator, aggregation=MistNet(1),
                 transmitter=through(address)) as server:
        outputs = run_clients(server, tmp_path, 2, MIST.format(epsilon=100) + EXCHANGED, **environment(address))
    assert server.history[0]["accuracy"] == 1.0
    assert [exchanged(output) for output in outputs] == [3, 3]


# FL-14.4
def test_large_updates_go_in_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Tuple[str, Path]) -> None:
    address, _ = store
    large = "import numpy as np\nestimator.w = np.full(20_000_000, 8.0, 'float32')"  # 80 MB: five parts
    setup = "data, estimator, aggregation = Data([0] * 2), Weights(target=4.0), FedAvgV2()\n" + large + EXCHANGED
    with serving(monkeypatch, 1, estimator=None, aggregation=FedAvgV2(), transmitter=through(address)) as server:
        output = run_clients(server, tmp_path, 1, setup, **environment(address))[0]
    assert weights_in(output) == [120_000_000.0]
    assert exchanged(output) == 2


# FL-14.4
def test_a_client_with_a_wrong_secret_goes_to_the_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, store: Tuple[str, Path]
) -> None:
    address, _ = store
    setup = "data, estimator, aggregation = Data([0] * 2), Weights(), FedAvgV2()" + EXCHANGED
    with serving(monkeypatch, 1, estimator=Weights(rounds=1), aggregation=FedAvgV2(), transmitter=through(address)) as server:
        output = run_clients(server, tmp_path, 1, setup, **environment(address, "not-the-secret"))[0]
    assert weights_in(output) == [22.0]
    assert exchanged(output) == 0
    assert "SignatureDoesNotMatch" in output and "not-the-secret" not in output
