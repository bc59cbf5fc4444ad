"""Flower and ours, side by side on this machine, over loopback: ``script/bench peers``.

- One round of a large model: ten Python processes each, which send back what they got. Seconds from one round's model to the next
  one's, the server's processor seconds a round and its peak memory.
- Seconds to 90 % on digits, undisturbed and disturbed: ``bench/disturbed.py`` and the same with Flower.

The model has PARAMETERS float32 (25 M); fewer, and said, where memory is short.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "bench"))
import disturbed  # noqa: E402 (bench's)
from disturbed import CLIENTS, LONGEST, Processes, Reached, processes, watch, write  # noqa: E402
from federated_digits import BIN  # noqa: E402
from run import Figure  # noqa: E402

PEERS = ROOT / "build" / "venv-peers"
PYTHON = str(PEERS / "bin" / "python")
#: Nothing is sent anywhere: no telemetry, no update check, and no proxy between here and here.
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "GRPC_VERBOSITY": "NONE"}
ROUNDS = 4
BYTES_A_PARAMETER = 4 * (6 * CLIENTS + 25)  # what all of Flower's processes together were seen to need, and some more


@dataclass
class Round:
    """What a round costs; memory is the server's peak in MB."""

    seconds: float
    cpu: float
    memory: float


def free_port() -> str:
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def available_bytes() -> int:
    text = Path("/proc/meminfo").read_text()
    return 1024 * int(re.search(r"MemAvailable:\s+(\d+)", text)[1])  # type: ignore[index]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(pid: int) -> float:
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024  # type: ignore[index]


def rounds_of(run: Processes, server: str) -> Round:
    """From the ROUND lines of a server that goes through ROUNDS rounds; the first one warms up."""
    pid = run.started[server].pid
    times, cpu = [], []
    for _ in range(ROUNDS):
        run.until(server, "ROUND", 600)
        times.append(time.monotonic())
        cpu.append(cpu_seconds(pid))
    memory = peak_megabytes(pid)
    gaps = [b - a for a, b in zip(times, times[1:])]
    return Round(statistics.median(gaps), (cpu[-1] - cpu[0]) / (ROUNDS - 1), memory)


def flower_round(folder: Path, parameters: int) -> Round:
    port = free_port()
    with processes() as run:
        run.start("server", [PYTHON, str(HERE / "flower_server.py"), "echo", port, str(parameters), str(CLIENTS),
                             str(ROUNDS + 1)], folder / "flower-server.log", **QUIET)
        for i in range(CLIENTS):
            run.start(f"client-{i}", [PYTHON, str(HERE / "flower_client.py"), "echo", port], folder / f"flower-{i}.log",
                      **QUIET)
        return rounds_of(run, "server")


def our_round(folder: Path, parameters: int) -> Round:
    with processes() as run:
        run.start("server", [str(BIN / "sedna-worker"), "aggregate", "--port", "0", "--participants", str(CLIENTS), "--rounds",
                             str(ROUNDS + 1)], folder / "our-server.log", LC_SERVER="")
        port = run.until("server", "READY").split(":")[-1].split("/")[0]
        for i in range(CLIENTS):
            run.start(f"client-{i}", [sys.executable, str(HERE / "echo_client.py"), port, f"c{i}", str(parameters)],
                      folder / f"our-{i}.log", MODEL_URL=str(folder), MODEL_NAME=f"c{i}")
        return rounds_of(run, "server")


def flower_disturbed(folder: Path, is_disturbed: bool, timeout: float | None) -> Reached:
    """On the files that write() has written; the clock begins with the first round, which has all ten."""
    port = free_port()
    names = [f"client-{i}" for i in range(CLIENTS)]
    with processes() as run:
        extra = [] if timeout is None else [str(timeout)]
        run.start("server", [PYTHON, str(HERE / "flower_server.py"), "digits", port, str(folder / "test.npz"), str(CLIENTS),
                             *extra], folder / "flower.log", **QUIET)
        for i, name in enumerate(names):
            run.start(name, [PYTHON, str(HERE / "flower_client.py"), "digits", port], folder / f"flower-{name}.log",
                      TRAIN_SET=str(folder / f"{name}.npz"), DEVICE_SECONDS=str(disturbed.device_seconds(i, is_disturbed)),
                      **QUIET)
        begin = float(run.until("server", "BEGIN", 120).split()[1])
        return watch(run, "server", names[disturbed.DEAD] if is_disturbed else None, begin)


def large_round(folder: Path, parameters: int) -> list[Figure]:
    flower, ours = flower_round(folder, parameters), our_round(folder, parameters)
    name = f"peers_round_{parameters // 1_000_000}M_x{CLIENTS}"
    note = f"yardstick: Flower {version()}"
    return [Figure(f"{name}_wall", ours.seconds, "s", flower.seconds, ours.seconds / flower.seconds, 0.5, note=note),
            Figure(f"{name}_cpu", ours.cpu, "cpu_s", flower.cpu, ours.cpu / flower.cpu, 0.2, note=note),
            Figure(f"{name}_rss", ours.memory, "MB", flower.memory, ours.memory / flower.memory, 0.2, note=note)]


def to_target(folder: Path, seeds: int) -> list[Figure]:
    """The median over the seeds; the ratio is Flower's best setting's."""
    columns: dict[str, list[Reached]] = {}
    for seed in range(seeds):
        write(folder, seed)
        for is_disturbed in (False, True):
            label = "disturbed" if is_disturbed else "calm"
            columns.setdefault(f"ours_{label}", []).append(disturbed.ours(folder, is_disturbed))
            for timeout in (None, 2 * disturbed.DEVICE):
                columns.setdefault(f"flower{'' if timeout is None else '_timeout'}_{label}", []).append(
                    flower_disturbed(folder, is_disturbed, timeout))
    middle = {name: statistics.median(r.seconds for r in runs) for name, runs in columns.items()}
    note = " ".join(f"{name}={value:.3g}s" for name, value in middle.items())
    figures = []
    for label in ("calm", "disturbed"):
        # As it comes Flower waits for the slow one; with a timeout it ends the client that was late. The rounds are the same
        # FedAvg's, and a device's training is most of them: a fifth more would be a bad server.
        best = min(middle[f"flower_{label}"], middle[f"flower_timeout_{label}"], LONGEST)
        figures.append(Figure(f"peers_to_90_{label}", middle[f"ours_{label}"], "s", best, middle[f"ours_{label}"] / best, 1.2,
                              note=f"{note} yardstick: Flower {version()}"))
    return figures


def version() -> str:
    return next(d.version for d in metadata.distributions(path=[str(p) for p in PEERS.glob("lib/python3*/site-packages")])
                if d.metadata["Name"] == "flwr")


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/bench peers", description=__doc__.splitlines()[0])
    parser.add_argument("--parameters", type=int, default=25_000_000, help="of the large model")
    parser.add_argument("--seeds", type=int, default=3, help="of the runs to 90 %%")
    parser.add_argument("--only", choices=["round", "to_90"])
    args = parser.parse_args()
    parameters = args.parameters
    while parameters > 1_000_000 and parameters * BYTES_A_PARAMETER > available_bytes():
        parameters //= 5
    if parameters != args.parameters:
        print(f"SCALED DOWN: {available_bytes() >> 30} GiB are free; {parameters} parameters instead of {args.parameters}")
    missed = 0
    with tempfile.TemporaryDirectory(prefix="sedna-peers-") as name:
        for figure in [*(large_round(Path(name), parameters) if args.only != "to_90" else []),
                       *(to_target(Path(name), args.seeds) if args.only != "round" else [])]:
            print(figure.line(), flush=True)
            missed += not figure.ok
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
