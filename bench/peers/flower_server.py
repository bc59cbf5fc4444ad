"""Flower's server (``start_server``, FedAvg) for ``compare.py``: says BEGIN <when> when all are there, and ROUND <when> after
each round.

flower_server.py echo PORT PARAMETERS CLIENTS ROUNDS
flower_server.py digits PORT TEST_SET CLIENTS [ROUND_TIMEOUT]    and ACCURACY <when> <value>
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from flwr.common import ndarrays_to_parameters
from flwr.server import Server, ServerConfig, SimpleClientManager, start_server
from flwr.server.strategy import FedAvg

ROOT = Path(__file__).resolve().parents[2]


class Timed(FedAvg):
    """Says when a round's model was made."""

    fewest_later = 0

    def configure_fit(self, server_round: int, parameters: Any, client_manager: Any) -> Any:
        chosen = super().configure_fit(server_round, parameters, client_manager)  # waits until enough are there
        if server_round == 1:
            print("BEGIN", time.time(), len(chosen), flush=True)
        return chosen

    def aggregate_fit(self, server_round: int, results: Any, failures: Any) -> Any:
        made = super().aggregate_fit(server_round, results, failures)
        if self.fewest_later:  # all are there when it begins; later it goes on with those that are left
            self.min_fit_clients = self.min_available_clients = self.fewest_later
        print("ROUND", time.time(), len(results), flush=True)
        return made


def echo(port: str, parameters: int, clients: int, rounds: int) -> None:
    strategy = Timed(fraction_fit=1.0, fraction_evaluate=0.0, min_fit_clients=clients, min_available_clients=clients,
                     min_evaluate_clients=0, initial_parameters=ndarrays_to_parameters([np.zeros(parameters, np.float32)]))
    start_server(server_address=f"127.0.0.1:{port}", config=ServerConfig(num_rounds=rounds), strategy=strategy)


def digits(port: str, test_set: str, clients: int, timeout: float | None) -> None:
    sys.path.insert(0, str(ROOT / "examples" / "federated_digits"))
    from model import Network

    judge = Network(0)
    with np.load(test_set) as file:
        x, y = file["x"], file["y"]

    def evaluate(server_round: int, weights: Any, config: Any) -> tuple[float, dict[str, float]]:
        judge.set_weights(weights)
        if server_round > 0:
            print("ACCURACY", time.time(), judge.accuracy(x, y), flush=True)
        return 0.0, {}

    strategy = Timed(fraction_fit=1.0, fraction_evaluate=0.0, min_fit_clients=clients, min_available_clients=clients,
                     min_evaluate_clients=0, evaluate_fn=evaluate,
                     initial_parameters=ndarrays_to_parameters(judge.get_weights()))
    strategy.fewest_later = clients - 2
    server = Server(client_manager=SimpleClientManager(), strategy=strategy)
    server.set_max_workers(clients)  # else two cores ask six at a time, and a round takes two trainings
    start_server(server_address=f"127.0.0.1:{port}", server=server,
                 config=ServerConfig(num_rounds=1000, round_timeout=timeout))


if __name__ == "__main__":
    if sys.argv[1] == "echo":
        echo(sys.argv[2], *map(int, sys.argv[3:6]))
    else:
        digits(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]) if len(sys.argv) > 5 else None)
