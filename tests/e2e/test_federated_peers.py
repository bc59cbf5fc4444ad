"""An aggregator's clients while they are killed, slow, hostile or behind: what one of them does never costs the others."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from faults import STRICT, Trainer, ask, beginning, link, put, step, undisturbed, update_bytes
from processes import Worker, sedna_worker
from programs import eventually

CLIENT = """
import sys
from faults import Trainer
trainer = Trainer(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])).join()
print("FINAL", trainer.trained, trainer.final.hex(), flush=True)
"""


def process(port: int, number: int, size: int) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}", "LOG_LEVEL": "WARNING"}
    return subprocess.Popen([sys.executable, "-c", CLIENT, str(port), str(number), str(size)], env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def outcomes(server: Worker) -> dict[str, int]:
    """Updates by what became of them, as /metrics tells."""
    with urllib.request.urlopen(f"{server.origin}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    found = re.findall(r'sedna_federated_updates_total\{outcome="(\w+)"\} (\d+)', text)
    return {name: int(value) for name, value in found}


# FL-2.13
def test_a_client_is_killed_in_the_middle_of_its_upload() -> None:
    """Half an update touches nothing; the client's successor trains the round, and it counts once."""
    size = 100_000
    want = undisturbed(2, 2, size)
    with sedna_worker("aggregate", "--port", "0", "--participants", "2", "--rounds", "2", *STRICT) as server:
        other = Trainer(server.port, 1, size)
        with link(server.port, hold_after=size * 4 // 2) as slow:
            victim = process(slow.port, 0, size)
            assert slow.held.wait(60), "half of it is under way"
            state = eventually("half of it has arrived", lambda: ask(server.origin, "/rounds/1/updates/c0")[1].get("offset"))
            assert 0 < state < size * 4
            victim.kill()
            victim.wait(timeout=10)
            slow.cut()
            again = process(server.port, 0, size)
            out = again.communicate(timeout=60)[0]
        assert f"FINAL [1, 2] {want.hex()}" in out, out[-300:]
        assert other.join().final == want
        assert other.trained == [1, 2]
        assert server.process.wait(timeout=30) == 0
    assert [line.split(" clients=")[0] for line in server.lines if line.startswith("ROUND ")] == [
        "ROUND 1 updates=2", "ROUND 2 updates=2"]


# FL-2.13
def test_a_broken_upload_goes_on_where_it_stopped() -> None:
    size = 100_000
    want = undisturbed(2, 2, size)
    with sedna_worker("aggregate", "--port", "0", "--participants", "2", "--rounds", "2", *STRICT) as server:
        other = Trainer(server.port, 1, size)
        with link(server.port, hold_after=size * 4 // 2) as slow:
            broken = Trainer(slow.port, 0, size)
            assert slow.held.wait(60)
            eventually("half of it has arrived", lambda: ask(server.origin, "/rounds/1/updates/c0")[1].get("offset"))
            slow.cut()
            slow.resume.set()
            assert broken.join().final == want
            assert broken.trained == [1, 2], "it is sent again, not trained again"
            assert broken.resumed >= 1, "and only its second half"
        assert other.join().final == want


# FL-2.13
def test_a_slow_client_holds_nobody_up() -> None:
    """3 MB at 1 MB/s: the others' rounds close by quorum; what comes late is answered, and the client goes on."""
    size = 750_000
    with sedna_worker("aggregate", "--port", "0", "--participants", "3", "--rounds", "3", "--quorum", "2", "--soft-deadline",
                      "0.3", "--strict", "true") as server, link(server.port, bytes_per_second=1e6) as narrow:
        ask(server.origin, "/join", b'{"client": "witness"}', "POST")  # as long as it is there, /metrics is
        slow = Trainer(narrow.port, 0, size)
        fast = [Trainer(server.port, i, size) for i in (1, 2)]
        server.wait_for("ROUND 1 ")
        models = {t.join().final for t in [slow, *fast]}
        assert all(t.trained == [1, 2, 3] for t in fast)
        assert slow.trained[0] == 1 and slow.trained == sorted(set(slow.trained))
        assert len(models) == 1, "everybody has the last model"
        told = outcomes(server)
        ask(server.origin, "/leave", b'{"client": "witness"}', "POST")
        assert server.process.wait(timeout=30) == 0
    assert server.lines and any(line.startswith("ROUND 1 updates=2 ") and "by=deadline" in line for line in server.lines)
    assert told.get("late", 0) + told.get("finished", 0) >= 1, told


# FL-9.9
def test_a_slow_clients_update_is_carried() -> None:
    """The same, but what comes late is not lost."""
    size = 750_000
    with sedna_worker("aggregate", "--port", "0", "--participants", "3", "--rounds", "8", "--quorum", "2", "--soft-deadline",
                      "0.5", "--late", "carry") as server, link(server.port, bytes_per_second=2e6) as narrow:
        ask(server.origin, "/join", b'{"client": "witness"}', "POST")
        slow = Trainer(narrow.port, 0, size)
        fast = [Trainer(server.port, i, size) for i in (1, 2)]
        models = {t.join().final for t in [slow, *fast]}
        assert len(models) == 1, "everybody has the last model"
        assert all(t.trained == list(range(1, 9)) for t in fast), "nobody waits for it"
        told = outcomes(server)
        ask(server.origin, "/leave", b'{"client": "witness"}', "POST")
        assert server.process.wait(timeout=30) == 0
    rounds = [line for line in server.lines if line.startswith("ROUND ")]
    aged = [float(match[1]) for line in rounds if (match := re.search(r"staleness=(\S+)", line))]
    assert max(aged) > 0, rounds
    assert "late" not in told, told


def header_only(text: bytes, claims: int | None = None) -> bytes:
    return struct.pack("<Q", len(text) if claims is None else claims) + text


GOOD = np.zeros(6, np.float32)


def hostile() -> dict[str, tuple[bytes, str]]:
    nan, infinite = GOOD.copy(), GOOD.copy()
    nan[3], infinite[0] = np.nan, -np.inf

    def tensors(**members: object) -> bytes:
        meta = {"__metadata__": {"round": "1", "num_samples": "1"}, **members}
        return header_only(json.dumps(meta).encode()) + GOOD.tobytes()

    def one(offsets: list[int], shape: list[int], dtype: str = "F32") -> dict[str, object]:
        return {"dtype": dtype, "shape": shape, "data_offsets": offsets}

    return {
        "a header longer than memory": (header_only(b"{}", 1 << 60), "header"),
        "a header longer than the body": (header_only(b"{}", 4096), "header"),
        "no JSON": (header_only(b"{'round'"), "header"),
        "a thousand brackets": (header_only(b"[" * 4096), "header"),
        "tensors beyond the file": (tensors(**{"weights.0": one([0, 1 << 40], [1 << 38])}), ""),
        "tensors that overlap": (tensors(**{"weights.0": one([0, 24], [6]), "weights.1": one([0, 24], [6])}), ""),
        "a shape that overflows": (tensors(**{"weights.0": one([0, 24], [1 << 62, 4])}), ""),
        "a negative shape": (tensors(**{"weights.0": one([0, 24], [-6])}), ""),
        "a number that is none": (update_bytes(1, 1.0, [nan]), "NaN"),
        "infinity": (update_bytes(1, 1.0, [infinite]), "weights[0]"),
        "another shape": (update_bytes(1, 1.0, [np.zeros((2, 3), np.float32)]), "shape"),
        "one tensor more": (update_bytes(1, 1.0, [GOOD, GOOD]), ""),
        "a larger one": (update_bytes(1, 1.0, [np.zeros(600_000, np.float32)]), ""),
        "no samples": (update_bytes(1, 0.0, [GOOD]), "num_samples"),
        "less than no samples": (update_bytes(1, -5.0, [GOOD]), "num_samples"),
        "samples that are no number": (update_bytes(1, float("nan"), [GOOD]), "num_samples"),
        "samples without end": (update_bytes(1, float("inf"), [GOOD]), "num_samples"),
        "another round inside": (update_bytes(2, 1.0, [GOOD]), "round"),
        "values beyond a strict round's range": (update_bytes(1, 1.0, [GOOD + np.float32(1e6)]), "range"),
    }


def newest(origin: str) -> list[np.ndarray]:
    with urllib.request.urlopen(f"{origin}/FedAvg/models/latest", timeout=20) as answer:
        body = answer.read()
    (size,) = struct.unpack("<Q", body[:8])
    return [np.frombuffer(body[8 + size:], np.float32)]


# FL-2.13
def test_hostile_updates_cost_nothing_but_their_senders_word() -> None:
    want = undisturbed(2, 1, 6)
    with sedna_worker("aggregate", "--port", "0", "--participants", "2", "--rounds", "2", "--max-strikes", "0",
                      *STRICT) as server:
        status, told = put(server.origin, "c0", 1, update_bytes(1, 1.0, step([beginning(6)], 0)))
        assert (status, told["result"]) == (200, "committed"), told
        for what, (body, says) in hostile().items():
            status, told = put(server.origin, "evil", 1, body)
            assert status == 422, f"{what}: {status} {told}"
            assert told["result"] == "refused" and says in told["reason"], f"{what}: {told}"
        # Ten terabytes are refused by their header, before they come.
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
            head = json.dumps({"__metadata__": {"round": "1", "num_samples": "1"},
                               "weights.0": {"dtype": "F32", "shape": [10**13 // 4], "data_offsets": [0, 10**13]}}).encode()
            wire.sendall(b"PUT /FedAvg/rounds/1/updates/evil HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
                         % (8 + len(head) + 10**13) + header_only(head))
            assert b" 422 " in wire.recv(4096)
        status, told = put(server.origin, "c1", 1, update_bytes(1, 2.0, step([beginning(6)], 1)))
        assert (status, told["result"]) == (200, "committed"), told
        server.wait_for("ROUND 1 updates=2")
        assert newest(server.origin)[0].tobytes() == want, "bit for bit"
        assert outcomes(server)["refused"] == len(hostile()) + 1


# FL-2.13
def test_a_client_that_is_refused_too_often_is_not_heard_any_more() -> None:
    with sedna_worker("aggregate", "--port", "0", "--participants", "2", "--max-strikes", "3", *STRICT) as server:
        bad = update_bytes(1, 1.0, [np.full(6, np.nan, np.float32)])
        assert [put(server.origin, "evil", 1, bad)[0] for _ in range(5)] == [422, 422, 422, 403, 403]
        good = update_bytes(1, 1.0, [GOOD])
        assert put(server.origin, "evil", 1, good)[1]["result"] == "quarantined"
        assert put(server.origin, "c0", 1, good)[0] == 200, "others are"


# FL-2.2
@pytest.mark.parametrize("restarted", [False, True])
# FL-2.13
def test_replayed_and_stale_updates_count_once(tmp_path: Path, restarted: bool) -> None:
    """The same bytes again, others under the same name, of rounds that are over or to come, and after a restart."""
    first = {name: update_bytes(1, n + 1.0, step([beginning(6)], n)) for n, name in enumerate(("c0", "c1"))}
    arguments = ("aggregate", "--participants", "2", "--rounds", "3", "--state", str(tmp_path / "job"), *STRICT)
    with sedna_worker(*arguments, "--port", "0") as server:
        origin = server.origin
        assert put(origin, "c0", 1, first["c0"])[1]["result"] == "committed"
        epoch = put(origin, "c0", 1, first["c0"])[1]["epoch"]
        assert put(origin, "c0", 1, first["c0"])[1]["result"] == "duplicate"
        assert put(origin, "c0", 1, first["c1"])[1]["result"] == "conflict"
        status, told = put(origin, "c0", 2, update_bytes(2, 1.0, [GOOD]))
        assert status == 422 and "has not begun" in told["reason"]
        assert put(origin, "c1", 1, first["c1"])[1]["result"] == "committed"
        server.wait_for("ROUND 1 updates=2 clients")
        model = newest(origin)
        if restarted:
            server.process.kill()
            server.process.wait(timeout=10)
    if not restarted:
        return
    with sedna_worker(*arguments, "--port", "0") as server:
        origin = server.origin
        plan = ask(origin, "/plan?client=c0")[1]
        assert plan["epoch"] > epoch and plan["round"] == 2
        for name in first:  # of another epoch, and of a round that is over
            status, told = put(origin, name, 1, first[name])
            assert (status, told["result"]) == (409, "late"), told
        assert newest(origin)[0].tobytes() == model[0].tobytes()
        assert ask(origin, "/plan?client=c0")[1]["committed"] == 0
        # What was trained from that model before the restart counts as if there had been none.
        for n, name in enumerate(first):
            assert put(origin, name, 2, update_bytes(2, n + 1.0, step(model, n)))[1]["result"] == "committed"
        server.wait_for("ROUND 2 updates=2")
        assert newest(origin)[0].tobytes() == undisturbed(2, 2, 6)
    # One that has lost its records begins again, and takes nothing of the job before.
    with sedna_worker("aggregate", "--port", "0", "--participants", "2", "--rounds", "3", *STRICT) as server:
        status, told = put(server.origin, "c0", 3, update_bytes(3, 1.0, [GOOD]))
        assert status == 422 and "round 3 has not begun" in told["reason"]
