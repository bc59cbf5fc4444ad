"""One client: trains on its own digits. What is Sedna here is what any script for upstream's library would have.

``NETWORK`` says in which framework: ``model`` (numpy, the default), ``pytorch_model``, ``keras_model``, ``paddle_model``,
``mindspore_model`` or ``sklearn_model``.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from types import SimpleNamespace

import numpy as np

from sedna.core.federated_learning import FederatedLearning


Network = importlib.import_module(os.environ.get("NETWORK", "model")).Network


class Data(SimpleNamespace):
    def __len__(self):
        return len(self.x)


def read(path):
    with np.load(path) as data:
        return Data(x=data["x"], y=data["y"])


class Watched(Network):
    """Says how good each round's model is; only one client has the test set."""

    def __init__(self, test, seed):
        super().__init__(seed)
        self.test, self.rounds = test, 0

    def save(self, path):  # called with each round's model
        super().save(path)
        self.rounds += 1
        line = {"round": self.rounds, "accuracy": self.accuracy(self.test.x, self.test.y)}
        print("ACCURACY", json.dumps(line), flush=True)


def main():
    seed = int(os.environ.get("SEED", "0"))
    test = os.environ.get("TEST_SET")
    network = Watched(read(test), seed) if test else Network(seed)
    job = FederatedLearning(estimator=network, aggregation="digits")
    # The GlobalManager says TRAIN_DATASET_URL; whoever starts the process by hand may say it in another word.
    job.train(read(os.environ.get("TRAIN_SET") or os.environ["TRAIN_DATASET_URL"]), epochs=int(os.environ.get("EPOCHS", "5")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
