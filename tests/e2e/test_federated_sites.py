"""Aggregators of sites below one at the root, with Python's clients, as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from processes import sedna_worker
from programs import ROOT, WORKER

CLIENT = """
import os, time
import numpy as np
from sedna.core.federated_learning import FederatedLearning
start = float(os.environ["START"])
class Model:
    w = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
    def train(self, data, **kw):
        time.sleep(0.5)
        self.w = self.w * np.float32(0.9) + np.float32(start / 3)
    def get_weights(self): return [self.w]
    def set_weights(self, w): self.w = np.asarray(w[0], dtype=np.float32)
    def save(self, path): open(path, "w").write("m")
model = Model()
FederatedLearning(model).train([1] * (int(start) + 1))
print("FINAL", model.w.tobytes().hex(), flush=True)
"""


def client(port: int, number: int, folder: Path) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "AGG_PORT": str(port), "WORKER_NAME": f"c{number}",
           "AGG_PROTOCOL": "http", "LC_SERVER": "", "MODEL_URL": str(folder), "MODEL_NAME": f"c{number}",
           "BACKEND_TYPE": "SKLEARN", "LOG_LEVEL": "WARNING", "START": str(number)}
    return subprocess.Popen([sys.executable, "-c", CLIENT], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)


def finals(clients: list[subprocess.Popen[str]]) -> set[str]:
    out = [c.communicate(timeout=120)[0] for c in clients]
    words = [[line for line in text.splitlines() if line.startswith("FINAL ")] for text in out]
    assert all(words), out
    return {word[0] for word in words}


# FL-15.8
def test_a_site_that_is_killed_in_a_round_is_counted_once(tmp_path: Path) -> None:
    common = ("--rounds", "4", "--strict", "true")
    with sedna_worker("aggregate", "--port", "0", "--participants", "4", *common) as flat:
        want = finals([client(flat.port, i, tmp_path) for i in range(4)])
        assert flat.process.wait(timeout=30) == 0
    assert len(want) == 1

    with sedna_worker("aggregate", "--port", "0", "--participants", "2", *common, "--state", str(tmp_path / "root")) as root:
        def site(name: str, port: int = 0):  # type: ignore[no-untyped-def]
            return sedna_worker("aggregate", "--port", str(port), "--participants", "2", "--state", str(tmp_path / name),
                                env={"AGG_UPSTREAM": f"{root.origin}/FedAvg", "WORKER_NAME": name},
                                ready=r"READY https?://[^\s:]+:(\d+)")  # it names the root before

        with site("edge0") as edge0, site("edge1") as first:
            clients = [client(edge0.port, i, tmp_path) for i in (0, 1)] + [client(first.port, i, tmp_path) for i in (2, 3)]
            first.wait_for("ROUND 1 ")
            first.process.send_signal(signal.SIGKILL)  # its clients train for round 2
            first.process.wait(timeout=10)
            with site("edge1", first.port) as edge1:
                assert finals(clients) == want, "bit for bit"
                for worker in (edge1, edge0, root):
                    assert worker.process.wait(timeout=60) == 0, worker.lines
        rounds = [line for line in root.lines if line.startswith("ROUND ")]
    assert [line.split(" clients=")[0] for line in rounds] == [f"ROUND {i} updates=2" for i in (1, 2, 3, 4)]
    for line in rounds:
        assert " samples=10 " in line
        assert "sites=edge0:2,edge1:2" in line


# FL-15.2
def test_what_does_not_compose_is_refused_by_name(tmp_path: Path) -> None:
    def ends(*args: str) -> str:
        ended = subprocess.run([str(WORKER), "aggregate", "--port", "0", *args], capture_output=True, text=True, timeout=60,
                               env={**os.environ, "LC_SERVER": "", "CONNECT_TIMEOUT": "5"})
        assert ended.returncode == 1, ended
        return ended.stderr

    with sedna_worker("aggregate", "--port", "0", "--robust", "Median") as root:
        upstream = ("--upstream", f"{root.origin}/FedAvg")
        assert "robust: Median compares each client's update with the others" in ends(*upstream, "--site", "edge0")
        assert "strict: is said by the aggregator above" in ends(*upstream, "--site", "edge0", "--strict", "true")
        assert "site: must say what this aggregator is called above" in ends(*upstream)
    assert "must be http://HOST:PORT/<aggregation>" in ends("--upstream", root.origin, "--site", "edge0")
    assert "no answer within the connect timeout" in ends(*upstream, "--site", "edge0")
