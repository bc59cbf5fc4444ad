"""The aggregation server, as a script for upstream's library would start it; prints a line a round for the demo."""

from __future__ import annotations

import sys

from sedna.common.config import Context
from sedna.service.server import AggregationServer


def tell(report):
    print(
        f"ROUND {report['round']} updates={len(report['clients'])} clients={report['connected']} "
        f"samples={report['samples']} seconds={report['seconds']:.6f} bytes_received={report['bytes_received']} "
        f"bytes_sent={report['bytes_sent']}", flush=True)


def main():
    server = AggregationServer(
        aggregation="digits",
        algorithm=Context.get_parameters("algorithm", "FedAvg"),
        exit_round=int(Context.get_parameters("exit_round", 1)),
        participants_count=int(Context.get_parameters("participants_count", 1)),
    )
    server.on_round = tell
    server.start()
    return 0


if __name__ == "__main__":
    sys.exit(main())
