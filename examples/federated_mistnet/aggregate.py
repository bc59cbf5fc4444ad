"""The server: trains the layers behind the cut on what the clients send."""

import json
import os

from interface import Dataset, Estimator, mistnet, simple_chooser, transmitter

from sedna.service.server import AggregationServerV2


def run_server():
    server = AggregationServerV2(
        data=Dataset(testset=os.environ.get("TEST_DATASET_URL")),
        estimator=Estimator(),
        aggregation=mistnet,
        transmitter=transmitter,
        chooser=simple_chooser,
    )
    server.start()
    for row in server.history:
        print("TRAINED", json.dumps(row), flush=True)


if __name__ == "__main__":
    run_server()
