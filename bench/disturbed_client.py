"""One client of ``disturbed.py``: says READY when it has joined, begins at a line on its input, and takes as long as a device
that needs DEVICE_SECONDS for a round's training. The one with TEST_SET says how good each round's model is, and when."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "federated_digits"))
from model import Network
from train import read

from sedna.core.federated_learning import FederatedLearning


class Device(Network):
    """Trains no faster than it may."""

    def __init__(self) -> None:
        super().__init__(0)
        self.test = read(os.environ["TEST_SET"]) if os.environ.get("TEST_SET") else None
        self.begun = False

    def train(self, train_data, valid_data=None, policy=None):
        self.begun = True
        end = time.monotonic() + float(os.environ["DEVICE_SECONDS"])
        result = super().train(train_data, epochs=5, policy=policy)
        time.sleep(max(0.0, end - time.monotonic()))
        return result

    def set_weights(self, weights):
        super().set_weights(weights)
        if self.test is not None and self.begun:
            print("ACCURACY", time.time(), self.accuracy(self.test.x, self.test.y), flush=True)


def main() -> int:
    job = FederatedLearning(Device(), aggregation="FedAvg")
    print("READY", flush=True)
    sys.stdin.readline()
    job.train(read(os.environ["TRAIN_SET"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
