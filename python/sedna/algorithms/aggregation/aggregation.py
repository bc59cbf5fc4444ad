"""The rules of upstream's package, and the base of one's own.

A rule of one's own is a class with ``aggregate(clients)``, registered by name::

    @ClassFactory.register(ClassType.FL_AGG, alias="Median")
    class Median(BaseAggregation):
        def aggregate(self, clients):
            self.total_size = sum(c.num_samples for c in clients)
            return [np.median([c.weights[i] for c in clients], axis=0) for i in range(len(clients[0].weights))]

``AggregationServer(aggregation="Median")`` then runs it; FedAvg itself runs in the core, streaming, and this class's
``aggregate`` is there for who calls it.
"""

from __future__ import annotations

import abc
import copy
from typing import Any, Dict, List, Optional

from sedna.common.class_factory import ClassFactory, ClassType

__all__ = ("AggClient", "BaseAggregation", "FedAvg", "FedAvgV2", "MistNet")


class AggClient:
    """One client's update: ``num_samples`` and ``weights`` (a list of arrays, layer by layer)."""

    num_samples: int
    weights: List[Any]


class BaseAggregation(metaclass=abc.ABCMeta):
    """What a rule has: ``aggregate``, and what it leaves behind."""

    def __init__(self) -> None:
        self.total_size: Any = 0
        self.weights: Optional[List[Any]] = None

    @abc.abstractmethod
    def aggregate(self, clients: List[AggClient]) -> Any:
        """The round's weights; sets ``total_size``."""


@ClassFactory.register(ClassType.FL_AGG)
class FedAvg(BaseAggregation, abc.ABC):
    """The mean of the clients' weights by their samples (McMahan et al., 2017)."""

    def aggregate(self, clients: List[AggClient]) -> Any:
        """Layer by layer ``sum(w * n / N)``, in order of the clients, as nested lists; the last result without clients."""
        import numpy as np

        if not len(clients):
            return self.weights
        self.total_size = sum(c.num_samples for c in clients)
        layers = []
        with np.errstate(divide="ignore", invalid="ignore"):
            sums = [np.zeros(np.array(w).shape) for w in next(iter(clients)).weights]
            for index, total in enumerate(sums):
                for client in clients:
                    total += np.array(client.weights[index]) * client.num_samples / self.total_size
                layers.append(total.tolist())
        self.weights = copy.deepcopy(layers)
        return layers


@ClassFactory.register(ClassType.FL_AGG)
class MistNet(BaseAggregation, abc.ABC):
    """MistNet, for the second federated interface: clients send noised features, the server trains the rest.

    Args:
        cut_layer: the last layer that clients compute, by index or name.
        epsilon: the noise's parameter; None: no noise, features as they are.
        noise: ``"symmetric"`` or ``"optimised"`` (each feature's sign, by those unary encodings), ``"laplace"``, ``"none"``.
        per: what ``epsilon`` is of: ``"value"`` (the encoding's own, as upstream reads it) or ``"sample"``: all features
            of a sample together.
        clip: Laplace: features are cut to [-clip, clip].

    It aggregates nothing by itself; what the noise is worth is said in ``docs/federated-learning.md``.
    """

    def __init__(
        self, cut_layer: Any, epsilon: Any = 100, *, noise: str = "symmetric", per: str = "value", clip: float = 1.0
    ) -> None:
        super().__init__()
        if noise not in ("symmetric", "optimised", "laplace", "none"):
            raise ValueError(f"noise: is {noise!r}; there are symmetric, optimised, laplace and none")
        if per not in ("value", "sample"):
            raise ValueError(f"per: is {per!r}; it must be 'value' or 'sample'")
        self.noise = noise
        self.per = per
        self.clip = clip
        self.cut_layer = cut_layer
        self.epsilon = epsilon
        self.parameters: Dict[str, Any] = {
            "type": "mistnet", "cut_layer": _whole_number(cut_layer), "epsilon": _whole_number(epsilon),
        }

    def aggregate(self, clients: List[AggClient]) -> Any:
        """Nothing, as upstream's."""


@ClassFactory.register(ClassType.FL_AGG)
class FedAvgV2(BaseAggregation, abc.ABC):
    """FedAvg's parameters, for the second federated interface. It aggregates nothing by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters: Dict[str, Any] = {"type": "fedavg"}

    def aggregate(self, clients: List[AggClient]) -> Any:
        """Nothing, as upstream's."""


def _whole_number(value: Any) -> Any:
    """Parameters come as text from a resource: digits are a number."""
    return int(value) if isinstance(value, str) and value.isdigit() else value
