"""Reads the compact vector files under tests/compat/vectors: what upstream's package answered, call by call.

A row is ``{"call", "args", "kwargs", "result" | "error": type name}``. ``{"$": kind, "v": …}`` encodes what JSON lacks.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Dict, List

import numpy as np

import sedna

ROOT = Path(__file__).resolve().parents[2]
# Where the package under test is, for the processes that tests start: the checkout's, or one that is installed.
PACKAGE = Path(sedna.__file__).resolve().parents[1]
VECTORS = ROOT / "tests" / "compat" / "vectors"


def rows(name: str) -> List[Dict[str, Any]]:
    """The rows of one file, values decoded."""
    data = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return [
        {
            "call": row["call"],
            "args": decode(row.get("args", [])),
            "kwargs": decode(row.get("kwargs", {})),
            "error": row.get("error"),
            "result": decode(row.get("result")),
        }
        for row in data["vectors"]
    ]


def decode(value: Any) -> Any:
    """Python values of an encoded one."""
    if isinstance(value, list):
        return [decode(v) for v in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    if kind is None:
        return {k: decode(v) for k, v in value.items()}
    if kind == "tuple":
        return tuple(decode(v) for v in value["v"])
    if kind == "float":
        return float(value["v"])
    if kind == "bytes":
        return bytes.fromhex(value["v"])
    if kind == "dict":
        return {_key(decode(k)): decode(v) for k, v in value["v"]}
    if kind == "ndarray":
        return Array(value)
    if kind.startswith("numpy."):
        return np.dtype(kind[6:]).type(value["v"])
    return Encoded(value)


class Encoded(Dict[str, Any]):
    """A kind that the test itself understands (class, object, DataFrame, Series)."""


class Array:
    """A recorded numpy array; equal when dtype, shape and values are."""

    def __init__(self, value: Dict[str, Any]) -> None:
        self.dtype = value["dtype"]
        self.shape = tuple(value["shape"])
        self.values = decode(value["v"])

    def numpy(self) -> Any:
        """As an array."""
        return np.array(self.values, dtype=self.dtype).reshape(self.shape)

    def same(self, actual: Any) -> bool:
        """Whether an array is this one."""
        if not isinstance(actual, np.ndarray) or actual.shape != self.shape:
            return False
        if np.dtype(self.dtype) != actual.dtype:
            return False
        return equal(self.values, actual.tolist())


def equal(expected: Any, actual: Any) -> bool:
    """Equality in which NaN is NaN, and arrays compare by dtype and shape too."""
    if isinstance(expected, Array):
        return expected.same(actual)
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(equal(v, actual[k]) for k, v in expected.items())
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        return len(expected) == len(actual) and all(equal(a, b) for a, b in zip(expected, actual))
    if isinstance(expected, float) and isinstance(actual, float) and math.isnan(expected):
        return math.isnan(actual)
    return bool(expected == actual)


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
