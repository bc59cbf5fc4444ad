"""GlobalManager and LocalController as real processes on an embedded API server: kill -9 of each, GM away, cycles."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import BIN, Api, Daemon, eventually

SEDNA = "/apis/sedna.io/v1alpha1/namespaces/default/"
APPS = "/apis/apps/v1/namespaces/default/"
CORE = "/api/v1/namespaces/default/"

pytestmark = pytest.mark.skipif(not (BIN / "sedna-gm").exists(), reason="sedna-gm is not built")


def model(name: str) -> dict[str, Any]:
    return {"apiVersion": "sedna.io/v1alpha1", "kind": "Model", "metadata": {"name": name},
            "spec": {"url": f"/models/{name}/model.onnx", "format": "onnx"}}


def service(name: str) -> dict[str, Any]:
    def template(container: str, node: str) -> dict[str, Any]:
        return {"spec": {"nodeName": node, "containers": [{"name": container, "image": f"{container}:v1"}]}}

    return {"apiVersion": "sedna.io/v1alpha1", "kind": "JointInferenceService", "metadata": {"name": name},
            "spec": {"edgeWorker": {"model": {"name": "small"}, "hardExampleMining": {"name": "IBT"},
                                    "template": template("little", "edge0")},
                     "cloudWorker": {"model": {"name": "big"}, "template": template("big", "cloud0")}}}


def dataset(url: str) -> dict[str, Any]:
    return {"apiVersion": "sedna.io/v1alpha1", "kind": "Dataset", "metadata": {"name": "d"},
            "spec": {"url": url, "format": "txt", "nodeName": "edge0"}}


class Plane:
    """An API server, a GM and a local controller; each can be killed and started again."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.server = Daemon("sedna-apiserver", "--state", str(state / "api"), "--nodes", "edge0")
        self.api = Api.of_embedded(state / "api", self.server.ready[1])
        self.link_port = 0
        self.gm: Daemon | None = None
        self.lc: Daemon | None = None

    def start_server(self) -> None:
        self.server = Daemon("sedna-apiserver", "--state", str(self.state / "api"), "--nodes", "edge0")

    def start_gm(self) -> None:
        self.gm = Daemon("sedna-gm", "--kubeconfig", str(self.state / "api/kubeconfigs/gm"), "--link-host", "127.0.0.1",
                         "--link-port", str(self.link_port), "--link-tokens", str(self.state / "api/tokens"))
        self.link_port = int(self.gm.ready[2].removeprefix("link="))

    def start_lc(self) -> None:
        self.lc = Daemon("sedna-lc", "--node", "edge0", "--bind", "127.0.0.1", "--port", "0",
                         "--token-file", str(self.state / "api/kubeconfigs/lc-edge0"),
                         env={"GM_ADDRESS": f"127.0.0.1:{self.link_port}", "ROOTFS_MOUNT_DIR": str(self.state / "root"),
                              "DATABASE_URL": str(self.state / "lc/state")})

    def report(self, inferences: int, hard: int, owner: str = "digits") -> int:
        assert self.lc is not None
        port = self.lc.ready[1].rsplit(":", 1)[1]
        body = {"name": "w", "namespace": "default", "ownerName": owner, "ownerKind": "jointinferenceservice",
                "kind": "inference", "results": [], "podUid": "pod-1", "run": "a",
                "ownerInfo": {"inferenceNumber": inferences, "hardExampleNumber": hard, "uploadCloudRatio": 0.5},
                "statistics": {"uploads": hard, "uploadBytes": 100 * hard, "fallbacks": 1, "errors": {"transport": 1},
                               "latencyMilliseconds": {"p50": 1.0, "p90": 2.0, "p99": 3.0}}}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/sedna/workers/w/info", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.loads(answer.read()) == {"Status": 200, "Message": "OK"}
            return answer.status

    def total(self, name: str = "digits") -> Any:
        found = self.api.get(SEDNA + f"jointinferenceservices/{name}") or {}
        return found.get("status", {}).get("total")

    def stop(self) -> None:
        for daemon in (self.lc, self.gm, self.server):
            if daemon is not None and daemon.process.poll() is None:
                daemon.stop()


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    (tmp_path / "root/data").mkdir(parents=True)
    made = Plane(tmp_path)
    try:
        made.start_gm()
        yield made
    finally:
        made.stop()


def test_from_apply_to_children_and_figures(plane: Plane) -> None:
    plane.start_lc()
    for name in ("small", "big"):
        plane.api.create(SEDNA + "models", model(name))
    plane.api.create(SEDNA + "jointinferenceservices", service("digits"))
    plane.api.create(SEDNA + "datasets", dataset("/data/d.txt"))
    eventually("both Deployments", lambda: len(plane.api.items(APPS + "deployments")) == 2)
    assert plane.api.get(CORE + "services/digits-cloud")["spec"]["ports"][0]["port"] == 5000

    reason = eventually("the dataset says what is wrong", lambda: plane.api.get(SEDNA + "datasets/d").get("status"))
    assert "is not there" in reason["conditions"][0]["message"]
    (plane.state / "root/data/d.txt").write_text("a\nb\n")
    eventually("the dataset is counted", lambda: plane.api.get(SEDNA + "datasets/d")["status"]["numberOfSamples"] == 2)

    plane.report(100, 40)
    total = eventually("the report in the status", plane.total)
    assert (total["inferences"], total["hardExamples"], total["uploadBytes"], total["fallbacks"]) == (100, 40, 4000, 1)
    status = plane.api.get(SEDNA + "jointinferenceservices/digits")["status"]
    assert {m["key"]: m["value"] for m in status["metrics"]} == {
        "hardExampleNumber": "40", "inferenceNumber": "100", "uploadCloudRatio": "0.4"}
    assert status["edgeWorkers"][0]["figures"]["latencyMilliseconds"]["p99"] == 3.0
    assert eventually("the model's file on the node",
                      lambda: plane.api.get(SEDNA + "models/small")["status"]["nodes"])[0]["exists"] is False


def test_nothing_acknowledged_is_lost_when_processes_are_killed(plane: Plane) -> None:
    plane.start_lc()
    for name in ("small", "big"):
        plane.api.create(SEDNA + "models", model(name))
    plane.api.create(SEDNA + "jointinferenceservices", service("digits"))
    plane.api.create(SEDNA + "datasets", dataset("/data/d.txt"))
    index = plane.state / "root/data/d.txt"
    index.write_text("a\n")
    eventually("the dataset is counted", lambda: (plane.api.get(SEDNA + "datasets/d").get("status") or {}).get(
        "numberOfSamples") == 1)

    assert plane.gm is not None and plane.lc is not None
    plane.gm.kill()
    plane.report(10, 4)  # acknowledged by the local controller, which GM has not heard
    plane.lc.kill()
    index.write_text("a\nb\nc\n")
    plane.start_lc()  # GM is not there: it goes by what it knows
    plane.start_gm()
    eventually("the report that was taken before the kill", lambda: (plane.total() or {}).get("inferences") == 10)
    eventually("the count", lambda: plane.api.get(SEDNA + "datasets/d")["status"]["numberOfSamples"] == 3)

    plane.server.kill()
    index.write_text("a\nb\nc\nd\n")
    time.sleep(0.3)
    plane.api.connection = None
    plane.start_server()
    eventually("the count after the API server came back",
               lambda: plane.api.get(SEDNA + "datasets/d")["status"]["numberOfSamples"] == 4, 40)
    _, answer = plane.api.ask("DELETE", APPS + "deployments/digits-deployment-edge")
    eventually("the lost Deployment is made again", lambda: (plane.api.get(
        APPS + "deployments/digits-deployment-edge") or {}).get("metadata", {}).get("uid") not in (
            None, answer.get("details", {}).get("uid")), 40)
    assert len(plane.api.items(APPS + "deployments")) == 2


def test_a_killed_gm_is_followed_at_once(plane: Plane) -> None:
    assert plane.gm is not None
    plane.gm.kill()
    begin = time.monotonic()
    plane.start_gm()
    assert time.monotonic() - begin < 5, "it waited for the dead one's Lease"


def test_a_second_gm_stands_by_and_takes_over(plane: Plane) -> None:
    second = Daemon("sedna-gm", "--kubeconfig", str(plane.state / "api/kubeconfigs/gm"), "--link-host", "127.0.0.1",
                    "--link-port", "0")
    try:
        assert second.ready[2] == "link=0"
        with urllib.request.urlopen(second.ready[1] + "/gm/status", timeout=5) as answer:
            assert answer.read().decode().startswith("standing by")
        assert plane.gm is not None and plane.gm.stop() == 0
        eventually("the second leads", lambda: "leading" in urllib.request.urlopen(
            second.ready[1] + "/gm/status", timeout=5).read().decode())
    finally:
        second.stop()


def test_a_stranger_learns_nothing(plane: Plane, tmp_path: Path) -> None:
    plane.api.create(SEDNA + "datasets", dataset("/data/d.txt"))
    (tmp_path / "token").write_text("not-the-token-of-this-node\n")
    lc = Daemon("sedna-lc", "--node", "edge0", "--bind", "127.0.0.1", "--port", "0", "--token-file",
                str(tmp_path / "token"), env={"GM_ADDRESS": f"127.0.0.1:{plane.link_port}", "ROOTFS_MOUNT_DIR": "",
                                              "DATABASE_URL": str(tmp_path / "lc/state")})
    try:
        def status() -> Any:
            return json.loads(urllib.request.urlopen(lc.ready[1] + "/sedna/status", timeout=5).read())

        eventually("it is told why", lambda: "token is not that of node" in status().get("problem", ""))
        assert status()["objects"]["Dataset"] == 0
    finally:
        lc.stop()


def test_cycles_of_create_and_delete_leave_nothing(plane: Plane) -> None:
    cycles = int(os.environ.get("SEDNA_CYCLES", "100"))
    for name in ("small", "big"):
        plane.api.create(SEDNA + "models", model(name))
    for i in range(cycles):
        plane.api.create(SEDNA + "jointinferenceservices", service(f"s{i % 5}"))
        if i % 3:  # some go before GM has made everything
            eventually("a child", lambda: plane.api.items(APPS + "deployments"))
        plane.api.ask("DELETE", SEDNA + f"jointinferenceservices/s{i % 5}")

    def left() -> list[str]:
        names = [o["metadata"]["name"] for path in (APPS + "deployments", CORE + "services", CORE + "pods")
                 for o in plane.api.items(path)]
        return [n for n in names if n != "kubernetes"]

    eventually("no orphan", lambda: not left(), 60)
    assert plane.gm is not None
    assert plane.gm.process.poll() is None


def test_wrong_flags_and_places_are_said(tmp_path: Path) -> None:
    def run(program: str, *args: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run([str(BIN / program), *args], capture_output=True, text=True, timeout=20,
                              env={**os.environ, **(env or {})})
        assert done.returncode != 0
        return done.stderr + done.stdout

    assert "GM_ADDRESS" in run("sedna-lc", "--node", "n", env={"GM_ADDRESS": ""})
    assert "no address" in run("sedna-lc", "--gm", "x:99999", "--database", str(tmp_path / "s"))
    assert "no such file" in run("sedna-gm", "--kubeconfig", str(tmp_path / "nothing"))
    (tmp_path / "bad.yaml").write_text("websocket: {port: high}\n")
    assert "websocket.port" in run("sedna-gm", "--config", str(tmp_path / "bad.yaml"))

