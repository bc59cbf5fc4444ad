"""The aggregation worker of a FederatedLearningJob, as a user of upstream's library writes it."""

from __future__ import annotations

from sedna.common.config import Context
from sedna.service.server import AggregationServer

if __name__ == "__main__":
    AggregationServer(
        aggregation="FedAvg",
        exit_round=int(Context.get_parameters("exit_round", 3)),
        participants_count=int(Context.get_parameters("PARTICIPANTS_COUNT", 1)),
    ).start()
