"""Runs the benchmarks and prints one BENCH line a figure; exit status 1 when a target is missed.

A time or a rate counts only as a ratio to a yardstick measured in the same run; memory and sizes count as they are.
``script/bench [NAME …]`` runs those whose name starts with one of the words. The ``upstream`` column is what KubeEdge
Sedna's Python was measured to need for the same thing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(os.environ.get("SEDNA_BENCH_BIN", ROOT / "build" / "bin"))  # another build's programs, to compare
sys.path.insert(0, str(ROOT / "bench"))
import apiserver  # noqa: E402 (beside this file, wherever this is started from)
import federated  # noqa: E402
import gm as gm_bench  # noqa: E402
import home as home_bench  # noqa: E402


@dataclass
class Figure:
    """One line of the report. ``value`` and ``yardstick`` are in ``unit``; ``ratio`` is held against ``target``."""

    name: str
    value: float
    unit: str
    yardstick: float
    ratio: float
    target: float
    at_least: bool = False
    upstream: str = "-"
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    def line(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "ok" if self.ok else "MISSED"
        text = (
            f"BENCH {self.name} value={self.value:.4g} unit={self.unit} yardstick={self.yardstick:.4g} "
            f"ratio={self.ratio:.4g} target={sign}{self.target:g} {verdict} upstream={self.upstream}"
        )
        return f"{text} {self.note}".rstrip()


def pinned(core: int | None) -> Callable[[], None] | None:
    """For subprocess's preexec_fn: stays on that core, so that it is not the scheduler that is measured."""
    cores = sorted(os.sched_getaffinity(0))
    return None if core is None else lambda: os.sched_setaffinity(0, {cores[core % len(cores)]})


def tool(*args: object, core: int | None = None) -> dict:
    """Runs a benchmark program and reads the JSON object it prints."""
    done = subprocess.run([str(BIN / str(args[0])), *map(str, args[1:])], capture_output=True, text=True, timeout=300,
                          preexec_fn=pinned(core))
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, args))} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


@contextlib.contextmanager
def process(args: list[str], ready: str, core: int | None = None) -> Iterator[tuple[subprocess.Popen, str]]:
    """A program that runs while the block does; yields it with its first line that matches ``ready``."""
    with subprocess.Popen(args, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, preexec_fn=pinned(core)) as p:
        try:
            assert p.stdout is not None
            for line in p.stdout:
                if re.search(ready, line):
                    yield p, line
                    break
            else:
                raise RuntimeError(f"{args[0]} ended before it was ready")
        finally:
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
                try:
                    p.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    p.kill()


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads, from the scheduler's nanosecond accounts."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total * 1e-9


def rss_megabytes(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024  # type: ignore[index]


def worker_port(line: str) -> int:
    return int(re.search(r"https?://[^\s:]+:(\d+)", line)[1])  # type: ignore[index]


def binary_request(model: str, shape: list[int]) -> bytes:
    """A whole HTTP request of the Open Inference Protocol with one raw float32 tensor."""
    data = np.random.default_rng(1).random(shape, dtype=np.float32).tobytes()
    header = json.dumps({
        "inputs": [{"name": "x", "datatype": "FP32", "shape": shape, "parameters": {"binary_data_size": len(data)}}],
        "parameters": {"binary_data_output": True},
    }).encode()
    head = (
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Inference-Header-Content-Length: {len(header)}\r\nContent-Length: {len(header) + len(data)}\r\n\r\n"
    )
    return head.encode() + header + data


def overhead_cpp(_: Path) -> Iterator[Figure]:
    r = tool("ji_bench", "overhead")
    yield Figure("ji_overhead_cpp", r["ours_us"], "us", r["bare_us"], r["ours_us"] / r["bare_us"], 1.05,
                 note=f"added_us={r['ours_us'] - r['bare_us']:.3f} calls={r['calls']}")


def overhead_python(_: Path) -> Iterator[Figure]:
    done = subprocess.run([sys.executable, str(ROOT / "bench" / "overhead_python.py")], capture_output=True, text=True,
                          timeout=300, env={**os.environ, "PYTHONPATH": str(ROOT / "python")})
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-800:])
    r = json.loads(done.stdout.strip().splitlines()[-1])
    yield Figure("ji_overhead_python", r["ours_us"], "us", r["bare_us"], r["ours_us"] / r["bare_us"], 1.2,
                 upstream="11us added", note=f"added_us={r['ours_us'] - r['bare_us']:.3f} calls={r['calls']}")


def offload(_: Path) -> Iterator[Figure]:
    cases = [("3.7MB", 960 * 1280 * 3, 1.3, "2.06s"), ("150kB", 224 * 224 * 3, 2.0, "78ms"), ("30kB", 30_000, 2.5, "11.9ms")]
    # One core for both ends, as for the two ends of the socket: waking another, idle core costs more than the exchange
    # itself on a virtual machine, and the scheduler's choice would decide the ratio.
    with process([str(BIN / "bench_server"), "0"], "http://", core=0) as (_p, line):
        port = worker_port(line)
        for label, size, target, upstream in cases:
            r = tool("ji_bench", "offload", port, size // 4 * 4, core=0)
            yield Figure(f"ji_offload_{label}", r["ours_us"], "us", r["socket_us"], r["ours_us"] / r["socket_us"], target,
                         upstream=upstream, note=f"p50_ratio={r['ours_p50_us'] / r['socket_p50_us']:.3f}")


def server(folder: Path, name: str, model: str, shape: list[int], upstream: str) -> Iterator[Figure]:
    """CPU a request at 64 connections against ONNX Runtime in process + 12 µs + 0.1 µs for each kB of body. The server has
    one core and the load another, so that they take nothing from each other."""
    request = folder / f"{name}.request"
    request.write_bytes(binary_request("m", shape))
    command = [str(BIN / "sedna-worker"), "infer", "--model", f"m={folder / model}", "--port", "0", "--no-access-log"]
    ratios, values, yards = [], [], []
    with process(command, "http://", core=0) as (p, line):
        port = worker_port(line)
        tool("load_client", port, 64, 1, request, core=1)
        for _ in range(5):
            bare = tool("ort_bench", "time", folder / model, 1, core=0)["cpu_us"]
            before = cpu_seconds(p.pid)
            load = tool("load_client", port, 64, 2, request, core=1)
            ours = (cpu_seconds(p.pid) - before) / load["requests"] * 1e6
            yard = bare + 12 + 0.1 * request.stat().st_size / 1000
            values.append(ours)
            yards.append(yard)
            ratios.append(ours / yard)
        rate = load["requests"] / load["seconds"]
    yield Figure(name, statistics.median(values), "cpu_us/request", statistics.median(yards), statistics.median(ratios),
                 1.25, upstream=upstream, note=f"rate={rate:.0f}/s p50_ms={load['p50_ms']:.3f}")


def server_64(folder: Path) -> Iterator[Figure]:
    yield from server(folder, "ji_server_64", "cnn.onnx", [1, 3, 224, 224], "23req/s")


def server_tiny(folder: Path) -> Iterator[Figure]:
    yield from server(folder, "ji_server_tiny", "tiny.onnx", [1, 64], "330cpu_us")


def stream(_: Path) -> Iterator[Figure]:
    with process([str(BIN / "bench_server"), "100"], "http://") as (_p, line):
        r = tool("ji_bench", "stream", worker_port(line))
    yield Figure("ji_stream_fps", r["ours_fps"], "frames/s", r["edge_fps"], r["ours_fps"] / r["edge_fps"], 0.95,
                 at_least=True, note=f"from_cloud={r['from_cloud']}/{r['frames']}")


def hangs(_: Path) -> Iterator[Figure]:
    r = tool("ji_bench", "hang")
    yield Figure("ji_cloud_hangs", r["p50_ms"], "ms", r["deadline_ms"], r["p50_ms"] / r["deadline_ms"],
                 (r["deadline_ms"] + 2) / r["deadline_ms"], upstream="never returns", note=f"max_ms={r['max_ms']:.2f}")


def breaker(_: Path) -> Iterator[Figure]:
    r = tool("ji_bench", "breaker")
    yield Figure("ji_breaker_open", r["ours_us"], "us", r["bare_us"], r["ours_us"] / r["bare_us"],
                 (r["bare_us"] + 50) / r["bare_us"], upstream="12.03s", note=f"added_us={r['ours_us'] - r['bare_us']:.3f}")


def rss(folder: Path) -> Iterator[Figure]:
    model = folder / "tiny.onnx"
    with process([str(BIN / "ort_bench"), "rss", str(model)], "ready") as (p, _line):
        time.sleep(0.5)
        bare = rss_megabytes(p.pid)
        assert p.stdin is not None
        p.stdin.close()
        p.wait(timeout=10)
    command = [str(BIN / "sedna-worker"), "infer", "--model", f"m={model}", "--port", "0"]
    with process(command, "http://") as (p, _line):
        time.sleep(0.5)
        ours = rss_megabytes(p.pid)
    yield Figure("rss_worker", ours, "MB", bare, ours / bare, 1.3, upstream="279MB")


def of_federated(bench: Callable[[Path, Path], Iterator[dict]]) -> Callable[[Path], Iterator[Figure]]:
    def run(folder: Path) -> Iterator[Figure]:
        for fields in bench(BIN, folder):
            yield Figure(**fields)

    return run


def fl_learning(kind: str) -> Iterator[Figure]:
    """Accuracies of whole jobs on real digits, in points; the ratio is what of the allowed distance is used up."""
    done = subprocess.run([sys.executable, str(ROOT / "bench" / "convergence.py"), "--gates", kind], capture_output=True,
                          text=True, timeout=1800, env={**os.environ, "SEDNA_BENCH_BIN": str(BIN)})
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-800:])
    for line in done.stdout.splitlines():
        g = json.loads(line)
        yield Figure(f"fl_{kind}_{g['name']}", g["value"], "points", g["yardstick"], g["used"], 1, note=g["note"])


def fl_convergence(_: Path) -> Iterator[Figure]:
    yield from fl_learning("convergence")


def fl_attacks(_: Path) -> Iterator[Figure]:
    yield from fl_learning("attacks")


def fl_codecs(_: Path) -> Iterator[Figure]:
    yield from fl_learning("codecs")


def fl_disturbed(folder: Path) -> Iterator[Figure]:
    """Seconds to 90 % with one client of ten that is ten times slower and one that dies; the yardstick: with neither."""
    import disturbed

    for algorithm in ("SCAFFOLD", "FedAvg"):
        calm, hit = disturbed.compare(folder, algorithm)
        seconds = [statistics.median(r.seconds for r in runs) for runs in (calm, hit)]
        ratios = [b.seconds / a.seconds for a, b in zip(calm, hit)]
        rounds = [statistics.fmean(r.rounds for r in runs) for runs in (calm, hit)]
        yield Figure(f"fl_disturbed_{algorithm}", seconds[1], "s", seconds[0], statistics.median(ratios), 1.3,
                     note=f"worst_of_{len(ratios)}={max(ratios):.2f} rounds={rounds[1]:.1f}/{rounds[0]:.1f}")


def apiserver_create_1(folder: Path) -> Iterator[Figure]:
    ours, bare = apiserver.one_by_one(BIN, folder)
    yield Figure("apiserver_create_1", ours, "us", bare, ours / bare, 1.5)


def apiserver_create_64(folder: Path) -> Iterator[Figure]:
    r = apiserver.sixty_four(BIN, folder)
    yield Figure("apiserver_create_64", r["rate"], "creates/s", r["bare_rate"], r["rate"] / r["bare_rate"], 0.4,
                 at_least=True)
    yield Figure("apiserver_create_64_cpu", r["cpu"], "us", r["bare_cpu"], r["cpu"] / r["bare_cpu"], 4)


def apiserver_list_10k(folder: Path) -> Iterator[Figure]:
    ours, bare, size = apiserver.list_ten_thousand(BIN, folder)
    yield Figure("apiserver_list_10k", ours, "us", bare, ours / bare, 3, note=f"bytes={size}")


def rss_apiserver(folder: Path) -> Iterator[Figure]:
    ours = apiserver.memory(BIN, folder, rss_megabytes)
    yield Figure("rss_apiserver", ours, "MB", 25, ours / 25, 1, note="yardstick: the target")


def gm_1000_services(folder: Path) -> Iterator[Figure]:
    f = gm_bench.measure(BIN, folder)
    yield Figure("gm_1000_services", f.seconds, "s", f.yardstick, f.seconds / f.yardstick, 1.5, upstream="802",
                 note="all children of 1000 services")
    yield Figure("gm_cpu_1000", f.cpu, "s", 8, f.cpu / 8, 1, upstream="35.5", note="yardstick: the target")
    yield Figure("gm_idle_1000", 100 * f.idle_share, "%", 0.5, f.idle_share / 0.005, 1, upstream="11-16",
                 note=f"yardstick: the target; writes={f.idle_writes}")
    yield Figure("gm_reaction_1000", f.reaction, "s", 1, f.reaction, 1, upstream=">60", note="yardstick: the target")
    yield Figure("rss_gm_1000", f.rss_mb, "MB", 60, f.rss_mb / 60, 1, upstream="232", note="yardstick: the target")


def kube_1000_services(folder: Path) -> Iterator[Figure]:
    try:
        f = gm_bench.measure(BIN, folder / "kube", kind=gm_bench.KubeServer)
    except gm_bench.NoKube:
        print("LEFT OUT kube_1000_services: no kube-apiserver, and no Go to build it with (script/kube)", flush=True)
        return
    yield Figure("kube_1000_services", f.seconds, "s", f.yardstick, f.seconds / f.yardstick, 1.5, upstream="802",
                 note=f"all children of 1000 services on a real API server; cpu={f.cpu:.1f}s reaction={f.reaction:.3f}s")


def up_ready(folder: Path) -> Iterator[Figure]:
    ours, bare, count = home_bench.up_ready(BIN, folder)
    yield Figure("up_ready", ours, "s", bare, ours / bare, 10, note=f"yardstick: {count} empty sandboxes one by one")


def apply_to_exec(folder: Path) -> Iterator[Figure]:
    ours, bare = home_bench.apply_to_exec(BIN, folder)
    yield Figure("apply_to_exec", ours, "s", bare, ours / bare, 10, note="yardstick: two empty sandboxes with a network")


def rss_home(folder: Path) -> Iterator[Figure]:
    """Each daemon of an idle home of two nodes by itself, and all of them together."""
    found = home_bench.memory(BIN, folder)
    for kind, target, upstream in (("lc", 14, "35"), ("gm", 25, "38.5"), ("node", 16, "-")):
        yield Figure(f"rss_{kind}", found[kind], "MB", target, found[kind] / target, 1, upstream=upstream,
                     note="yardstick: the target")
    yield Figure("rss_home", found["home"], "MB", 60, found["home"] / 60, 1, note="yardstick: the target; sum of PSS")


def binary_lc(_: Path) -> Iterator[Figure]:
    size, libraries = home_bench.binary_size(BIN / "sedna-lc")
    yield Figure("binary_lc", size, "MB", 14, size / 14, 1, upstream="38.5", note=f"yardstick: the target; with {libraries}")


BENCHES: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "ji_overhead_cpp": overhead_cpp,
    "ji_overhead_python": overhead_python,
    "ji_offload": offload,
    "ji_server_64": server_64,
    "ji_server_tiny": server_tiny,
    "ji_stream_fps": stream,
    "ji_cloud_hangs": hangs,
    "ji_breaker_open": breaker,
    "rss_worker": rss,
    "apiserver_create_1": apiserver_create_1,
    "apiserver_create_64": apiserver_create_64,
    "apiserver_list_10k": apiserver_list_10k,
    "rss_apiserver": rss_apiserver,
    "gm_1000_services": gm_1000_services,
    "up_ready": up_ready,
    "apply_to_exec": apply_to_exec,
    "rss_home": rss_home,
    "binary_lc": binary_lc,
    "kube_1000_services": kube_1000_services,
    "fl_round_small": of_federated(federated.round_small),
    "fl_round_middle": of_federated(federated.round_middle),
    "fl_round_large": of_federated(federated.round_large),
    "fl_round_huge": of_federated(federated.round_huge),
    "fl_rules": of_federated(federated.rules),
    "fl_selection": of_federated(federated.selection),
    "fl_fedbuff": of_federated(federated.asynchronous),
    "fl_growth": of_federated(federated.growth),
    "fl_resume": of_federated(federated.resume),
    "fl_1e9": of_federated(federated.round_1e9),
    "fl_convergence": fl_convergence,
    "fl_attacks": fl_attacks,
    "fl_codecs": fl_codecs,
    "fl_disturbed": fl_disturbed,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only benchmarks whose name starts with one of these")
    names = parser.parse_args().names
    chosen = [b for n, b in BENCHES.items() if not names or any(n.startswith(w) or w.startswith(n) for w in names)]
    if not chosen:
        parser.error(f"no such benchmark; there are: {', '.join(BENCHES)}")
    import models

    missed = 0
    with tempfile.TemporaryDirectory(prefix="sedna-bench-") as name:
        folder = Path(name)
        models.small_cnn(folder / "cnn.onnx")
        models.tiny_mlp(folder / "tiny.onnx")
        for bench in chosen:
            for figure in bench(folder):
                print(figure.line(), flush=True)
                missed += not figure.ok
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
