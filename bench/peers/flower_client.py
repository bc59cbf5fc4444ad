"""Flower's client (``start_client``) for ``compare.py``: sends back what it got, or trains the digits of TRAIN_SET.

flower_client.py echo|digits PORT
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from flwr.client import NumPyClient, start_client

ROOT = Path(__file__).resolve().parents[2]


class Echo(NumPyClient):
    def fit(self, parameters: Any, config: Any) -> Any:
        return parameters, 10, {}


class Digits(NumPyClient):
    """What ``bench/disturbed_client.py`` trains, in as many seconds."""

    def __init__(self) -> None:
        sys.path.insert(0, str(ROOT / "examples" / "federated_digits"))
        from model import Network

        self.network = Network(0)
        with np.load(os.environ["TRAIN_SET"]) as file:
            self.data = SimpleNamespace(x=file["x"], y=file["y"])

    def fit(self, parameters: Any, config: Any) -> Any:
        end = time.monotonic() + float(os.environ["DEVICE_SECONDS"])
        self.network.set_weights(parameters)
        self.network.train(self.data, epochs=5)
        time.sleep(max(0.0, end - time.monotonic()))
        return self.network.get_weights(), len(self.data.x), {}


if __name__ == "__main__":
    client = Echo() if sys.argv[1] == "echo" else Digits()
    start_client(server_address=f"127.0.0.1:{sys.argv[2]}", client=client.to_client(), insecure=True)
