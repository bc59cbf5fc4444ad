"""Preset algorithms, registered in ClassFactory by import."""

from sedna.algorithms import aggregation, hard_example_mining

__all__ = ["aggregation", "hard_example_mining"]
