"""A home on this machine, end to end: what a user does in the first hour."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import Home, home, linear_model
from programs import SEDNA, WORKER, eventually


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    linear_model(folder / "small.onnx", 4)
    linear_model(folder / "big.onnx", 4)
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("home") / "state") as it:
        yield it


def run_service(it: Home, models: Path, name: str, *args: str) -> None:
    it.sedna("run", "--edge", str(models / "small.onnx"), "--cloud", str(models / "big.onnx"), "--name", name,
             "--filter", "MSP", "--param", "threshold=0.5", *args)


# HOME-2.1
def test_two_nodes_are_ready(running: Home) -> None:
    status = running.json("status")
    assert {(n["name"], n["role"], n["ready"]) for n in status["nodes"]} == {
        ("cloud0", "cloud", True), ("edge0", "edge", True)}
    assert status["problems"] == []
    assert "Nothing is wrong" in running.sedna("status")


# HOME-2.4
def test_a_second_up_is_refused(running: Home) -> None:
    done = running.run("up")
    assert done.returncode == 1
    assert "is up already" in done.stderr and "sedna down" in done.stderr


# HOME-2.6
def test_a_service_from_two_files_runs_answers_and_goes(running: Home, models: Path) -> None:
    run_service(running, models, "two-files")
    assert running.running("two-files")
    pods = running.json("get", "pods", "-l", "jointinferenceservice.sedna.io/name=two-files")["items"]
    assert {p["spec"]["nodeName"] for p in pods} == {"cloud0", "edge0"}

    described = running.sedna("describe", "ji", "two-files")
    for text in ("two-files-little", "MSP", "Running", "Workers", "Conditions"):
        assert text in described
    # Running is what its process does; it says what it has loaded a moment later.
    eventually("the edge worker says so", lambda: "edge model loaded" in running.sedna("logs", "ji/two-files"))
    assert "two-files" in running.sedna("get", "ji")

    out = running.sedna("delete", "ji", "two-files")
    assert 'jointinferenceservice.sedna.io "two-files" deleted' in out
    left = running.json("get", "pods", "-l", "jointinferenceservice.sedna.io/name=two-files")["items"]
    assert left == []
    running.sedna("delete", "models", "--all")


# HOME-2.6
def test_the_edge_worker_answers_through_the_home(running: Home, models: Path) -> None:
    run_service(running, models, "asked")
    with subprocess.Popen([str(SEDNA), "--state", str(running.state), "port-forward", "ji/asked", ":5001"],
                          stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            port = int(forward.stdout.readline().removeprefix("READY 127.0.0.1:"))

            def ask() -> dict | None:
                body = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 0, 0]}]}
                request = urllib.request.Request(f"http://127.0.0.1:{port}/v2/models/small/infer",
                                                 json.dumps(body).encode(), {"Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        return json.load(answer)
                except OSError:
                    return None  # the worker does not listen yet

            answer = eventually("the edge worker answers", ask, 20)
            assert isinstance(answer, dict) and answer["outputs"]
        finally:
            forward.terminate()
    running.sedna("delete", "ji,models", "--all")


# HOME-1.9
def test_top_shows_what_the_status_does_not_have_yet(running: Home, models: Path) -> None:
    """A worker reports each second, the status is written once a minute."""
    text = running.sedna("run", "--edge", str(models / "small.onnx"), "--cloud", str(models / "big.onnx"), "--name", "live",
                         "--filter", "MSP", "--param", "threshold=0.0", "--dry-run")
    image = "          image: sedna/worker:v1\n"
    assert text.count(image) == 2
    running.sedna("apply", "-f", "-", "--wait", text=text.replace(image, f"""{image}          command: [{WORKER}]
          env: [{{name: LC_PERIOD, value: "1"}}]
"""))

    def worker() -> dict:
        [service] = [s for s in running.json("top")["services"] if s["service"] == "default/live"]
        return next((w for w in service["edgeWorkers"] if w["worker"] != "total"), {"inferences": 0})

    def written() -> int:
        return running.json("get", "ji", "live").get("status", {}).get("total", {}).get("inferences", 0)

    with subprocess.Popen([str(SEDNA), "--state", str(running.state), "open", "live", "--no-browser"],
                          stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            url = forward.stdout.readline().strip()
            body = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 0, 0]}]}

            def ask() -> bool:
                request = urllib.request.Request(url + "v2/models/small/infer", json.dumps(body).encode(),
                                                 {"Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=10):
                        return True
                except OSError:
                    return False  # the worker does not listen yet

            eventually("the edge worker answers", ask)
            eventually("the first report is in the status", lambda: written() >= 1)
            for _ in range(7):
                assert ask()
            found = eventually("top has the next report", lambda: (now := worker())["inferences"] >= 8 and now)
            assert found["live"] and found["updateTime"]
            assert written() < 8
            assert "from the service's status" not in running.sedna("top", "--once")
            if "PlainMode" not in running.sedna("get", "nodes", "-o", "json"):
                running.sedna("net", "cut", "edge0")
                told = running.sedna("top", "--once")
                assert "from the service's status" in told and "does not answer" in told
                assert not worker()["live"]
                running.sedna("net", "restore", "edge0")
                eventually("it is live again", lambda: worker()["live"])
        finally:
            forward.terminate()
    running.sedna("delete", "ji,models", "--all")


# HOME-1.3
def test_wrong_documents_say_what_is_wrong(running: Home) -> None:
    done = running.run("apply", "-f", "-", text="apiVersion: sedna.io/v1alpha1\nkind: Model\nmetadata: {name: x}\n"
                       "spec: {format: 3}\n---\napiVersion: sedna.io/v1alpha1\nkind: Modle\nmetadata: {name: y}\n")
    assert done.returncode == 1
    assert "spec.url" in done.stderr and "Modle" in done.stderr and "line 5" in done.stderr
    assert running.json("get", "models")["items"] == []
    broken = running.run("apply", "-f", "-", text="a: [\n")
    assert broken.returncode == 1 and "line" in broken.stderr


# HOME-1.6
def test_a_worker_that_cannot_run_is_explained(running: Home) -> None:
    running.sedna("apply", "-f", "-", text="""
apiVersion: v1
kind: Pod
metadata: {name: no-command}
spec:
  nodeName: edge0
  containers: [{name: main, image: "example/none:v1"}]
""")
    eventually("the status explains it", lambda: "ImageNeedsCommand" in running.run("status").stdout, 30)
    status = running.run("status")
    assert status.returncode == 1
    assert "sedna up --images" in status.stdout
    running.sedna("delete", "pod", "no-command")


# HOME-2.14
def test_a_node_that_is_no_longer_named_goes_with_its_pods(tmp_path: Path) -> None:
    """Also when the `up` before was killed, and its agents run on."""
    it = Home(tmp_path / "state")
    try:
        it.up()
        it.sedna("apply", "-f", "-", text="""
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {nodeName: edge0, terminationGracePeriodSeconds: 0, containers: [{name: c, image: i, command: [sleep, "98761"]}]}
""")

        def pods() -> list[dict]:
            return it.json("get", "pods")["items"]

        eventually("it runs", lambda: [p["status"].get("phase") for p in pods()] == ["Running"])
        [before] = pods()
        os.kill(json.loads((it.state / "up.lock").read_text()), signal.SIGKILL)

        def up_again() -> subprocess.CompletedProcess | None:
            tried = it.run("up", "--detach", "--nodes", "cloud0:cloud")
            return None if "is up already" in tried.stderr else tried  # the killed one has not gone yet

        said = eventually("the next one takes over", up_again)
        assert said.returncode == 0, said.stderr
        assert "what runs is stopped first" in said.stderr and "node edge0 is not among --nodes any more" in said.stderr
        assert [n["metadata"]["name"] for n in it.json("get", "nodes")["items"]] == ["cloud0"]
        assert not any("sleep 98761" in line for line in it.processes())
        eventually("its Pod goes, another waits", lambda: [p["metadata"]["uid"] for p in pods()] != [before["metadata"]["uid"]]
                   and "no such node" in it.run("status").stdout)
        it.sedna("down")
        it.up("--nodes", "cloud0:cloud,edge0:edge")  # back: what waited for it runs
        eventually("it runs again", lambda: [p["status"].get("phase") for p in pods()] == ["Running"])
    finally:
        assert it.run("down").returncode == 0


# HOME-2.7
def test_a_backup_brings_the_objects_back(running: Home, tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\ndata: {a: b}\n"
    running.sedna("apply", "-f", "-", text=text)
    file = tmp_path / "backup.db"
    assert "holds Secrets" in running.sedna("backup", str(file))
    assert file.stat().st_mode & 0o077 == 0
    refused = running.run("restore", str(file))
    assert refused.returncode == 1 and "sedna down" in refused.stderr
    with_backup = Home(tmp_path / "restored")
    with_backup.sedna("restore", str(file))
    try:
        with_backup.up()
        assert with_backup.json("get", "configmap", "kept")["data"] == {"a": "b"}
    finally:
        with_backup.sedna("down")
    running.sedna("delete", "configmap", "kept")
