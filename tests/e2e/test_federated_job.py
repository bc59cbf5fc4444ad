"""FederatedLearningJobs on a home of a cloud node and two edge nodes, with real processes: digits, upstream's API."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from home import Home, home
from programs import BIN, ROOT, eventually

HERE = Path(__file__).resolve().parent / "federated_job"
EXAMPLE = ROOT / "examples" / "federated_digits"
EDGES = ("edge0", "edge1")
IMAGES = f"""
test/federated:
  command: [python3]
  cwd: {HERE}
  venv: {ROOT}/build/venv
  env: {{PYTHONPATH: "{ROOT}/python", BACKEND_TYPE: SKLEARN, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1"}}
sedna/example-federated-digits:
  command: [python3]
  cwd: {EXAMPLE}
  venv: {ROOT}/build/venv
  env: {{PYTHONPATH: "{ROOT}/python", BACKEND_TYPE: SKLEARN, OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1"}}
sedna/worker:
  command: [{BIN}/sedna-worker]
  cwd: {HERE}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    work = tmp_path_factory.mktemp("federated")
    images = work / "images.yaml"
    images.write_text(IMAGES)
    with home(work / "state", "--nodes", "cloud0:cloud,edge0:edge,edge1:edge", "--images", str(images)) as it:
        if "PlainMode" in it.sedna("get", "nodes", "-o", "json"):
            pytest.skip("this machine has no namespaces for nodes of their own")
        yield it


def folder(it: Home, node: str) -> Path:
    """What the containers of ``node`` see as /var/lib/sedna/job."""
    path = it.state / "nodes" / node / "var-lib-sedna" / "job"
    path.mkdir(parents=True, exist_ok=True)
    return path


def digits(it: Home) -> tuple[np.ndarray, np.ndarray]:
    """Each edge node gets half of the digits (0-4 mostly, 5-9 mostly); the test set stays here."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(x))
    x, y = x[order] / 16.0, y[order]
    train_x, train_y = x[360:], y[360:]
    low = (train_y < 5) ^ (np.arange(len(train_y)) % 10 == 0)
    for node, part in zip(EDGES, (low, ~low)):
        np.savez(folder(it, node) / "train.npz", x=train_x[part], y=train_y[part])
    folder(it, "cloud0")
    return x[:360], y[:360]


def job(name: str, rounds: int, aggregator: dict, epoch_seconds: float = 0.0, **fields: object) -> str:
    """The YAML (JSON is YAML) of a job with its Model and Datasets."""
    objects: list[dict] = [{"apiVersion": "sedna.io/v1alpha1", "kind": "Model", "metadata": {"name": name},
                            "spec": {"url": f"/var/lib/sedna/job/{name}", "format": "npz"}}]
    workers = []
    for node in EDGES:
        objects.append({"apiVersion": "sedna.io/v1alpha1", "kind": "Dataset", "metadata": {"name": f"{name}-{node}"},
                        "spec": {"url": "/var/lib/sedna/job/train.npz", "format": "txt", "nodeName": node}})
        container = {"name": "train", "image": "test/federated:v1", "args": ["train.py"],
                     "env": [{"name": "EPOCH_SECONDS", "value": str(epoch_seconds)}]}
        workers.append({"dataset": {"name": f"{name}-{node}"},
                        "template": {"spec": {"nodeName": node, "containers": [container]}}})
    objects.append({
        "apiVersion": "sedna.io/v1alpha1", "kind": "FederatedLearningJob", "metadata": {"name": name},
        "spec": {"rounds": rounds, "trainingWorkers": workers, **fields,
                 "aggregationWorker": {"model": {"name": name},
                                       "template": {"spec": {"nodeName": "cloud0", "containers": [aggregator]}}}}})
    return "\n---\n".join(json.dumps(o) for o in objects)


SCRIPT = {"name": "aggregate", "image": "test/federated:v1", "args": ["aggregate.py"]}
PROGRAM = {"name": "aggregate", "image": "sedna/worker:v1", "args": ["aggregate"]}


def status_of(it: Home, name: str) -> dict:
    return it.json("get", "fl", name).get("status", {})


def condition(status: dict, kind: str) -> dict:
    return next((c for c in status.get("conditions", []) if c["type"] == kind), {})


def completed(it: Home, name: str, seconds: float = 120) -> dict:
    def done() -> dict | None:
        status = status_of(it, name)
        return status if condition(status, "Complete").get("status") == "True" else None

    try:
        return eventually(f"{name} is complete", done, seconds)
    except AssertionError as error:
        parts = [str(error), it.sedna("describe", "fl", name)]
        for pod in pods(it, name):
            with contextlib.suppress(AssertionError):
                parts.append(pod["metadata"]["name"] + "\n" + it.sedna("logs", pod["metadata"]["name"], "--tail", "30"))
        raise AssertionError("\n".join(parts)) from None


def pods(it: Home, name: str, role: str = "") -> list[dict]:
    selector = f"federatedlearningjob.sedna.io/name={name}"
    if role:
        selector += f",federatedlearningjob.sedna.io/worker-type={role}"
    return it.json("get", "pods", "-l", selector)["items"]


def accuracy(model: Path, test: tuple[np.ndarray, np.ndarray]) -> float:
    with np.load(model) as file:
        return float(np.mean((test[0] @ file["w"] + file["b"]).argmax(1) == test[1]))


def process_of(pod: dict) -> int:
    """The process id of the Pod's worker: ours, which its environment tells."""
    mark = f"POD_UID={pod['metadata']['uid']}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            name = (entry / "comm").read_text().strip()
            if name.startswith(("python", "sedna-worker")) and mark in (entry / "environ").read_bytes().split(b"\0"):
                return int(entry.name)
    return 0


def kill(pod: dict) -> None:
    pid = eventually("the worker runs", lambda: process_of(pod), 30)
    os.kill(pid, signal.SIGKILL)


# FJ-2.1
def test_upstreams_scripts_run_to_the_end(running: Home) -> None:
    test = digits(running)
    running.sedna("apply", "-f", "-", text=job("scripts", 5, SCRIPT))
    status = completed(running, "scripts")
    assert status["phase"] == "Succeeded"
    assert (status["active"], status["succeeded"], status["failed"]) == (0, 3, 0)
    assert status["model"]["name"] == "scripts"
    assert "/var/lib/sedna/job/scripts" in status["model"]["url"]
    assert {(w["role"], w.get("node")) for w in status["workers"]} == {
        ("aggregation", "cloud0"), ("train", "edge0"), ("train", "edge1")}

    # What the training workers reported lands in the Model, as upstream has it.
    metrics = eventually("metrics", lambda: running.json("get", "model", "scripts").get("status", {}).get("metrics"), 20)
    assert {m["key"] for m in metrics} >= {"loss", "accuracy"}
    last = eventually("the last round is reported",
                      lambda: (s := status_of(running, "scripts"))["progress"]["round"] == 5 and s, 20)
    assert last["progress"]["metrics"]["loss"] > 0

    saved = sorted(folder(running, "edge0").glob("scripts/*"))
    assert saved, "the workers save the model under MODEL_URL"
    assert accuracy(saved[0], test) > 0.85
    described = running.sedna("describe", "fl", "scripts")
    for text in ("aggregation", "train", "Complete", "Rounds"):
        assert text in described
    assert "scripts" in running.sedna("top", "--once")


# FJ-2.2
def test_killed_workers_rejoin_and_the_aggregator_goes_on_where_it_was(running: Home) -> None:
    test = digits(running)
    running.sedna("apply", "-f", "-", text=job("killed", 16, PROGRAM, epoch_seconds=0.5))

    def reached(number: int) -> dict | None:
        status = status_of(running, "killed")
        return status if status.get("progress", {}).get("round", 0) >= number else None

    status = eventually("round 2", lambda: reached(2), 60)
    assert status["progress"]["rounds"] == 16
    assert status["progress"]["selected"] == 2
    kill(pods(running, "killed", "train")[0])
    eventually("round 4 with the worker that was killed", lambda: reached(4), 60)
    kill(pods(running, "killed", "aggregation")[0])
    status = completed(running, "killed")
    restarts = {w["role"]: w["restarts"] for w in status["workers"]}
    assert restarts["aggregation"] == 1
    assert sum(w["restarts"] for w in status["workers"] if w["role"] == "train") == 1
    # No round was trained twice: the aggregator tells each round once, over both of its lives.
    aggregator = pods(running, "killed", "aggregation")[0]["metadata"]["name"]
    lines = running.sedna("logs", aggregator, "--previous") + running.sedna("logs", aggregator)
    rounds = [int(line.split()[1]) for line in lines.splitlines() if line.startswith("ROUND ")]
    assert rounds == sorted(set(rounds))
    assert rounds[-1] == 16
    assert status["progress"]["bytesReceived"] > 0
    assert accuracy(next(iter(sorted(folder(running, "edge0").glob("killed/*")))), test) > 0.85


# FJ-2.6
def test_the_aggregator_moves_to_another_node(running: Home, tmp_path: Path) -> None:
    """Its rounds lie on storage that both nodes see: it goes on in the round where it was."""
    digits(running)
    shared = {"mode": "update", "path": str(tmp_path / "rounds")}

    def described(node: str) -> str:
        return job("moves", 16, PROGRAM, epoch_seconds=0.6, strict=True, durability=shared).replace(
            '"nodeName": "cloud0"', f'"nodeName": "{node}"')

    running.sedna("apply", "-f", "-", text=described("cloud0"))
    eventually("round 2", lambda: status_of(running, "moves").get("progress", {}).get("round", 0) >= 2, 60)
    running.sedna("apply", "-f", "-", text=described("edge1"))
    status = completed(running, "moves")
    (aggregator,) = pods(running, "moves", "aggregation")
    assert aggregator["spec"]["nodeName"] == "edge1"
    assert status["run"] == 1, "it is the same job"
    said = running.sedna("logs", aggregator["metadata"]["name"])
    rounds = [int(line.split()[1]) for line in said.splitlines() if line.startswith("ROUND ")]
    assert rounds and rounds[0] > 1 and rounds == list(range(rounds[0], 17)), said
    assert "the job goes on" in said
    assert status["failed"] == 0
    models = [np.load(next(iter(sorted(folder(running, node).glob("moves/*"))))) for node in EDGES]
    assert models[0]["w"].tobytes() == models[1]["w"].tobytes()


@pytest.mark.parametrize(("name", "fields"), [("personal", {"transmitter": {"http": {}}}),
                                              ("carried", {"late": {"name": "carry"}})])  # over upstream's messages
# FJ-2.7
def test_what_is_personal_stays_on_its_node(running: Home, name: str, fields: dict) -> None:
    digits(running)
    running.sedna("apply", "-f", "-", text=job(
        name, 15, PROGRAM, epoch_seconds=0.2, **fields,
        personal={"name": "FedPer", "parameters": [{"key": "tensors", "value": "1"}]}))
    eventually("round 2", lambda: status_of(running, name).get("progress", {}).get("round", 0) >= 2, 60)
    running.sedna("delete", "pod", pods(running, name, "train")[0]["metadata"]["name"])
    completed(running, name)
    models = [np.load(next(iter(sorted(folder(running, node).glob(f"{name}/*"))))) for node in EDGES]
    assert models[0]["w"].tobytes() == models[1]["w"].tobytes(), "the shared tensor"
    assert not np.allclose(models[0]["b"], models[1]["b"]), "each its own"
    for node in EDGES:
        kept = running.state / "nodes" / node / "var-lib-sedna" / "federated" / "default"
        assert list(kept.glob(f"{name}-*/workers/run-1-*/*")), "it outlives the worker's Pod"
    (cloud,) = (running.state / "nodes" / "cloud0" / "var-lib-sedna" / "federated" / "default").glob(f"{name}-*/run-1-*/models")
    newest = sorted(cloud.glob("round-*"))[-1].read_bytes()
    assert b"weights.0" in newest and b"weights.1" not in newest, "the aggregator has the other one only"


# FJ-2.3
def test_a_deleted_pod_is_made_again_and_a_deleted_job_leaves_nothing(running: Home) -> None:
    digits(running)
    running.sedna("apply", "-f", "-", text=job("deleted", 1000, PROGRAM, epoch_seconds=0.3))
    eventually("it trains", lambda: status_of(running, "deleted").get("progress", {}).get("round", 0) >= 1, 60)
    before = {p["metadata"]["uid"] for p in pods(running, "deleted")}
    name = {w["role"]: w["worker"] for w in status_of(running, "deleted")["workers"]}
    for role in ("aggregation", "train"):
        running.sedna("delete", "pod", pods(running, "deleted", role)[0]["metadata"]["name"])

    def rebuilt() -> dict | None:
        status = status_of(running, "deleted")
        now = {p["metadata"]["uid"] for p in pods(running, "deleted")}
        return status if len(now) == 3 and len(now - before) == 2 and status["phase"] == "Running" else None

    status = eventually("both are made again", rebuilt, 60)
    assert {w["role"]: w["worker"] for w in status["workers"]} == name
    reached = status["progress"]["round"]
    eventually("the rounds go on", lambda: status_of(running, "deleted")["progress"]["round"] > reached + 1, 60)
    running.sedna("delete", "fl", "deleted")
    assert pods(running, "deleted") == []
    assert running.json("get", "svc", "-l", "federatedlearningjob.sedna.io/name=deleted")["items"] == []


# FJ-2.4
def test_a_broken_script_is_told_with_worker_and_hint(running: Home) -> None:
    digits(running)
    broken = {"name": "aggregate", "image": "test/federated:v1", "args": ["-c", "raise SystemExit('no such rule')"]}
    running.sedna("apply", "-f", "-", text=job("broken", 1, broken))
    failed = eventually("it has failed",
                        lambda: (c := condition(status_of(running, "broken"), "Failed")).get("status") == "True" and c, 60)
    for text in ("aggregation worker broken-aggregation-", "on cloud0", "exit code 1", "Hint: "):
        assert text in failed["message"]
    # Nothing is terminal: with a script that works the job goes on.
    running.sedna("apply", "-f", "-", text=job("broken", 1, SCRIPT))
    completed(running, "broken")


# FJ-2.5
def test_the_example_runs_as_it_is(running: Home) -> None:
    spec = importlib.util.spec_from_file_location("federated_digits_data", EXAMPLE / "data.py")
    assert spec is not None and spec.loader is not None
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)
    data.write(running.state / "digits", 2, 1.0, 0)
    folders = {node: running.state / "nodes" / node / "var-lib-sedna" / "digits" for node in ("cloud0", *EDGES)}
    for number, node in enumerate(EDGES):
        folders[node].mkdir(parents=True)
        shutil.copy(running.state / "digits" / f"client-{number}.npz", folders[node])
    folders["cloud0"].mkdir(parents=True)
    running.sedna("apply", "-f", str(EXAMPLE / "digits.yaml"))
    status = completed(running, "digits")
    assert status["progress"]["round"] == status["progress"]["rounds"] == 50
    assert status["progress"]["bytesReceived"] > 0
    assert "loss" in status["progress"]["metrics"]
    gm = running.json("status")
    assert gm["problems"] == []
