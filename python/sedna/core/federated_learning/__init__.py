"""Federated learning: training where the data is; only weights travel."""

from sedna.core.federated_learning.federated_learning import FederatedLearning, FederatedLearningV2

__all__ = ("FederatedLearning", "FederatedLearningV2")
