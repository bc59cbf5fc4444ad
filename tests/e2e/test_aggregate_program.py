"""``sedna-worker aggregate`` with Python clients, as processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import sedna_worker
from programs import ROOT, WORKER

CLIENT = """
import os, time
import numpy as np
from sedna.core.federated_learning import FederatedLearning
class Model:
    w = np.full((3, 4), float(os.environ["START"]))
    def train(self, data, **kw):
        time.sleep(float(os.environ.get("PAUSE", "0")))
        self.w = self.w + 1
    def get_weights(self): return [self.w]
    def set_weights(self, w): self.w = np.asarray(w[0])
    def save(self, path): open(path, "w").write("m")
model = Model()
FederatedLearning(model).train([1] * int(os.environ["SAMPLES"]))
print("FINAL", model.w[0, 0], flush=True)
"""


def client(port: int, name: str, folder: Path, start: float, samples: int, **extra: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "AGG_PORT": str(port), "WORKER_NAME": name, "LC_SERVER": "",
           "MODEL_URL": str(folder), "MODEL_NAME": name, "BACKEND_TYPE": "SKLEARN", "LOG_LEVEL": "WARNING",
           "START": str(start), "SAMPLES": str(samples), **extra}
    return subprocess.Popen([sys.executable, "-c", CLIENT], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)


# FL-4.5
def test_the_native_aggregator_runs_a_job_to_its_end(tmp_path: Path) -> None:
    with sedna_worker("aggregate", "--port", "0", "--participants", "2", "--rounds", "3") as server:
        a = client(server.port, "a", tmp_path, 0, 1)
        b = client(server.port, "b", tmp_path, 4, 3)
        out = [p.communicate(timeout=60)[0] for p in (a, b)]
        assert server.process.wait(timeout=30) == 0
    # (1·1 + 3·5) / 4 = 4, then one more in each round
    assert [re.search(r"FINAL (\S+)", text)[1] for text in out] == ["6.0", "6.0"], out  # type: ignore[index]
    rounds = [line for line in server.lines if line.startswith("ROUND ")]
    assert [line.split(" seconds=")[0] for line in rounds] == [f"ROUND {i} updates=2 clients=2 samples=4" for i in (1, 2, 3)]


# FL-4.5
def test_the_native_aggregator_fails_with_the_reason(tmp_path: Path) -> None:
    with sedna_worker("aggregate", "--port", "0", "--participants", "2", "--min-updates", "2", "--round-deadline",
                      "0.2") as server:
        a = client(server.port, "a", tmp_path, 0, 1)
        out = a.communicate(timeout=60)[0]
        assert server.process.wait(timeout=30) == 1
    assert a.returncode == 1
    assert "was abandoned 3 times: 1 usable updates" in out
    assert any("sedna-worker: round 1 was abandoned 3 times" in line for line in server.lines)


# FL-4.5
def test_a_signal_ends_the_native_aggregator(tmp_path: Path) -> None:
    with sedna_worker("aggregate", "--port", "0") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0


@pytest.mark.parametrize("protocol", ["ws", "http"])
# FL-4.6
def test_a_token_stands_for_one_client(tmp_path: Path, protocol: str) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("a:the-secret-of-client-a\nb:the-secret-of-client-b\n")
    tokens.chmod(0o600)
    (tmp_path / "a.token").write_text("the-secret-of-client-a\n")
    with sedna_worker("aggregate", "--port", "0", "--token-file", str(tokens)) as server:
        nobody = client(server.port, "a", tmp_path, 0, 1, AGG_PROTOCOL=protocol)
        assert "status 401" in nobody.communicate(timeout=60)[0]
        other = client(server.port, "b", tmp_path, 0, 1, AGG_PROTOCOL=protocol, SEDNA_TOKEN_FILE=str(tmp_path / "a.token"))
        assert "is not b's" in other.communicate(timeout=60)[0]
        own = client(server.port, "a", tmp_path, 0, 1, AGG_PROTOCOL=protocol, SEDNA_TOKEN_FILE=str(tmp_path / "a.token"))
        assert "FINAL 1.0" in own.communicate(timeout=60)[0]
        assert server.process.wait(timeout=30) == 0
    beyond = subprocess.run([str(WORKER), "aggregate", "--host", "0.0.0.0", "--port", "0"], capture_output=True, text=True,
                            timeout=30, check=False)
    assert beyond.returncode == 1
    assert "beyond loopback" in beyond.stderr or "TLS" in beyond.stderr


# FL-2.9
def test_a_killed_aggregator_goes_on(tmp_path: Path) -> None:
    """Killed between rounds and started again on its port: the clients go on, and the job ends as if nothing had been."""
    arguments = ["--participants", "2", "--rounds", "6", "--state", str(tmp_path / "job")]
    with sedna_worker("aggregate", "--port", "0", *arguments) as server:
        a = client(server.port, "a", tmp_path, 0, 1, AGG_PROTOCOL="http", PAUSE="0.05")
        b = client(server.port, "b", tmp_path, 4, 3, AGG_PROTOCOL="http", PAUSE="0.05")
        server.wait_for("ROUND 2 ")
        server.process.kill()
        server.process.wait(timeout=30)
        rounds = [line for line in server.lines if line.startswith("ROUND ")]
    with sedna_worker("aggregate", "--port", str(server.port), *arguments) as again:
        out = [p.communicate(timeout=60)[0] for p in (a, b)]
        assert again.process.wait(timeout=30) == 0
    # (1·1 + 3·5) / 4 = 4, then one more in each of five rounds
    assert [re.search(r"FINAL (\S+)", text)[1] for text in out] == ["9.0", "9.0"], out  # type: ignore[index]
    numbers = [int(line.split()[1]) for line in rounds + [line for line in again.lines if line.startswith("ROUND ")]]
    # The kill may come between a round's publication and its line; none is published twice.
    assert numbers == sorted(set(numbers)) and numbers[-1] == 6 and len(numbers) >= 5, numbers
