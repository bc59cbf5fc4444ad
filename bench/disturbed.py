"""How long ten clients need to 90 % on real digits, undisturbed, and with one of them ten times slower and another one killed.

Real processes: ``sedna-worker aggregate`` and ten of ``disturbed_client.py``, FedAvg, Dirichlet(0.5). A round's training takes
DEVICE seconds (ten processes on two cores would measure the cores). The clock begins when all have joined, and stops when a
client has the first model that is right in 90 %. Both runs have the same settings: a round waits for all ten, but past the soft
deadline no longer than for eight. ``bench/peers`` does the same with others' programs.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import federated_digits as digits  # noqa: E402 (beside this file)

CLIENTS = 10
DEVICE = 1.0
SLOWER = 10
SLOW, DEAD = CLIENTS - 1, CLIENTS - 2
KILL_AFTER_ROUND = 3
TARGET = 0.9
LONGEST = 120.0  # seconds, after which it was not reached
FLAGS = ("--quorum", "8", "--soft-deadline", "0.1", "--rounds", "1000", "--participants", str(CLIENTS))


@dataclass
class Reached:
    """Seconds and rounds to the target; infinite seconds when it was not reached."""

    seconds: float
    rounds: int


class Processes:
    """What was started, and what it says: (name, line), "" for the end."""

    def __init__(self) -> None:
        self.started: dict[str, subprocess.Popen[str]] = {}
        self.lines: queue.Queue[tuple[str, str]] = queue.Queue()

    def start(self, name: str, command: list[str], log: Path, **env: str) -> None:
        with log.open("w") as file:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True,
                                       env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **env})
        self.started[name] = process

        def follow() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                self.lines.put((name, line.strip()))
            self.lines.put((name, ""))

        threading.Thread(target=follow, daemon=True).start()

    def until(self, name: str, word: str, seconds: float = 60) -> str:
        """The next line of this name that begins with the word; others are passed over."""
        end = time.monotonic() + seconds
        while True:
            who, line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            if who == name and line.startswith(word):
                return line
            if who == name and not line:
                raise RuntimeError(f"{name} has ended")

    def go(self, name: str) -> None:
        """The line that a client begins at."""
        stdin = self.started[name].stdin
        assert stdin is not None
        stdin.write("go\n")
        stdin.flush()


@contextlib.contextmanager
def processes() -> Iterator[Processes]:
    """All that were started are ended."""
    all_ = Processes()
    try:
        yield all_
    finally:
        for process in all_.started.values():
            process.kill()
        for process in all_.started.values():
            process.wait()
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


def write(folder: Path, seed: int) -> None:
    """A file of digits a client, and the test set."""
    split = digits.split(0.5, seed, CLIENTS)
    for i, client in enumerate(split.clients):
        np.savez(folder / f"client-{i}.npz", x=client.x, y=client.y)
    np.savez(folder / "test.npz", x=split.test_x, y=split.test_y)


def device_seconds(client: int, disturbed: bool) -> float:
    return DEVICE * (SLOWER if disturbed and client == SLOW else 1)


def watch(run: Processes, teller: str, victim: str | None, begin: float) -> Reached:
    """Follows ``ACCURACY <when> <value>`` to the target; ``victim`` is killed on the way."""
    rounds = 0
    while time.time() - begin < LONGEST:
        try:
            line = run.until(teller, "ACCURACY", LONGEST - (time.time() - begin))
        except queue.Empty:
            break
        rounds += 1
        _, when, value = line.split()
        if float(value) >= TARGET:
            return Reached(float(when) - begin, rounds)
        if rounds == KILL_AFTER_ROUND and victim is not None:
            run.started[victim].kill()
    return Reached(float("inf"), rounds)


def ours(folder: Path, disturbed: bool, *flags: str) -> Reached:
    """One run on the files that write() has written."""
    with processes() as run:
        run.start("aggregator", [str(digits.BIN / "sedna-worker"), "aggregate", "--port", "0", *FLAGS, *flags],
                  folder / "aggregator.log", LC_SERVER="")
        port = run.until("aggregator", "READY").split(":")[-1].split("/")[0]
        names = [f"client-{i}" for i in range(CLIENTS)]
        for i, name in enumerate(names):
            run.start(name, [sys.executable, str(ROOT / "bench" / "disturbed_client.py")], folder / f"{name}.log",
                      PYTHONPATH=os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT / "python")])),
                      AGG_PORT=port, AGG_PROTOCOL="http", WORKER_NAME=name, LC_SERVER="", LOG_LEVEL="WARNING",
                      BACKEND_TYPE="SKLEARN", MODEL_URL=str(folder), MODEL_NAME=f"{name}.model",
                      DEVICE_SECONDS=str(device_seconds(i, disturbed)), TRAIN_SET=str(folder / f"{name}.npz"),
                      TEST_SET=str(folder / "test.npz") if i == 0 else "")
        waiting = set(names)
        while waiting:
            name, line = run.lines.get(timeout=60)
            if name in waiting and not line:
                raise RuntimeError(f"{name} has ended: {(folder / f'{name}.log').read_text()[-500:]}")
            if line == "READY":
                waiting.discard(name)
        begin = time.time()
        for name in names:
            run.go(name)
        return watch(run, names[0], names[DEAD] if disturbed else None, begin)


def compare(folder: Path, algorithm: str, seeds: int = 5) -> tuple[list[Reached], list[Reached]]:
    """Calm and disturbed, a run a seed."""
    runs: tuple[list[Reached], list[Reached]] = ([], [])
    for seed in range(seeds):
        write(folder, seed)
        for disturbed in (False, True):
            runs[disturbed].append(ours(folder, disturbed, "--algorithm", algorithm))
    return runs


def main() -> int:
    """For a look: ``disturbed.py ALGORITHM…``."""
    import tempfile

    for algorithm in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as name:
            calm, hit = compare(Path(name), algorithm)
        for a, b in zip(calm, hit):
            print(f"{algorithm}: {a.seconds:.2f} s in {a.rounds}, disturbed {b.seconds:.2f} s in {b.rounds}", flush=True)
        print(f"{algorithm}: {sum(r.seconds for r in hit) / sum(r.seconds for r in calm):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
