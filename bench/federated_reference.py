"""The federated algorithms once more, in numpy, straight from the papers' formulas and from nothing of Sedna's but the data:
what ``federated_digits`` (the engine) must agree with round by round, for the same partitions and the same order of batches.

One flat vector a model; no sockets, no states, no checks. Names and parameters are those of ``--algorithm``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Vector = np.ndarray
SHAPES = ((64, 64), (64,), (64, 10), (10,))


def parse(text: str) -> tuple[str, dict[str, float]]:
    """"FedAdam,tau=0.001" as a name and numbers."""
    name, *parts = text.split(",")
    return name, {key: float(value) for key, value in (part.split("=") for part in parts)}


def layers(w: Vector) -> list[np.ndarray]:
    """Views of the vector as W1, b1, W2, b2."""
    out, at = [], 0
    for shape in SHAPES:
        size = int(np.prod(shape))
        out.append(w[at:at + size].reshape(shape))
        at += size
    return out


def gradient(w: Vector, x: np.ndarray, y: np.ndarray) -> Vector:
    """Of the mean cross entropy of the softmax of a network with one hidden layer of ReLU."""
    w1, b1, w2, b2 = layers(w)
    z = x @ w1 + b1
    h = np.where(z > 0, z, 0)
    scores = h @ w2 + b2
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    delta = (p - np.eye(10)[y]) / len(y)
    hidden = np.where(z > 0, delta @ w2.T, 0)
    return np.concatenate([(x.T @ hidden).ravel(), hidden.sum(axis=0), (h.T @ delta).ravel(), delta.sum(axis=0)])


def accuracy(w: Vector, x: np.ndarray, y: np.ndarray) -> float:
    """Share of right answers."""
    w1, b1, w2, b2 = layers(w)
    return float(np.mean(np.argmax(np.maximum(x @ w1 + b1, 0) @ w2 + b2, axis=1) == y))


def batches(order: np.random.RandomState, count: int, size: int) -> list[np.ndarray]:
    """One epoch's batches."""
    shuffled = order.permutation(count)
    return [shuffled[i:i + size] for i in range(0, count, size)]


class Reference:
    """One job. ``clients[i]`` has ``x``, ``y`` and ``order``, the state that shuffles its batches."""

    def __init__(self, algorithm: str, initial: Vector, clients: list[Any], epochs: int = 5, rate: float = 0.1,
                 batch: int = 32) -> None:
        self.name, self.given = parse(algorithm)
        self.w = initial.copy()
        self.clients, self.epochs, self.rate, self.batch = clients, epochs, rate, batch
        self.shares = np.array([len(c.x) for c in clients], float)
        self.shares /= self.shares.sum()
        zeros = np.zeros_like(initial)
        self.own = [zeros.copy() for _ in clients]  # SCAFFOLD's c_i, FedDyn's g_i
        self.server = zeros.copy()  # SCAFFOLD's c, FedDyn's h
        self.m, self.v = zeros.copy(), None

    def value(self, key: str, default: float) -> float:
        """A parameter, or the guide's default."""
        return self.given.get(key, default)

    def round(self) -> Vector:
        """The next round's model."""
        trained = [self.train(i) for i in range(len(self.clients))]
        ys = [y for y, _ in trained]
        self.w = self.next(ys, np.array([steps for _, steps in trained], float))
        return self.w

    def train(self, i: int) -> tuple[Vector, int]:
        """Client i's weights, and how many steps it took."""
        client, x0, y, steps = self.clients[i], self.w, self.w.copy(), 0
        extra: Callable[[Vector], Vector | float] = {
            "FedProx": lambda y: self.value("mu", 0.1) * (y - x0),
            "SCAFFOLD": lambda y: self.server - self.own[i],
            "FedDyn": lambda y: self.value("alpha", 0.1) * (y - x0) - self.own[i],
        }.get(self.name, lambda y: 0.0)
        for _ in range(self.epochs):
            for b in batches(client.order, len(client.x), self.batch):
                y = y - self.rate * (gradient(y, client.x[b], client.y[b]) + extra(y))
                steps += 1
        if self.name == "FedDyn":
            self.own[i] = self.own[i] - self.value("alpha", 0.1) * (y - x0)
        if self.name == "SCAFFOLD":
            self.own[i] = self.own[i] - self.server + (x0 - y) / (steps * self.rate)
        return y, steps

    def next(self, ys: list[Vector], steps: np.ndarray) -> Vector:
        """What the server makes of the round."""
        x = self.w
        mean = sum(p * y for p, y in zip(self.shares, ys))
        if self.name == "SCAFFOLD":
            self.server = sum(self.own) / len(self.own)
            return mean
        if self.name == "FedNova":
            effective = float(self.shares @ steps)
            return x - effective * sum(p * (x - y) / t for p, y, t in zip(self.shares, ys, steps))
        if self.name == "FedDyn":
            alpha, plain = self.value("alpha", 0.1), sum(ys) / len(ys)
            self.server = self.server - alpha * (plain - x)
            return plain - self.server / alpha
        d = mean - x
        if self.name == "FedAvgM":
            self.m = self.value("momentum", 0.9) * self.m + d
            return x + self.value("learningRate", 0.3) * self.m
        if self.name in ("FedAdam", "FedYogi", "FedAdagrad"):
            return self.adaptive(x, d)
        return mean

    def adaptive(self, x: Vector, d: Vector) -> Vector:
        """Reddi et al., algorithm 2: v starts at tau squared."""
        tau = self.value("tau", 1e-3)
        beta1, beta2 = self.value("beta1", 0.0 if self.name == "FedAdagrad" else 0.9), self.value("beta2", 0.99)
        v = np.full_like(d, tau**2) if self.v is None else self.v
        self.m = beta1 * self.m + (1 - beta1) * d
        if self.name == "FedAdam":
            v = beta2 * v + (1 - beta2) * d**2
        elif self.name == "FedYogi":
            v = v - (1 - beta2) * d**2 * np.sign(v - d**2)
        else:
            v = v + d**2
        self.v = v
        return x + self.value("learningRate", 0.03) * self.m / (np.sqrt(v) + tau)
