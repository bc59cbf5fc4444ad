"""Servers of the data plane, as scripts import them."""

from __future__ import annotations

from typing import Any

from sedna._absent import missing
from sedna.service.server.aggregation import AggregationServer
from sedna.service.server.inference import InferenceServer

__all__ = ["AggregationServer", "InferenceServer"]

_ABSENT = {"AggregationServerV2": "federated learning's second interface"}


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        raise missing(f"sedna.service.server.{name}", _ABSENT[name])
    raise AttributeError(f"module 'sedna.service.server' has no attribute {name!r}")
