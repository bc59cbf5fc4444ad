"""Preset algorithms, registered in ClassFactory by import."""

from sedna.algorithms import hard_example_mining

__all__ = ["hard_example_mining"]
