"""Servers of the data plane, as scripts import them."""

from sedna.service.server.aggregation import AggregationServer, AggregationServerV2
from sedna.service.server.inference import InferenceServer

__all__ = ["AggregationServer", "AggregationServerV2", "InferenceServer"]
