"""An aggregator and its clients while things go wrong around them: kill -9, a full disk, clocks, hostile updates.

Each test asserts what a user relies on: the model is the undisturbed run's, bit for bit; nothing that was acknowledged is
trained again; nobody waits without end; and the reason is where one looks for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from faults import STRICT, Trainer, ask, beginning, put, shim, undisturbed, update_bytes
from processes import sedna_worker
from programs import ROOT, WORKER, eventually


@pytest.mark.parametrize("durability", ["round", "update"])
# FL-2.9
def test_the_aggregator_dies_before_every_write_to_its_folder(tmp_path: Path, durability: str) -> None:
    """Each run dies one system call later than the one before; of a write, half is on disk."""
    clients, rounds = 2, 2
    want = undisturbed(clients, rounds)
    library = shim(tmp_path)
    deaths = 0
    for at in range(1, 400):
        state = tmp_path / f"state-{at}"
        arguments = ("aggregate", "--participants", str(clients), "--rounds", str(rounds), "--state", str(state),
                     "--durability", durability, *STRICT)
        died = False
        with contextlib.ExitStack() as stack:
            faulty = {"LD_PRELOAD": library, "FAULT_UNDER": str(state), "FAULT_KILL_AT": str(at)}
            try:
                first = stack.enter_context(sedna_worker(*arguments, "--port", "0", env=faulty))
            except AssertionError:  # before it was ready: its successor begins
                died = True
                first = stack.enter_context(sedna_worker(*arguments, "--port", "0"))
            trainers = [Trainer(first.port, i) for i in range(clients)]
            if first.process.wait(timeout=60) == -signal.SIGKILL:
                died = True
                stack.enter_context(sedna_worker(*arguments, "--port", str(first.port)))
            for trainer in trainers:
                trainer.join()
                assert trainer.final == want, f"bit for bit, killed at call {at}"
                assert trainer.trained == [1, 2], f"nothing is trained twice, killed at call {at}"
        if not died:
            break
        deaths += 1
    # The journal's own two calls for each of its seven records, and each model's.
    print(f"{deaths} deaths, each at another call")
    assert deaths >= 20, deaths


# FL-2.9
@pytest.mark.parametrize("commits", [1, 2])
# FL-2.9
def test_the_aggregator_dies_after_so_many_commits(tmp_path: Path, commits: int) -> None:
    want = undisturbed(3, 2)
    arguments = ("aggregate", "--participants", "3", "--rounds", "2", "--state", str(tmp_path / "job"), "--durability",
                 "update", *STRICT)
    with sedna_worker(*arguments, "--port", "0") as server:
        trainers = [Trainer(server.port, i) for i in range(commits)]
        eventually("they are in", lambda: ask(server.origin, "/plan?client=c0")[1]["committed"] == commits)
        server.process.kill()
        server.process.wait(timeout=10)
    with sedna_worker(*arguments, "--port", str(server.port)) as again:
        assert ask(again.origin, "/plan?client=c0")[1]["committed"] == commits, "before anybody has sent anything again"
        trainers += [Trainer(again.port, i) for i in range(commits, 3)]
        for trainer in trainers:
            assert trainer.join().final == want
            assert trainer.trained == [1, 2]
        assert again.process.wait(timeout=30) == 0


# FL-2.11
def test_a_folder_has_one_aggregator(tmp_path: Path) -> None:
    """One that was replaced and does not know it cannot write beside its successor."""
    state = str(tmp_path / "job")
    with sedna_worker("aggregate", "--port", "0", "--state", state) as server:
        ended = subprocess.run([str(WORKER), "aggregate", "--port", "0", "--state", state], capture_output=True, text=True,
                               timeout=60, check=False)
        assert ended.returncode == 1
        assert "another aggregator uses this folder" in ended.stderr
        server.process.kill()
        server.process.wait(timeout=10)
    with sedna_worker("aggregate", "--port", "0", "--state", state):
        pass  # whoever is killed lets go


FULL_DISK = """
import os, subprocess, sys, time
state, worker, port = sys.argv[1], sys.argv[2], sys.argv[3]
os.makedirs(state, exist_ok=True)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", state], check=True)
server = subprocess.Popen([worker, "aggregate", "--port", port, "--state", state + "/job", *sys.argv[4:]])
for line in sys.stdin:
    if line.strip() == "fill":
        with open(state + "/ballast", "wb", buffering=0) as out:
            try:
                while True: out.write(bytes(4096))
            except OSError: pass
    elif line.strip() == "empty":
        os.remove(state + "/ballast")
    elif line.strip() == "kill":
        server.kill()
        server.wait()
        server = subprocess.Popen([worker, "aggregate", "--port", port, "--state", state + "/job", *sys.argv[4:]])
    print("DONE", line.strip(), flush=True)
server.terminate()
sys.exit(server.wait())
"""


def can_mount() -> bool:
    return subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True,
                          check=False).returncode == 0


# FL-2.10
@pytest.mark.parametrize(("durability", "when"), [("update", "an update comes"), ("round", "a model is to be written")])
# FL-2.10
def test_the_aggregators_disk_is_full_for_a_while(tmp_path: Path, durability: str, when: str) -> None:
    if not can_mount():
        pytest.skip("no tmpfs in a namespace of one's own here")
    size = 4000
    want = undisturbed(2, 2, size)
    with sedna_worker("aggregate", "--port", "0") as probe:
        port = probe.port
    process = subprocess.Popen(
        ["unshare", "-rm", sys.executable, "-c", FULL_DISK, str(tmp_path / "disk"), str(WORKER), str(port), "--participants", "2",
         "--rounds", "2", "--durability", durability, "--initial-model", str(initial(tmp_path, size)), *STRICT],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "LC_SERVER": ""})
    origin = f"http://127.0.0.1:{port}"
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None

    def order(what: str) -> None:
        process.stdin.write(what + "\n")
        process.stdin.flush()
        while process.stdout.readline().strip() != f"DONE {what}":
            assert process.poll() is None, process.stderr.read()

    def plan() -> dict:
        with contextlib.suppress(OSError):
            return ask(origin, "/plan?client=c0")[1]
        return {}

    try:
        eventually("it serves", plan)
        if when == "an update comes":
            order("fill")
            status, told = put(origin, "c9", 1, update_bytes(1, 1.0, [np.zeros(size, np.float32)]))
            assert status == 507, told
            assert told["result"] == "full" and "disk full" in told["reason"]
            ask(origin, "/leave", json.dumps({"client": "c9"}).encode(), "POST")
            trainers = [Trainer(port, i, size) for i in range(2)]
        else:
            trainers = [Trainer(port, 0, size)]
            eventually("the first update is in", lambda: plan().get("committed") == 1)
            order("fill")  # the journal's page has room for one more record, and nothing else has
            trainers.append(Trainer(port, 1, size))
        stalled = eventually("the reason is told", lambda: plan().get("stalled"))
        assert "disk full" in stalled
        assert plan()["phase"] in ("collecting", "initial")
        if when != "an update comes":
            assert plan()["model"]["round"] == 0
            assert plan()["you"] == "closing"
        order("empty")
        for trainer in trainers:
            trainer.join()
            assert trainer.final == want, "bit for bit"
            assert trainer.trained == [1, 2]
        process.stdin.close()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def initial(folder: Path, size: int) -> Path:
    """What the trainers would begin with anyhow."""
    file = folder / "initial.safetensors"
    file.write_bytes(update_bytes(0, 1.0, [beginning(size)]))
    return file


# FL-2.12
def test_the_wall_clock_jumps(tmp_path: Path) -> None:
    """Ten years ahead and back, in the middle of a round: no deadline passes, nobody counts as gone."""
    want = undisturbed(2, 4)
    clock = tmp_path / "clock"
    clock.write_text("0")
    years = 10 * 365 * 86400
    with sedna_worker("aggregate", "--port", "0", "--participants", "2", "--rounds", "4", "--round-deadline", "30", "--state",
                      str(tmp_path / "job"), *STRICT, env={"LD_PRELOAD": shim(tmp_path), "FAULT_CLOCK": str(clock)}) as server:
        def jump(round_number: int) -> None:
            clock.write_text(str({2: years, 3: -years}.get(round_number, 0)))
            time.sleep(0.3)  # it trains under that clock

        trainers = [Trainer(server.port, 0, before=jump), Trainer(server.port, 1)]
        server.wait_for("ROUND 1 ")
        eventually("the clock has jumped", lambda: clock.read_text() == str(years))
        ask(server.origin, "/join", json.dumps({"client": "late"}).encode(), "POST")
        status, member = ask(server.origin, "", json.dumps({"client_id": "late"}).encode(), "GET",
                             Content_Type="application/json")
        assert status == 200
        assert member["connected_at"] > time.time() + years / 2, "the program sees the clock that jumped"
        ask(server.origin, "/leave", json.dumps({"client": "late"}).encode(), "POST")
        for trainer in trainers:
            assert trainer.join().final == want
            assert trainer.trained == [1, 2, 3, 4]
            assert trainer.reconnects == 0
        assert server.process.wait(timeout=30) == 0
    assert not any("deadline has passed" in line or "counts as gone" in line for line in server.lines), server.lines


LONG_EPOCH = """
import os, time
import numpy as np
from sedna.core.federated_learning import FederatedLearning
class Model:
    w = np.zeros(4, np.float32)
    trained = 0
    def train(self, data, **kw):
        self.trained += 1
        until = time.monotonic() + float(os.environ["SECONDS_OF_TRAINING"])
        while time.monotonic() < until: sum(range(10000))    # never lets go of the interpreter for long
        self.w = self.w + 1
    def get_weights(self): return [self.w]
    def set_weights(self, w): self.w = np.asarray(w[0], dtype=np.float32)
    def save(self, path): open(path, "w").write("m")
model = Model()
FederatedLearning(model).train([1])
print("FINAL", model.w[0], model.trained, flush=True)
"""


# FL-3.1
@pytest.mark.parametrize("protocol", ["http", "ws"])
# FL-2.12
def test_training_takes_many_times_the_lease(tmp_path: Path, protocol: str) -> None:
    """As 50 s against upstream's 40 s: here three leases of one second."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "WORKER_NAME": "slow", "AGG_PROTOCOL": protocol, "LC_SERVER": "",
           "MODEL_URL": str(tmp_path), "MODEL_NAME": "m", "BACKEND_TYPE": "SKLEARN", "SECONDS_OF_TRAINING": "3"}
    with sedna_worker("aggregate", "--port", "0", "--rounds", "2", "--lease", "1") as server:
        client = subprocess.Popen([sys.executable, "-c", LONG_EPOCH], env={**env, "AGG_PORT": str(server.port)},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        out = client.communicate(timeout=60)[0]
        assert "FINAL 2.0 2" in out, out
        assert server.process.wait(timeout=30) == 0
    assert not any("counts as gone" in line or "has broken" in line or "again=1" in line for line in server.lines)
