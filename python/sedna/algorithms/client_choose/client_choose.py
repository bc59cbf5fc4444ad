"""Upstream's client choosers; they say how many, ``AggregationServerV2`` chooses."""

from __future__ import annotations

from typing import Any, Dict

__all__ = ("AbstractClientChoose", "SimpleClientChoose")


class AbstractClientChoose:
    """What a chooser has: ``parameters``."""

    def __init__(self) -> None:
        self.parameters: Dict[str, Any] = {}


class SimpleClientChoose(AbstractClientChoose):
    """So many clients a round, at random among those who are there."""

    def __init__(self, per_round: Any = 1) -> None:
        super().__init__()
        self.per_round = per_round
        self.parameters["per_round"] = per_round
