"""The API server's figures: creating objects one by one and from 64 clients, listing ten thousand, memory at rest.

The yardsticks do the least that the same bytes and the same durability need: a SQLite commit and a TLS echo; a bare
socket loop with grouped commits; the rows copied to a socket.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from api import Process

SIZE = 1000  # of the text inside each object
TIMES = 5


class ApiServer(Process):
    """A server on a folder of its own, and the benchmark program that asks it."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.tool = binaries / "apiserver_bench"
        self.folder = folder
        super().__init__(binaries, folder)

    def ask(self, command: str, *args: object) -> dict:
        """What the program printed, as one object."""
        answer: dict = {}
        for printed in run(self.tool, command, self.url, self.folder / "ca.pem", self.token, *args):
            answer.update(printed)
        return answer


def run(*args: object) -> list[dict]:
    """The objects that the program prints."""
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{args[0]} {args[1]}: {done.stderr.strip()[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


@contextlib.contextmanager
def api_server(binaries: Path, folder: Path) -> Iterator[ApiServer]:
    folder.mkdir(parents=True)
    server = ApiServer(binaries, folder)
    try:
        yield server
    finally:
        server.stop()


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def one_by_one(binaries: Path, folder: Path, count: int = 200) -> tuple[float, float]:
    """Microseconds of a create, and of the yardstick, in turns."""
    ours: list[float] = []
    bare: list[float] = []
    with api_server(binaries, folder / "one") as server:
        for i in range(TIMES):
            place = folder / f"commit-{i}"
            place.mkdir()
            bare.append(run(server.tool, "commit", place, count, SIZE)[0]["us"])
            ours.append(server.ask("create", 1, count, SIZE, f"one-{i}")["us"])
    return median(ours), median(bare)


def sixty_four(binaries: Path, folder: Path, count: int = 3000) -> dict[str, float]:
    """Creates a second and processor time a create; ours and the loop's, in turns.

    Both are taken while the objects are made and not while the connections are: neither the loop's sockets nor our TLS
    handshakes (half a millisecond each) are part of a create.
    """
    ours: list[float] = []
    bare: list[float] = []
    ours_cpu: list[float] = []
    bare_cpu: list[float] = []
    with api_server(binaries, folder / "many") as server:
        for i in range(TIMES):
            place = folder / f"loop-{i}"
            place.mkdir()
            rate, cpu = run(server.tool, "loop", place, 64, count, SIZE)
            bare.append(rate["rate"])
            bare_cpu.append(cpu["cpu_us"])
            figures = server.ask("create", 64, count, SIZE, f"many-{i}", server.process.pid)
            ours.append(figures["rate"])
            ours_cpu.append(figures["cpu_us"])
    return {"rate": median(ours), "bare_rate": median(bare), "cpu": median(ours_cpu), "bare_cpu": median(bare_cpu)}


def list_ten_thousand(binaries: Path, folder: Path) -> tuple[float, float, int]:
    """Microseconds of a list and of copying its rows; bytes of the list."""
    with api_server(binaries, folder / "list") as server:
        server.ask("create", 64, 10_000, SIZE, "item")
        listed = server.ask("list", 2 * TIMES)
    rows = run(server.tool, "rows", server.folder / "objects.db", 2 * TIMES)[0]
    return listed["us"], rows["us"], int(listed["bytes"])


def memory(binaries: Path, folder: Path, rss_megabytes: object) -> float:
    """Resident megabytes of a server that has nothing to do."""
    assert callable(rss_megabytes)
    with api_server(binaries, folder / "idle") as server:
        time.sleep(1)
        return float(rss_megabytes(server.process.pid))
