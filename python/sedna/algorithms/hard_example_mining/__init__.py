"""Hard-example filters: which samples the small model at the edge should not decide alone."""

from sedna.algorithms.hard_example_mining import hard_example_mining
from sedna.algorithms.hard_example_mining.hard_example_mining import *  # noqa: F403
from sedna.algorithms.hard_example_mining.hard_example_mining import __all__ as _names

__all__ = ["hard_example_mining", *_names]
