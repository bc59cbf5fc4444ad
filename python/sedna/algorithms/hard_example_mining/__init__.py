"""Hard-example filters: which samples the small model at the edge should not decide alone."""

from sedna.algorithms.hard_example_mining import hard_example_mining
from sedna.algorithms.hard_example_mining.hard_example_mining import (
    BaseFilter,
    BertRouterFilter,
    CloudOnlyFilter,
    CrossEntropyFilter,
    EdgeOnlyFilter,
    EntropyFilter,
    IBTFilter,
    MarginFilter,
    MSPFilter,
    RandomFilter,
    TemperatureMSPFilter,
    ThresholdFilter,
)

__all__ = [
    "BaseFilter",
    "BertRouterFilter",
    "CloudOnlyFilter",
    "CrossEntropyFilter",
    "EdgeOnlyFilter",
    "EntropyFilter",
    "IBTFilter",
    "MSPFilter",
    "MarginFilter",
    "RandomFilter",
    "TemperatureMSPFilter",
    "ThresholdFilter",
    "hard_example_mining",
]
