"""The demo's job as a user of the system runs it: a home on this machine, a FederatedLearningJob through ``sedna apply``."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

from digits_home import FOLDER, Home, say
from progress import ROUND, STALL_SECONDS, Progress, Run

NODES = ("edge0", "edge1")
LOOK_SECONDS = 1.0


def manifest(name: str, algorithm: str, clients: int, rounds: int, epochs: int, seed: int, aggregator: str,
             protocol: str) -> str:
    """The job with its Model and Datasets, a document each. digits.yaml is the same for two workers, to read."""
    rule, *parameters = algorithm.split(",")
    api = {"apiVersion": "sedna.io/v1alpha1"}
    objects = [{**api, "kind": "Model", "metadata": {"name": name}, "spec": {"url": f"{FOLDER}/{name}", "format": "npz"}}]
    workers = []
    for i in range(clients):
        node = NODES[i % len(NODES)]
        objects.append({**api, "kind": "Dataset", "metadata": {"name": f"{name}-{i}"},
                        "spec": {"url": f"{FOLDER}/client-{i}.npz", "format": "txt", "nodeName": node}})
        environment = {"EPOCHS": epochs, "SEED": seed, "AGG_PROTOCOL": protocol}
        if i == 0:
            environment["TEST_SET"] = f"/home/data{FOLDER}/test.npz"
        container = {"name": "train", "image": "sedna/example-federated-digits:v1", "args": ["train.py"],
                     "env": [{"name": k, "value": str(v)} for k, v in environment.items()]}
        workers.append({"dataset": {"name": f"{name}-{i}"},
                        "template": {"spec": {"nodeName": node, "containers": [container]}}})
    aggregate = {"name": "aggregate", "image": "sedna/worker:v1", "args": ["aggregate", "--aggregation", "digits"]}
    if aggregator == "python":
        aggregate = {"name": "aggregate", "image": "sedna/example-federated-digits:v1", "args": ["aggregate.py"]}
    spec = {
        "aggregationWorker": {"model": {"name": name},
                              "template": {"spec": {"nodeName": "cloud0", "containers": [aggregate]}}},
        "trainingWorkers": workers,
        "rounds": rounds,
        "algorithm": {"name": rule, "parameters": [dict(zip(("key", "value"), p.split("=", 1))) for p in parameters]},
        "transmitter": {protocol: {}},
    }
    objects.append({**api, "kind": "FederatedLearningJob", "metadata": {"name": name}, "spec": spec})
    return "\n---\n".join(json.dumps(o) for o in objects)


def federate_by_apply(home: Home, out: Path, algorithm: str, clients: int, rounds: int, epochs: int, seed: int,
                      aggregator: str, protocol: str, keep: bool) -> Run:
    """Applies the job, shows the rounds as they end, and waits until it is complete."""
    name = "digits-" + re.sub(r"[^a-z0-9]+", "-", algorithm.lower()).strip("-")
    for i in range(clients):
        shutil.copy(out / f"client-{i}.npz", home.folder(NODES[i % len(NODES)]))
    shutil.copy(out / "test.npz", home.folder(NODES[0]))
    home.folder("cloud0")  # MODEL_URL's folder is to be there on every node
    home.sedna("apply", "-f", "-", text=manifest(name, algorithm, clients, rounds, epochs, seed, aggregator, protocol))
    run = Run(algorithm)
    progress = Progress(rounds)
    begin = last = time.monotonic()
    while True:
        status = json.loads(home.sedna("get", "fl", name, "-o", "json")).get("status", {})
        pods = {w.get("dataset", "aggregation"): w.get("pod") for w in status.get("workers", [])}
        seen = len(run.accuracy)
        if pods.get("aggregation") and pods.get(f"{name}-0"):
            reports = {int(m[1]): m for line in home.log(pods["aggregation"]) if (m := ROUND.match(line))}
            run.accuracy = [json.loads(line[9:])["accuracy"] for line in home.log(pods[f"{name}-0"])
                            if line.startswith("ACCURACY ")]
            run.bytes = sum(int(m[5]) + int(m[6]) for m in reports.values())
            progress.show(run, reports)
            run.seconds = sum(float(m[4]) for m in reports.values())
        if any(c["type"] == "Complete" and c["status"] == "True" for c in status.get("conditions", [])):
            break
        last = time.monotonic() if len(run.accuracy) > seen else last
        if time.monotonic() - last > STALL_SECONDS:
            raise RuntimeError(f"nothing has happened for {STALL_SECONDS:.0f} s:\n{home.sedna('describe', 'fl', name)}")
        time.sleep(LOOK_SECONDS)  # how often a person is shown something
    say(f"   {name} is complete after {time.monotonic() - begin:.1f} s; its model: {status['model']['url']}")
    if len(run.accuracy) != rounds:
        raise RuntimeError(f"{len(run.accuracy)} of {rounds} rounds were seen:\n{home.sedna('describe', 'fl', name)}")
    if not keep:
        home.sedna("delete", "fl", name)
    return run
