"""Federated learning on real handwritten digits, from splitting the data to a table and a picture: ``script/demo federated``.

Ten workers train a small network on digits that no other worker sees, most of them knowing only a few classes; an
aggregator makes one model of theirs, round by round: once as FedAvg, once as SCAFFOLD, once as FedAdam. Each is a
FederatedLearningJob on a home of this machine; with ``--plain-workers``, bare processes. Every figure is computed from what
the workers said and left behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORKER = ROOT / "build" / "bin" / "sedna-worker"
sys.path[:0] = [str(HERE), str(HERE.parent), str(ROOT / "python")]

import data  # noqa: E402
from digits_home import Home, say  # noqa: E402
from home_job import NODES, federate_by_apply  # noqa: E402
from model import Network  # noqa: E402
from progress import ROUND, STALL_SECONDS, Progress, Run  # noqa: E402

def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def follow(process: subprocess.Popen[str], name: str, lines: queue.Queue[tuple[str, str]]) -> None:
    """Every line that a process prints, into the queue; at its end the exit code."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put((name, line.rstrip("\n")))
    lines.put((name, f"EXIT {process.wait()}"))


@contextlib.contextmanager
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Started processes are ended, whatever happens."""
    started: list[subprocess.Popen[str]] = []
    try:
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.terminate()
        for process in started:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# Networks for other frameworks: the module, upstream's word for the backend, how a model's file ends.
FRAMEWORKS = {"numpy": ("model", "SKLEARN", ".npz"), "sklearn": ("sklearn_model", "SKLEARN", ".npz"),
              "keras": ("keras_model", "KERAS", ".keras"), "pytorch": ("pytorch_model", "TORCH", ".pt"),
              "paddle": ("paddle_model", "PADDLE", ".pdparams"), "mindspore": ("mindspore_model", "MINDSPORE", ".ckpt")}


def interpreter_for(framework: str) -> str:
    """The Python that trains with it: this one, or that of the environment which `script/test frameworks` makes."""
    package = {"pytorch": "torch", "numpy": "numpy"}.get(framework, framework)
    for python in (sys.executable, str(ROOT / "build" / "venv-frameworks" / "bin" / "python")):
        # Looked for, not imported: some take seconds.
        find = f"import importlib.util, sys; s = importlib.util.find_spec({package!r}); sys.exit(s is None or s.origin is None)"
        if Path(python).exists() and subprocess.run([python, "-c", find], check=False).returncode == 0:
            return python
    raise SystemExit(f"{package} is not installed, neither here nor in build/venv-frameworks: `script/test frameworks` installs it")


def federate(out: Path, algorithm: str, clients: int, rounds: int, epochs: int, seed: int, aggregator: str,
             protocol: str, framework: str = "numpy") -> Run:
    """Starts the aggregator and the clients, shows the rounds as they end, and waits for all to finish by themselves."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "LOG_LEVEL": "WARNING", "LC_SERVER": "",
                   "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JOB_NAME": "digits",
                   "BACKEND_TYPE": "SKLEARN", "AGG_PROTOCOL": protocol}
    python = interpreter_for(framework)
    network, environment["BACKEND_TYPE"], extension = FRAMEWORKS[framework]
    environment.update(NETWORK=network, TF_CPP_MIN_LOG_LEVEL="2", GLOG_v="3")
    out = out / algorithm.split(",")[0]
    out.mkdir(exist_ok=True)
    if aggregator == "native":
        command = [str(WORKER), "aggregate", "--port", str(port), "--aggregation", "digits", "--algorithm", algorithm,
                   "--participants", str(clients), "--rounds", str(rounds)]
    else:
        command = [sys.executable, str(HERE / "aggregate.py")]
    lines: queue.Queue[tuple[str, str]] = queue.Queue()
    run = Run(algorithm)
    with processes() as started:
        def start(name: str, arguments: list[str], **extra: str) -> None:
            process = subprocess.Popen(arguments, env={**environment, **extra}, stdout=subprocess.PIPE,
                                       stderr=(out / f"{name}.log").open("w"), text=True)
            started.append(process)
            threading.Thread(target=follow, args=(process, name, lines), daemon=True).start()

        start("aggregator", command, AGG_BIND_PORT=str(port), exit_round=str(rounds), participants_count=str(clients),
              algorithm=algorithm)
        for i in range(clients):
            extra = {"TEST_SET": str(out.parent / "test.npz")} if i == 0 else {}
            folder = out / f"model-{i}"
            folder.mkdir(exist_ok=True)
            start(f"client-{i}", [python, str(HERE / "train.py")], AGG_PORT=str(port), WORKER_NAME=f"client-{i}",
                  TRAIN_SET=str(out.parent / f"client-{i}.npz"), EPOCHS=str(epochs), SEED=str(seed), MODEL_URL=str(folder),
                  MODEL_NAME=f"model{extension}", **extra)
        begin = time.monotonic()
        progress = Progress(rounds)
        ends: dict[str, int] = {}
        reports: dict[int, re.Match[str]] = {}
        while len(ends) < len(started):
            try:
                name, line = lines.get(timeout=STALL_SECONDS)
            except queue.Empty:
                raise RuntimeError(f"nothing has happened for {STALL_SECONDS:.0f} s; see {out}/*.log") from None
            if line.startswith("EXIT "):
                ends[name] = int(line[5:])
                if ends[name] != 0:
                    raise RuntimeError(f"{name} ended with {ends[name]}; see {out}/{name}.log")
            elif match := ROUND.match(line):
                reports[int(match[1])] = match
                run.bytes += int(match[5]) + int(match[6])
            elif line.startswith("ACCURACY "):
                run.accuracy.append(json.loads(line[9:])["accuracy"])
            progress.show(run, reports)
        run.seconds = time.monotonic() - begin
    if len(run.accuracy) != rounds:
        raise RuntimeError(f"{len(run.accuracy)} of {rounds} rounds were seen; see {out}/*.log")
    return run


def alone(out: Path, name: str, epochs: int, seed: int, test: tuple[np.ndarray, np.ndarray]) -> float:
    """The accuracy of one network trained as long on the data of one file."""
    with np.load(out / f"{name}.npz") as own:
        holder = type("Data", (), {"x": own["x"], "y": own["y"]})
    network = Network(seed)
    network.train(holder, epochs=epochs)
    return network.accuracy(*test)


def picture(runs: list[Run], own: list[float], together: float, alpha: float, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), dpi=120)
    for run in runs:
        rounds = np.arange(1, len(run.accuracy) + 1)
        axes.plot(rounds, 100 * np.array(run.accuracy), lw=2, label=run.algorithm)
    axes.axhline(100 * together, color="#555555", ls="--", label="all data in one place")
    axes.axhline(100 * float(np.mean(own)), color="#999999", ls=":", label="each client alone (mean)")
    axes.set(xlabel="round", ylabel="accuracy on the test digits (%)", xlim=(0, len(runs[0].accuracy) + 1), ylim=(0, 101),
             title=f"{len(own)} clients, digits split by Dirichlet({alpha:g})")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/demo federated", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo" / "federated", help="where everything lands")
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5, help="of local training in a round")
    parser.add_argument("--alpha", type=float, default=0.1, help="of the Dirichlet split; small is uneven")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--algorithms", nargs="+", metavar="NAME[,key=value]",
                        help="the jobs to run, one after another; also FedProx, FedAvgM, FedYogi, FedAdagrad, FedNova, FedDyn")
    parser.add_argument("--protocol", choices=["http", "ws"], default="http",
                        help="safetensors over HTTP, or upstream's WebSocket messages (FedAvg and server optimisers only)")
    parser.add_argument("--aggregator", choices=["native", "python"], default="native",
                        help="sedna-worker aggregate, or a script with AggregationServer")
    parser.add_argument("--plain-workers", action="store_true", help="bare processes instead of jobs of a home")
    parser.add_argument("--framework", choices=FRAMEWORKS, default="numpy",
                        help="what the clients train with; others than numpy as bare processes")
    parser.add_argument("--keep", action="store_true", help="leave the home and its jobs running")
    args = parser.parse_args()
    # SCAFFOLD corrects each gradient: the networks of numpy and PyTorch show how.
    corrected = ["SCAFFOLD"] if args.framework in ("numpy", "pytorch") else []
    args.algorithms = args.algorithms or ["FedAvg", *corrected, "FedAdam"]

    say(f"Splitting scikit-learn's digits among {args.clients} clients by Dirichlet({args.alpha:g}) (seed {args.seed})")
    labels = data.write(args.out, args.clients, args.alpha, args.seed)
    for i, own in enumerate(labels):
        counts = np.bincount(own, minlength=10)
        say(f"   client {i}: {len(own):>4} digits  " + " ".join(f"{d}×{c}" for d, c in enumerate(counts) if c))
    if not args.plain_workers and (missing := Home.missing()):
        say(f"\nThis machine cannot run a home as it is ({missing}): the workers run as bare processes.")
        args.plain_workers = True
    if args.framework != "numpy":
        args.plain_workers = True
        say(f"The clients train with {args.framework}, as bare processes")
    runs = []
    nodes = {"cloud0": "cloud", **dict.fromkeys(NODES, "edge")}
    running = Home.of(args.out / "home", HERE / "images.yaml", nodes, args.keep)
    with contextlib.nullcontext() if args.plain_workers else running as home:
        for algorithm in args.algorithms:
            say(f"{algorithm}: {args.clients} training workers, one aggregator ({args.aggregator}), {args.rounds} rounds of "
                f"{args.epochs} epochs")
            if home is None:
                runs.append(federate(args.out, algorithm, args.clients, args.rounds, args.epochs, args.seed,
                                     args.aggregator, args.protocol, args.framework))
            else:
                runs.append(federate_by_apply(home, args.out, algorithm, args.clients, args.rounds, args.epochs, args.seed,
                                              args.aggregator, args.protocol, args.keep))

    with np.load(args.out / "test.npz") as held_out:
        test = (held_out["x"], held_out["y"])
    epochs = args.rounds * args.epochs
    own_accuracy = [alone(args.out, f"client-{i}", epochs, args.seed, test) for i in range(args.clients)]
    together = alone(args.out, "all", epochs, args.seed, test)
    path = args.out / "federated.png"
    picture(runs, own_accuracy, together, args.alpha, path)
    ten = min(10, args.rounds)
    say(f"\n   {'accuracy':34}{f'{ten} rounds':>12}{f'{args.rounds} rounds':>12}{'seconds':>10}{'MB':>10}")
    for run in runs:
        say(f"   {run.algorithm:34}{run.accuracy[ten - 1]:>12.2%}{run.accuracy[-1]:>12.2%}{run.seconds:>10.2f}"
            f"{run.bytes / 1e6:>10.2f}")
    say(f"   {'each client alone, mean':34}{'':>12}{np.mean(own_accuracy):>12.2%}")
    say(f"   {'the best client alone':34}{'':>12}{max(own_accuracy):>12.2%}")
    say(f"   {'all data in one place':34}{'':>12}{together:>12.2%}")
    say(f"\npicture: {path}")
    for run in runs:
        say(f"RESULT federated algorithm={run.algorithm} rounds={len(run.accuracy)} accuracy={run.accuracy[-1]:.4f} "
            f"seconds={run.seconds:.2f} bytes={run.bytes}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
