"""The engine against numpy, number by number: whole jobs on real digits beside programs written from the papers' formulas, and
the robust rules beside their definitions. Real aggregator, real connections; ``bench/federated_digits.py`` drives the clients.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from programs import ROOT

pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
sys.path.append(str(ROOT / "bench"))
import federated_digits as digits
from federated_reference import Reference, accuracy, gradient

ALGORITHMS = ["FedAvg", "FedProx", "FedProx,mu=1", "SCAFFOLD", "FedNova", "FedAvgM", "FedAdam", "FedYogi", "FedAdagrad", "FedDyn"]


def flat(weights: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(w).ravel() for w in weights])


def reference(split: digits.Split, algorithm: str, **recipe: Any) -> Reference:
    """The same job, from the same weights, with batches in the same order."""
    clients = [SimpleNamespace(x=c.x, y=c.y, order=digits.network(split, i).shuffle) for i, c in enumerate(split.clients)]
    return Reference(algorithm, flat(digits.network(split, 0).get_weights()), clients, **recipe)


@pytest.fixture(scope="module")
def uneven() -> digits.Split:
    return digits.split(0.1, 0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
# FL-16.11
def test_every_algorithm_is_its_formula_round_by_round(uneven: digits.Split, algorithm: str) -> None:
    job = digits.run(uneven, 5, "--algorithm", algorithm, keep=True)
    by_hand = reference(uneven, algorithm)
    for number, (model, seen) in enumerate(zip(job.models, job.accuracy), 1):
        expected = by_hand.round()
        assert np.abs(flat(model) - expected).max() < 1e-9, f"round {number}"
        assert seen == accuracy(expected, uneven.test_x, uneven.test_y), f"round {number}"


# FL-16.1
def test_full_batches_and_one_epoch_are_gradient_descent(uneven: digits.Split) -> None:
    job = digits.run(uneven, 20, epochs=1, full_batch=True, keep=True)
    w = flat(digits.network(uneven, 0).get_weights())
    x = np.concatenate([c.x for c in uneven.clients])
    y = np.concatenate([c.y for c in uneven.clients])
    for model in job.models:
        w = w - 0.1 * gradient(w, x, y)
        assert np.abs(flat(model) - w).max() < 1e-14


# FL-16.2, FL-16.3
def test_what_must_be_fedavg_is_fedavg_bit_for_bit(uneven: digits.Split) -> None:
    fedavg = digits.run(uneven, 3, keep=True).models
    prox = digits.run(uneven, 3, "--algorithm", "FedProx,mu=0", keep=True).models
    assert [flat(m).tobytes() for m in prox] == [flat(m).tobytes() for m in fedavg]
    first = digits.run(uneven, 1, "--algorithm", "SCAFFOLD", keep=True).models
    assert flat(first[0]).tobytes() == flat(fedavg[0]).tobytes()


def combined(updates: list[np.ndarray], *flags: str) -> np.ndarray:
    """One round of clients that send these vectors, in another order than their names'."""
    from sedna._native import native

    with digits.aggregator(len(updates), 1, *flags) as port:
        nodes = [native.FederatedHttpClient({"AGG_IP": "127.0.0.1", "AGG_PORT": str(port), "AGG_PROTOCOL": "http",
                                             "WORKER_NAME": f"c{i}", "CONNECT_TIMEOUT": "20"}, "FedAvg")
                 for i in range(len(updates))]
        try:
            for node in nodes:
                node.connect()
            for node, update in reversed(list(zip(nodes, updates))):
                assert node.next(20)["weights"] is None
                node.submit(7, [update], [], 0, {})
            ends = [node.next(20) for node in nodes]
            assert all(end["finished"] and not node.refusal() for end, node in zip(ends, nodes))
        finally:
            for node in nodes:
                node.close()
    return np.array(ends[0]["weights"][0])


def krum_order(updates: np.ndarray, f: int) -> np.ndarray:
    """Blanchard et al.: by the sum of squared distances to the n - f - 2 nearest others, the best first."""
    squares = ((updates[:, None] - updates[None]) ** 2).sum(axis=2)
    np.fill_diagonal(squares, np.inf)
    scores = np.sort(squares, axis=1)[:, :len(updates) - f - 2].sum(axis=1)
    return np.argsort(scores, kind="stable")


def trimmed(updates: np.ndarray, b: int) -> np.ndarray:
    return np.sort(updates, axis=0)[b:len(updates) - b].mean(axis=0)


@pytest.mark.parametrize("count", [9, 10])
@pytest.mark.parametrize("kind", ["random", "ties"])
# FL-16.9
def test_robust_rules_are_their_definitions(count: int, kind: str) -> None:
    random = np.random.RandomState(count)
    updates = random.randn(count, 501)
    if kind == "ties":
        updates = np.round(2 * updates) / 2  # most coordinates have equal values, across the cut and in the middle
        updates[4] = updates[5]  # and two updates are the same
    sent = list(updates)
    assert np.array_equal(combined(sent, "--robust", "Median"), np.median(updates, axis=0))
    for b in (1, 2, 4):
        assert np.abs(combined(sent, "--robust", f"TrimmedMean,b={b}") - trimmed(updates, b)).max() < 1e-14
    best = krum_order(updates, 2)
    assert np.array_equal(combined(sent, "--robust", "Krum,f=2"), updates[best[0]])
    assert np.abs(combined(sent, "--robust", "MultiKrum,f=2") - updates[best[:count - 2]].mean(axis=0)).max() < 1e-14


# FL-16.8
def test_strict_sums_are_the_same_bits_whoever_comes_first(uneven: digits.Split) -> None:
    random = np.random.RandomState(3)
    updates = [np.ldexp(random.randn(40_000), -2) for _ in range(8)]
    models = {combined([updates[i] for i in order], "--strict", "true").tobytes()
              for order in (range(8), range(7, -1, -1), random.permutation(8))}
    assert len(models) == 1
