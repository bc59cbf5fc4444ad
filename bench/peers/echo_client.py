"""The same on ``sedna``: a client over HTTP that sends back what it got.

echo_client.py PORT NAME PARAMETERS
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
from sedna.core.federated_learning import FederatedLearning


class Echo:
    def __init__(self, parameters: int) -> None:
        self.w = [np.zeros(parameters, np.float32)]

    def train(self, train_data, valid_data=None):
        """Nothing: the round is what is measured."""

    def get_weights(self):
        return self.w

    def set_weights(self, weights):
        self.w = weights

    def save(self, path):
        """Nor is a model of 100 MB written by each client, for Flower's write none."""


if __name__ == "__main__":
    os.environ.update({"AGG_PORT": sys.argv[1], "WORKER_NAME": sys.argv[2], "AGG_PROTOCOL": "http", "LC_SERVER": "",
                       "BACKEND_TYPE": "SKLEARN", "LOG_LEVEL": "WARNING"})
    FederatedLearning(Echo(int(sys.argv[3])), aggregation="FedAvg").train([0] * 10)
