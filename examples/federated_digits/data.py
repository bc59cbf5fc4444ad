"""The digits, split the way federated data is: most clients know few classes, and hold unequal amounts."""

from __future__ import annotations

from pathlib import Path

import numpy as np

TEST_SAMPLES = 360
FEWEST = 10


def digits(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """scikit-learn's digits, scaled to 0 … 1: training x and y, test x and y."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(seed).permutation(len(x))
    x, y = x[order] / 16.0, y[order]
    return x[TEST_SAMPLES:], y[TEST_SAMPLES:], x[:TEST_SAMPLES], y[:TEST_SAMPLES]


def dirichlet_parts(y: np.ndarray, clients: int, alpha: float, seed: int) -> list[np.ndarray]:
    """Which samples each client holds: every class is shared out by its own Dirichlet(alpha) draw, again until no client
    is left with fewer than ten."""
    return [np.array(sorted(part)) for part in draw_parts(y, clients, alpha, np.random.RandomState(seed))]


def draw_parts(y: np.ndarray, clients: int, alpha: float, random: np.random.RandomState) -> list[list[int]]:
    """The same from a stream that has been drawn from already, in the order in which they are drawn."""
    while True:
        parts: list[list[int]] = [[] for _ in range(clients)]
        for digit in range(10):
            members = random.permutation(np.flatnonzero(y == digit))
            cuts = (np.cumsum(random.dirichlet([alpha] * clients))[:-1] * len(members)).astype(int)
            for part, piece in zip(parts, np.split(members, cuts)):
                part.extend(piece.tolist())
        if min(len(part) for part in parts) >= FEWEST:
            return parts


def write(folder: Path, clients: int, alpha: float, seed: int) -> list[np.ndarray]:
    """A file a client and one for the test set; returns the labels that each client holds."""
    x, y, test_x, test_y = digits(seed)
    parts = dirichlet_parts(y, clients, alpha, seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i, part in enumerate(parts):
        np.savez(folder / f"client-{i}.npz", x=x[part], y=y[part])
    np.savez(folder / "all.npz", x=x, y=y)
    np.savez(folder / "test.npz", x=test_x, y=test_y)
    return [y[part] for part in parts]
