"""Federated learning: training where the data is; only weights travel."""

from sedna.core.federated_learning.federated_learning import FederatedLearning

__all__ = ("FederatedLearning",)


def __getattr__(name: str) -> object:
    if name == "FederatedLearningV2":
        from sedna._absent import missing

        raise missing("sedna.core.federated_learning.FederatedLearningV2", "federated learning's second interface (plato)")
    raise AttributeError(f"module 'sedna.core.federated_learning' has no attribute {name!r}")
