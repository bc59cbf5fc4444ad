"""MistNet on real handwritten digits, as bare processes: a server and four clients, once for each strength of noise.

    build/venv/bin/python examples/federated_mistnet/demo.py

A client's digits never leave it; what does is the sign of 256 features of each, every one of them flipped with the
probability that epsilon says, and the digit's label. Ends in a table and RESULT lines.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NOISES = [("none", "1"), ("symmetric", "100"), ("symmetric", "4"), ("symmetric", "2"), ("symmetric", "1")]
SECONDS = 120


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def split(folder: Path, clients: int) -> int:
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    x, y = (digits.data[order] / 16).astype("float32"), digits.target[order]
    np.savez(folder / "test.npz", x=x[:360], y=y[:360])
    for i, rows in enumerate(np.array_split(np.arange(360, len(y)), clients)):
        np.savez(folder / f"train-{i}.npz", x=x[rows], y=y[rows])
    return len(y) - 360


def wait_for(port: int, server: subprocess.Popen[str]) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("the server did not start: " + (server.communicate()[0] if server.poll() is not None else "no answer"))


def federate(folder: Path, clients: int, noise: str, epsilon: str) -> dict[str, float]:
    port = free_port()
    env = {
        **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(ROOT / "python")])),
        "AGG_BIND_IP": "127.0.0.1", "AGG_BIND_PORT": str(port), "AGG_IP": "127.0.0.1", "AGG_PORT": str(port),
        "PARTICIPANTS_COUNT": str(clients), "EPSILON": epsilon, "NOISE": noise, "LC_SERVER": "", "LOG_LEVEL": "INFO",
        "TEST_DATASET_URL": str(folder / "test.npz"), "BACKEND_TYPE": "SKLEARN", "JOB_NAME": "mistnet",
    }
    began = time.monotonic()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    server = subprocess.Popen([sys.executable, str(HERE / "aggregate.py")],
                              env={**env, "WORKER_NAME": "server", "MODEL_URL": str(folder / "server")}, **pipes)
    started = [server]
    try:
        wait_for(port, server)
        for i in range(clients):
            own = {"WORKER_NAME": f"client-{i}", "TRAIN_DATASET_URL": str(folder / f"train-{i}.npz"),
                   "MODEL_URL": str(folder / f"client-{i}"), "MODEL_NAME": "model"}
            started.append(subprocess.Popen([sys.executable, str(HERE / "train.py")], env={**env, **own}, **pipes))
        outputs = [process.communicate(timeout=SECONDS)[0] for process in started]
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
    for process, output in zip(started, outputs):
        if process.returncode != 0:
            sys.exit(f"a process ended with {process.returncode}:\n{output}")
    row = json.loads(re.search(r"^TRAINED (.*)$", outputs[0], re.M).group(1))
    said = re.search(r"epsilon (\S+) a feature, (\S+) a sample", outputs[1])
    row["epsilon_feature"], row["epsilon_sample"] = float(said.group(1)), float(said.group(2))
    row["seconds"] = time.monotonic() - began
    return row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--noises", nargs="*", default=[f"{n}:{e}" for n, e in NOISES], metavar="NOISE:EPSILON")
    args = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory(prefix="sedna-mistnet-") as name:
        folder = Path(name)
        samples = split(folder, args.clients)
        print(f"{samples} digits on {args.clients} clients, 256 features of each, 360 digits to test with\n")
        print("   noise       epsilon   a feature   a sample   accuracy   seconds")
        for given in args.noises:
            noise, _, epsilon = given.partition(":")
            row = federate(folder, args.clients, noise, epsilon or "1")
            shown = "-" if noise == "none" else epsilon
            print(f"   {noise:<10} {shown:>8} {row['epsilon_feature']:>11.4g} {row['epsilon_sample']:>10.5g}"
                  f" {row['accuracy']:>9.2%} {row['seconds']:>9.2f}", flush=True)
            lines.append(f"RESULT mistnet noise={noise} epsilon={shown} epsilon_sample={row['epsilon_sample']:.6g} "
                         f"samples={row['samples']:.0f} accuracy={row['accuracy']:.4f} seconds={row['seconds']:.2f}")
    print()
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
