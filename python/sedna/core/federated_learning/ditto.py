"""Ditto: beside the shared model w, each client trains a model v of its own that stays near it::

    min_v  F_i(v) + (lambda / 2) |v - w|^2,   v <- v - rate (gradient of F_i at v + lambda (v - w)),   v = w at first.

v never leaves the client; w is trained and averaged as ever, in any algorithm of the job. lambda = 0 is training alone; the
larger it is, the nearer v is to w. (Li et al., "Ditto: Fair and Robust Federated Learning Through Personalization",
ICML 2021, algorithm 1.)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Optional

import numpy as np

from sedna.core.federated_learning.policies import ClientPolicy

__all__ = ("Ditto",)


class _Near(ClientPolicy):
    """Adds ``lambda (v - w)``."""

    needs_gradients = True

    def __init__(self, strength: float, shared: List[Any]) -> None:
        super().__init__()
        self._strength = strength
        self._shared = shared

    def gradient(self, weights: List[Any], gradients: List[Any], rate: float) -> List[Any]:
        super().gradient(weights, gradients, rate)
        if self._strength == 0:
            return gradients
        return [g + self._strength * (v - w) for g, v, w in zip(gradients, weights, self._shared)]


class Ditto:
    """The personal model of one client.

    Args:
        strength: lambda.
        path: where it survives a restart; None: nowhere.
    """

    def __init__(self, strength: float, path: Optional[Path] = None) -> None:
        if not strength >= 0:
            raise ValueError(f"Ditto.lambda is {strength}; it must be 0 or more")
        self.strength = strength
        self.path = path
        self.weights: Optional[List[Any]] = None
        if path is not None and path.exists():
            with np.load(path, allow_pickle=False) as state:
                self.weights = [np.array(state[f"v{i}"]) for i in range(len(state.files))]

    @classmethod
    def parse(cls, text: str, path: Optional[Path] = None) -> Ditto:
        """From "Ditto" or "Ditto,lambda=0.5". ValueError names what is wrong."""
        strength = 0.1
        for part in text.split(",")[1:]:
            key, _, value = part.partition("=")
            if key.strip() != "lambda":
                raise ValueError(f"Ditto.{key.strip()}: is unknown; there is lambda")
            try:
                strength = float(value)
            except ValueError:
                raise ValueError(f"Ditto.lambda is {value!r}; it must be a number") from None
        return cls(strength, path)

    def begin(self, shared: List[Any]) -> List[Any]:
        """The personal model; the shared one until it has been trained for the first time."""
        if self.weights is None:
            self.weights = [np.array(w) for w in shared]
        if [w.shape for w in self.weights] != [np.shape(w) for w in shared]:
            raise ValueError(f"{self.path or 'Ditto'} holds a personal model of other shapes")
        return [w.copy() for w in self.weights]

    def policy(self, shared: List[Any]) -> ClientPolicy:
        """What training the personal model steps along."""
        return _Near(self.strength, [np.array(w) for w in shared])

    def keep(self, weights: List[Any]) -> None:
        """Takes what was trained, into the file as well: whole or not at all."""
        self.weights = [np.array(w) for w in weights]
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(self.path.name + ".new.npz")
        np.savez(fresh, **{f"v{i}": w for i, w in enumerate(self.weights)})
        fresh.replace(self.path)
