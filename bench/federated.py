"""Federated learning's figures: rounds against a bare TCP server, wires, codecs, rules, restarts, memory.

Each function yields the fields of a ``Figure`` of run.py. Times and rates count as ratios to a yardstick of the same run,
mostly ``federated_floor``: a server that receives, adds and sends, with no protocol, no checks and no states. What needs
more memory or disk than there is is left out, and says so.
"""

from __future__ import annotations

import collections
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import statistics
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Fields = dict[str, Any]
GIB = 1 << 30


class Aggregator:
    """A server while the block runs: ``sedna-worker aggregate``, or the floor."""

    def __init__(self, command: list[object]) -> None:
        self.command = [str(word) for word in command]

    def __enter__(self) -> Aggregator:
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stdin=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("READY"):
                self.port = int(re.search(r"(\d+)(/FedAvg)?$", line.strip())[1])  # type: ignore[index]
                # A line a round: one that nobody read would block it after some hundred.
                self.reader = threading.Thread(target=collections.deque, args=(self.process.stdout, 0), daemon=True)
                self.reader.start()
                return self
        raise RuntimeError(f"{self.command[0]} ended before it was ready")

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    def end(self, how: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            assert self.process.stdin is not None
            self.process.stdin.close()  # the floor ends with its input
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.reader.join()

    def cpu(self) -> float:
        """User and system time of all threads that there are, from the scheduler's nanosecond accounts."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return 1e-9 * sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())

    def memory(self, which: str = "VmHWM") -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{which}:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def worker(binaries: Path, clients: int, rounds: int, *flags: object) -> Aggregator:
    return Aggregator([binaries / "sedna-worker", "aggregate", "--port", 0, "--participants", clients, "--rounds", rounds,
                       *flags])


def load(binaries: Path, mode: str, port: int, params: int, clients: int, rounds: int, first: int = 1) -> dict[str, Any]:
    done = subprocess.run([str(a) for a in (binaries / "federated_load", mode, port, params, clients, rounds, first)],
                          capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"federated_load {mode} {params} x {clients}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


class Rounds:
    """What rounds of one kind took; the first of each run warms up, and the least disturbed run counts."""

    def __init__(self, binaries: Path, mode: str, params: int, clients: int, rounds: int, *flags: object) -> None:
        self.binaries, self.mode, self.flags = binaries, mode, flags
        self.params, self.clients, self.rounds = params, clients, rounds
        self.wall = self.cpu = self.rss = float("inf")
        self.sent = 0.0

    def run(self) -> Rounds:
        floor = self.mode == "raw"
        server = (Aggregator([self.binaries / "federated_floor", self.params, self.clients, self.rounds]) if floor
                  else worker(self.binaries, self.clients, self.rounds, *self.flags))
        with server:
            before = server.cpu()
            got = load(self.binaries, self.mode, server.port, self.params, self.clients, self.rounds)
            self.cpu = min(self.cpu, (server.cpu() - before) / self.rounds)
            self.rss = min(self.rss, server.memory())
        walls = got["rounds"]
        self.wall = min(self.wall, statistics.median(walls[1:] or walls))
        self.sent = got["sent"] / self.rounds
        return self


def figure(name: str, value: float, unit: str, yardstick: float, target: float, **more: object) -> Fields:
    return {"name": name, "value": value, "unit": unit, "yardstick": yardstick, "ratio": value / yardstick,
            "target": target, **more}


def against(name: str, ours: Rounds, floor: Rounds, wall: float, cpu: float, memory: float, upstream: str) -> Iterator[Fields]:
    yield figure(f"{name}_wall", 1e3 * ours.wall, "ms", 1e3 * floor.wall, wall, upstream=upstream)
    yield figure(f"{name}_cpu", 1e3 * ours.cpu, "cpu_ms", 1e3 * floor.cpu, cpu)
    yield figure(f"{name}_rss", ours.rss, "MB", floor.rss, memory)


def short_of(name: str, folder: Path, memory: float, disk: float) -> bool:
    """Says so when the machine has less than that many GiB."""
    available = int(re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) / (1 << 20)  # type: ignore[index]
    free = shutil.disk_usage(folder).free / GIB
    if available >= memory and free >= disk:
        return False
    print(f"LEFT OUT {name}: needs {memory:g} GiB of memory and {disk:g} GiB of disk; there are {available:.1f} and {free:.1f}",
          flush=True)
    return True


def several(binaries: Path, params: int, clients: int, rounds: int, times: int) -> tuple[Rounds, Rounds]:
    floor = Rounds(binaries, "raw", params, clients, rounds)
    ours = Rounds(binaries, "http", params, clients, rounds)
    for _ in range(times):
        floor.run()
        ours.run()
    return ours, floor


def round_small(binaries: Path, _: Path) -> Iterator[Fields]:
    """Goal 15 ms where the floor takes 5."""
    ours, floor = several(binaries, 10_000, 100, 12, 4)
    yield from against("fl_round_10k_x100", ours, floor, 3.5, 8, 8, "0.68s")


def round_middle(binaries: Path, _: Path) -> Iterator[Fields]:
    """Goals 40 ms of wall and 35 of CPU where the floor takes 17 and 16; 0.5 s and 300 MiB where it takes 0.22 s."""
    ours, floor = several(binaries, 1_000_000, 10, 8, 3)
    yield from against("fl_round_1000k_x10", ours, floor, 2.35, 2.2, 8, "9.1s")
    many, bare = several(binaries, 1_000_000, 100, 4, 2)
    yield figure("fl_round_1000k_x100_wall", 1e3 * many.wall, "ms", 1e3 * bare.wall, 2.27)
    yield figure("fl_round_1000k_x100_rss", many.rss, "MB", 300 * 1.048576, 1, note="yardstick: the target")


def round_large(binaries: Path, folder: Path) -> Iterator[Fields]:
    """25 M float32 from 10 clients, plain, then the same with TLS, strict sums and int8; and from 100 clients."""
    if short_of("fl_round_large", folder, 3, 2):
        return
    params, clients, rounds = 25_000_000, 10, 4
    zeros, certificate, key = folder / "zeros.safetensors", folder / "fl-cert.pem", folder / "fl-key.pem"
    write_zeros(zeros, params)
    make_certificate(certificate, key)
    kinds = {
        "floor": Rounds(binaries, "raw", params, clients, rounds),
        "plain": Rounds(binaries, "http", params, clients, rounds),
        "strict": Rounds(binaries, "http", params, clients, rounds, "--strict", "true"),
        "tls": Rounds(binaries, "https", params, clients, rounds, "--tls-cert", certificate, "--tls-key", key),
        "int8": Rounds(binaries, "int8", params, clients, rounds, "--codec", "int8", "--initial-model", zeros),
    }
    for _ in range(2):
        for kind in kinds.values():
            kind.run()
    plain, coded = kinds["plain"], kinds["int8"]
    yield from against("fl_round_25000k_x10", plain, kinds["floor"], 2, 2, 2.07, "88s x2 clients")
    yield figure("fl_tls_25000k_x10_wall", 1e3 * kinds["tls"].wall, "ms", 1e3 * plain.wall, 2, note="yardstick: without TLS")
    yield figure("fl_strict_25000k_x10_cpu", 1e3 * kinds["strict"].cpu, "cpu_ms", 1e3 * plain.cpu, 1.05,
                 note=f"yardstick: not strict; wall_ratio={kinds['strict'].wall / plain.wall:.3f}")
    yield figure("fl_int8_25000k_x10_sent", coded.sent / 1e6, "MB", 255, 1, note="yardstick: the target")
    yield figure("fl_int8_25000k_x10_wall", 1e3 * coded.wall, "ms", 1e3 * plain.wall, 1, note="yardstick: not coded")
    zeros.unlink()
    many = Rounds(binaries, "http", params, 100, 2).run()
    yield figure("fl_round_25000k_x100_rss", many.rss, "MB", plain.rss, 1.1,
                 note=f"yardstick: ten clients; wall={many.wall:.1f}s")


def round_huge(binaries: Path, folder: Path) -> Iterator[Fields]:
    """100 M float32 from 10 clients: 2 GiB of memory, 6 s where the floor takes 3.4."""
    if short_of("fl_round_huge", folder, 5, 6):
        return
    ours, floor = several(binaries, 100_000_000, 10, 2, 1)
    yield figure("fl_round_100000k_x10_wall", ours.wall, "s", floor.wall, 1.76, note=f"cpu={ours.cpu:.2f}s")
    yield figure("fl_round_100000k_x10_rss", ours.rss, "MB", 2 * 1073.74, 1, note="yardstick: the target")


def round_1e9(binaries: Path, folder: Path) -> Iterator[Fields]:
    """A thousand million parameters from 3 clients: 14 GiB."""
    if not os.environ.get("SEDNA_BENCH_HUGE"):
        print("LEFT OUT fl_round_1e9: 24 GB of traffic and 14 GiB of memory; SEDNA_BENCH_HUGE=1 asks for it", flush=True)
        return
    if short_of("fl_round_1e9", folder, 20, 14):
        return
    ours = Rounds(binaries, "http", 1_000_000_000, 3, 1).run()
    yield figure("fl_round_1e9_x3_rss", ours.rss, "MB", 14 * 1073.74, 1, note=f"yardstick: the target; wall={ours.wall:.1f}s")


def rules(binaries: Path, _: Path) -> Iterator[Fields]:
    """Combining updates of 1 M float32, against copying them once. 100 of them: 0.25 s for the median and Krum, 0.5 s for the
    trimmed mean without a tenth on either side, where copying takes 0.025 s."""
    few = json.loads(subprocess.check_output([binaries / "federated_rules_bench", "1000000", "10"], timeout=300))
    for rule, target in (("mean", 6), ("strict", 6), ("clip", 10), ("Median", 6), ("TrimmedMean", 12), ("MultiKrum", 10)):
        yield figure(f"fl_rule_{rule}", 1e3 * few[rule], "ms", 1e3 * few["copy"], target)
    many = json.loads(subprocess.check_output([binaries / "federated_rules_bench", "1000000", "100"], timeout=300))
    for rule, target, upstream in (("Median", 10, "1.51s"), ("TrimmedMean10", 20, "1.81s"), ("Krum", 10, "11.3s"),
                                   ("MultiKrum", 10, "-"), ("GeometricMedian", 15, "-")):
        yield figure(f"fl_rule_{rule}_x100", 1e3 * many[rule], "ms", 1e3 * many["copy"], target,
                     upstream=upstream, note="upstream: Flower with numpy" if upstream != "-" else "")


def selection(binaries: Path, _: Path) -> Iterator[Fields]:
    """Choosing 100 of 10,000 clients, against sorting as many numbers."""
    r = json.loads(subprocess.check_output([binaries / "federated_selection_bench", "10000", "100"], timeout=60))
    for policy, target in (("random", 10), ("weighted", 10), ("oort", 25)):
        yield figure(f"fl_select_{policy}_10k", 1e6 * r[policy], "us", 1e6 * r["sort"], target)


def asynchronous(binaries: Path, folder: Path) -> Iterator[Fields]:
    """FedBuff with a buffer of 5 among 10 clients that wait for nobody but their own model, 1 M float32: updates a second,
    against those of the floor's rounds."""
    params, clients, each = 1_000_000, 10, 30
    zeros = folder / "zeros.safetensors"
    write_zeros(zeros, params)
    floor = Rounds(binaries, "raw", params, clients, 8).run()
    rate = 0.0
    for _ in range(2):
        with worker(binaries, clients, 10_000, "--algorithm", "FedBuff,buffer=5", "--initial-model", zeros) as server:
            took = load(binaries, "async", server.port, params, clients, each)["rounds"][0]
            rate = max(rate, clients * each / took)
    yield figure("fl_fedbuff_1000k", rate, "updates/s", clients / floor.wall, 0.4, at_least=True)


def growth(binaries: Path, _: Path) -> Iterator[Fields]:
    """Memory after 1000 rounds of 1 M x 10 against that after 100, both times when nobody is there."""
    params, clients = 1_000_000, 10
    with worker(binaries, clients, 2000, "--lease", 5) as server:
        load(binaries, "http", server.port, params, clients, 100)
        before = server.memory("VmRSS")
        took = load(binaries, "http", server.port, params, clients, 900, 101)["rounds"]
        after = server.memory("VmRSS")
    yield figure("fl_growth_1000_rounds", max(after - before, 0.0), "MB", 1.048576, 1,
                 note=f"yardstick: the target; rss={after:.1f}MB round={1e3 * statistics.median(took):.1f}ms")


def resume(binaries: Path, folder: Path) -> Iterator[Fields]:
    """25 M float32, four clients: killed with two updates in, how long until the server collects the other two; the model must
    be that of a server that nobody killed."""
    if short_of("fl_resume", folder, 3, 3):
        return
    params, clients = 25_000_000, 4
    digests = []
    seconds = 0.0
    for killed in (False, True):
        state = folder / f"fl-state-{killed}"
        flags = ("--state", state, "--durability", "update")
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(worker(binaries, clients, 2, *flags))
            for client in range(2):
                put(server.port, params, client)
            if killed:
                server.end(signal.SIGKILL)
                began = time.monotonic()
                server = stack.enter_context(worker(binaries, clients, 2, *flags))
                plan = get_plan(server.port)
                seconds = time.monotonic() - began
                if plan["phase"] != "collecting" or plan["committed"] != 2:
                    raise RuntimeError(f"it did not go on where it was: {plan}")
            for client in range(2, clients):
                put(server.port, params, client)
            until = time.monotonic() + 60
            while (plan := get_plan(server.port))["model"] is None and time.monotonic() < until:
                time.sleep(0.05)
            digests.append(plan["model"]["digest"])
        shutil.rmtree(state)
    if digests[0] != digests[1]:
        raise RuntimeError("the model is not the one of a server that was not killed")
    yield figure("fl_resume_25000k", seconds, "s", 2, 1, note="yardstick: the target; updates kept, same model")


def header(params: int, round_number: int | None = None) -> bytes:
    metadata = {} if round_number is None else {"__metadata__": {"round": str(round_number), "num_samples": "3"}}
    tensor = {"weights.0": {"dtype": "F32", "shape": [params], "data_offsets": [0, 4 * params]}}
    text = json.dumps({**metadata, **tensor}, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return struct.pack("<Q", len(text)) + text


def write_zeros(file: Path, params: int) -> None:
    with file.open("wb") as out:
        out.write(header(params))
        out.truncate(out.tell() + 4 * params)


def put(port: int, params: int, client: int) -> None:
    body = header(params, 1) + struct.pack("<f", 1 + client / 7) * params
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("PUT", f"/FedAvg/rounds/1/updates/c{client}", body)
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise RuntimeError(f"update of c{client}: {answer.status} {text}")
    connection.close()


def get_plan(port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/FedAvg/plan?client=c0")
    plan = json.loads(connection.getresponse().read())
    connection.close()
    return plan


def make_certificate(certificate: Path, key: Path) -> None:
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
                    str(certificate)], check=True, capture_output=True)
    os.chmod(key, 0o600)
