"""A federated job on scikit-learn's digits whose every number is decided by a seed: a real aggregator (``sedna-worker
aggregate``) over loopback, and its clients, on the package's own HTTP client and policies, one after another in this process.

So a job of 50 rounds takes a second or two and its result can be held against recorded tables (``convergence.py``) or, round
by round, against a plain numpy program (``python/tests/test_federated_reference.py``).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT / "examples" / "federated_digits", ROOT / "python"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

import data  # noqa: E402 (the example's: how the digits are split)
from model import Network  # noqa: E402 (the example's: 64-64-10 in numpy)

BIN = Path(os.environ.get("SEDNA_BENCH_BIN", os.environ.get("SEDNA_BIN", ROOT / "build" / "bin")))
PATIENCE = 60.0  # seconds for one client's turn; nothing here takes a hundredth of it

Arrays = list[np.ndarray]
#: What a hostile client sends: (client, round, the round's model, what it has trained).
Attack = Callable[[int, int, Arrays, Arrays], Arrays]


@dataclass
class Split:
    """The digits of one seed: each client's, and the test set. ``clients[i]`` has ``x`` and ``y``."""

    clients: list[Any]
    test_x: np.ndarray
    test_y: np.ndarray
    seed: int


@dataclass
class Holder:
    """One client's digits, as an estimator's ``train`` takes them."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


@dataclass
class Job:
    """How a job went: the test accuracy of each round's model and, where asked for, the models."""

    accuracy: list[float] = field(default_factory=list)
    models: list[Arrays] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


def split(alpha: float, seed: int, clients: int = 10) -> Split:
    """The digits by Dirichlet(alpha), drawn from the one stream of the seed: first the test set, then the split, again until
    nobody has fewer than ten. (The recorded tables' recipe does not say in which order it draws; of nine that were tried this
    one has the recorded spread as well as the means.)"""
    x, y, test_x, test_y = data.digits(seed)
    random = np.random.RandomState(seed)
    random.permutation(len(x) + len(test_x))  # what digits() has drawn
    parts = data.draw_parts(y, clients, alpha, random)
    return Split([Holder(x[part], y[part]) for part in parts], test_x, test_y, seed)


def network(digits: Split, client: int) -> Network:
    """Everybody begins with the same weights; each client shuffles in an order of its own."""
    made = Network(digits.seed)
    made.shuffle = np.random.RandomState(1000 * (digits.seed + 1) + client)
    return made


@contextlib.contextmanager
def aggregator(participants: int, rounds: int, *flags: str) -> Iterator[int]:
    """``sedna-worker aggregate`` on a port of its own, while the block runs. RuntimeError when it failed the job."""
    command = [str(BIN / "sedna-worker"), "aggregate", "--port", "0", "--participants", str(participants), "--rounds",
               str(rounds), *flags]
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "LC_SERVER": ""}) as process:
        assert process.stdout is not None
        try:
            port = next((int(m[1]) for line in process.stdout if (m := re.match(r"READY \S+?:(\d+)/", line))), 0)
            if port == 0:
                log.seek(0)
                raise RuntimeError(f"{' '.join(command)}: {log.read()[-800:]}")
            drain = threading.Thread(target=process.stdout.read, daemon=True)  # ROUND lines must not fill the pipe
            drain.start()
            yield port
            status = process.wait(PATIENCE)
            drain.join()
            if status != 0:
                log.seek(0)
                raise RuntimeError(f"the aggregator ended with {status}: {log.read()[-800:]}")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


class Client:
    """One participant: the package's connection and policy around the example's network."""

    def __init__(self, port: int, digits: Split, index: int) -> None:
        from sedna._native import native

        self.index, self.holder, self.net = index, digits.clients[index], network(digits, index)
        self.node = native.FederatedHttpClient(
            {"AGG_IP": "127.0.0.1", "AGG_PORT": str(port), "AGG_PROTOCOL": "http", "WORKER_NAME": f"client-{index}",
             "CONNECT_TIMEOUT": "20"}, "FedAvg")
        self.policy: Any = None
        self.node.connect()

    def wait(self, refusals: list[str]) -> Any:
        """What to do next; why an update was refused meanwhile goes to ``refusals``."""
        for _ in range(int(PATIENCE / 0.2)):
            task = self.node.next(0.2)
            if refusal := self.node.refusal():
                refusals.append(f"{self.index}: {refusal}")
            if task is not None:
                return task
        raise RuntimeError(f"client {self.index} has waited for {PATIENCE:.0f} s")

    def train(self, task: Any, epochs: int, full_batch: bool, attack: Attack | None) -> None:
        """Trains from the task's model and sends."""
        from sedna.core.federated_learning.policies import policy_of

        if self.policy is None:
            self.policy = policy_of(task["algorithm"], task["parameters"])
        if task["weights"] is not None:
            self.net.set_weights(task["weights"])
        start = [w.copy() for w in self.net.get_weights()]
        self.policy.begin(start, task["extra"] or [])
        self.net.train(self.holder, epochs=epochs, policy=self.policy,
                       batch_size=len(self.holder) if full_batch else 32)
        weights = self.net.get_weights()
        extra = self.policy.end(weights)
        if attack is not None:
            weights = attack(self.index, int(task["round"]), start, weights)
        self.node.submit(len(self.holder), weights, extra, self.policy.steps, {})


def run(digits: Split, rounds: int, *flags: str, epochs: int = 5, full_batch: bool = False, attack: Attack | None = None,
        keep: bool = False) -> Job:
    """One job; ``flags`` are the aggregator's. Weights are float64 from end to end."""
    job = Job()
    judge = network(digits, 0)
    with aggregator(len(digits.clients), rounds, *flags) as port:
        clients: list[Client] = []
        try:
            clients.extend(Client(port, digits, i) for i in range(len(digits.clients)))
            for client in clients:
                if client.node.wants_initial:
                    client.node.offer_initial(client.net.get_weights())
            tasks = [client.wait(job.refusals) for client in clients]
            while not tasks[0]["finished"]:
                for client, task in zip(clients, tasks):
                    client.train(task, epochs, full_batch, attack)
                tasks = [client.wait(job.refusals) for client in clients]
                judge.set_weights(tasks[0]["weights"])
                job.accuracy.append(judge.accuracy(digits.test_x, digits.test_y))
                if keep:
                    job.models.append([np.array(w) for w in tasks[0]["weights"]])
        finally:
            for client in clients:
                client.node.close()
    if len(job.accuracy) != rounds:
        raise RuntimeError(f"{len(job.accuracy)} of {rounds} rounds were seen")
    return job
