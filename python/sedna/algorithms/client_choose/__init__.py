"""Which clients take part in a round of federated learning's second interface."""

from sedna.algorithms.client_choose.client_choose import SimpleClientChoose

__all__ = ["SimpleClientChoose"]
