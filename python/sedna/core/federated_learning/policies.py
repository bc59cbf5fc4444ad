"""What the algorithms ask of a client between two steps of its optimiser. The server says which one a job has.

An estimator takes part by accepting ``policy`` in its ``train``::

    def train(self, train_data, valid_data=None, policy=None):
        for batch in batches:
            gradients = self.gradients(batch)                       # one array per tensor of get_weights()
            gradients = policy.gradient(self.get_weights(), gradients, rate)
            ...                                                     # w -= rate * gradient
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Type

import numpy as np

__all__ = ("ClientPolicy", "FedDyn", "FedProx", "Scaffold", "SharedPart", "policy_of", "register_policy")


class ClientPolicy:
    """FedAvg's: gradients stay as they are; steps are counted (FedNova needs that).

    Lives as long as the job; ``begin`` and ``end`` frame a round.
    """

    #: Whether training without calling ``gradient`` would be another algorithm.
    needs_gradients = False

    def __init__(self, parameters: Optional[Mapping[str, float]] = None) -> None:
        self.parameters = dict(parameters or {})
        self.steps = 0

    def begin(self, weights: List[Any], extra: List[Any]) -> None:
        """A round begins with these weights; ``extra`` is what the server sends beside them."""
        self.steps = 0

    def gradient(self, weights: List[Any], gradients: List[Any], rate: float) -> List[Any]:
        """The gradients to step along, at ``weights``, by ``rate``."""
        self.steps += 1
        return gradients

    def end(self, weights: List[Any]) -> List[Any]:
        """Training has ended at ``weights``; what goes to the server beside them."""
        return []

    def state(self) -> Dict[str, Any]:
        """What must survive a restart of the worker."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up what ``state`` gave."""

    def save(self, path: Path) -> None:
        """Writes the state, whole or not at all."""
        state = self.state()
        if not state:
            return
        fresh = path.with_name(path.name + ".new.npz")
        np.savez(fresh, **state)
        fresh.replace(path)

    def load(self, path: Path) -> None:
        """Reads what ``save`` wrote, if there is any."""
        if path.exists():
            with np.load(path, allow_pickle=False) as state:
                self.restore(state)


class SharedPart(ClientPolicy):
    """A policy where some tensors are personal (FedBN, FedPer): it sees the others only, as the server does."""

    def __init__(self, inner: ClientPolicy, kept: Sequence[int]) -> None:
        super().__init__(inner.parameters)
        self.inner = inner
        self.needs_gradients = inner.needs_gradients
        self._kept = frozenset(kept)

    def _shared(self, tensors: List[Any]) -> List[Any]:
        return [tensor for i, tensor in enumerate(tensors) if i not in self._kept]

    def begin(self, weights: List[Any], extra: List[Any]) -> None:
        super().begin(weights, extra)
        self.inner.begin(self._shared(weights), extra)

    def gradient(self, weights: List[Any], gradients: List[Any], rate: float) -> List[Any]:
        super().gradient(weights, gradients, rate)
        shared = iter(self.inner.gradient(self._shared(weights), self._shared(gradients), rate))
        return [gradient if i in self._kept else next(shared) for i, gradient in enumerate(gradients)]

    def end(self, weights: List[Any]) -> List[Any]:
        return self.inner.end(self._shared(weights))

    def state(self) -> Dict[str, Any]:
        return self.inner.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self.inner.restore(state)


class FedNova(ClientPolicy):
    """Counts steps, nothing else: the server weighs by them."""

    needs_gradients = True


class FedProx(ClientPolicy):
    """Adds ``mu (w - w_global)``: the gradient of the proximal term (Li et al., MLSys 2020)."""

    needs_gradients = True

    def begin(self, weights: List[Any], extra: List[Any]) -> None:
        super().begin(weights, extra)
        self._start = [np.array(w) for w in weights]

    def gradient(self, weights: List[Any], gradients: List[Any], rate: float) -> List[Any]:
        super().gradient(weights, gradients, rate)
        mu = self.parameters.get("mu", 0.0)
        if mu == 0:
            return gradients
        return [g + mu * (w - x) for g, w, x in zip(gradients, weights, self._start)]


class Scaffold(ClientPolicy):
    """Steps along ``g - c_i + c``; afterwards ``c_i' = c_i - c + (x - y) / sum of rates`` (Karimireddy et al., ICML 2020,
    option II)."""

    needs_gradients = True

    def __init__(self, parameters: Optional[Mapping[str, float]] = None) -> None:
        super().__init__(parameters)
        self._own: List[Any] = []

    def begin(self, weights: List[Any], extra: List[Any]) -> None:
        super().begin(weights, extra)
        self._start = [np.array(w) for w in weights]
        if not self._own:
            self._own = [np.zeros_like(w) for w in self._start]
        self._server = [np.asarray(c) for c in extra] if extra else [np.zeros_like(w) for w in self._start]
        self._rates = 0.0

    def gradient(self, weights: List[Any], gradients: List[Any], rate: float) -> List[Any]:
        super().gradient(weights, gradients, rate)
        self._rates += rate
        return [g - own + server for g, own, server in zip(gradients, self._own, self._server)]

    def end(self, weights: List[Any]) -> List[Any]:
        if self._rates == 0:
            return [np.zeros_like(own) for own in self._own]
        change = [((x - np.asarray(y)) / self._rates - server).astype(x.dtype)
                  for x, y, server in zip(self._start, weights, self._server)]
        self._own = [own + d for own, d in zip(self._own, change)]
        return change

    def state(self) -> Dict[str, Any]:
        return {f"c{i}": c for i, c in enumerate(self._own)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._own = [np.array(state[f"c{i}"]) for i in range(len(list(state)))]


class FedDyn(ClientPolicy):
    """Steps along ``g - g_i + alpha (w - x)``; afterwards ``g_i' = g_i - alpha (y - x)`` (Acar et al., ICLR 2021)."""

    needs_gradients = True

    def __init__(self, parameters: Optional[Mapping[str, float]] = None) -> None:
        super().__init__(parameters)
        self._own: List[Any] = []

    def begin(self, weights: List[Any], extra: List[Any]) -> None:
        super().begin(weights, extra)
        self._start = [np.array(w) for w in weights]
        if not self._own:
            self._own = [np.zeros_like(w) for w in self._start]

    def gradient(self, weights: List[Any], gradients: List[Any], rate: float) -> List[Any]:
        super().gradient(weights, gradients, rate)
        alpha = self.parameters["alpha"]
        return [g - own + alpha * (w - x) for g, own, w, x in zip(gradients, self._own, weights, self._start)]

    def end(self, weights: List[Any]) -> List[Any]:
        alpha = self.parameters["alpha"]
        self._own = [own - alpha * (np.asarray(y) - x) for own, y, x in zip(self._own, weights, self._start)]
        return []

    def state(self) -> Dict[str, Any]:
        return {f"g{i}": g for i, g in enumerate(self._own)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._own = [np.array(state[f"g{i}"]) for i in range(len(list(state)))]


_POLICIES: Dict[str, Type[ClientPolicy]] = {
    "FedProx": FedProx, "SCAFFOLD": Scaffold, "FedNova": FedNova, "FedDyn": FedDyn,
}


def register_policy(algorithm: str) -> Callable[[Type[ClientPolicy]], Type[ClientPolicy]]:
    """A class decorator: the client's part of an algorithm of one's own."""

    def register(policy: Type[ClientPolicy]) -> Type[ClientPolicy]:
        _POLICIES[algorithm] = policy
        return policy

    return register


def policy_of(algorithm: str, parameters: Mapping[str, float]) -> ClientPolicy:
    """The client's part of an algorithm; FedAvg's where it has none of its own."""
    return _POLICIES.get(algorithm, ClientPolicy)(parameters)
