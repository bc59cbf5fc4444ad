"""Aggregation rules: how the updates of one federated round become one model."""

from sedna.algorithms.aggregation import aggregation
from sedna.algorithms.aggregation.aggregation import AggClient, BaseAggregation, FedAvg, FedAvgV2, MistNet

__all__ = ["AggClient", "BaseAggregation", "FedAvg", "FedAvgV2", "MistNet", "aggregation"]
