"""GM's figures with many services: all children made, processor time, what it costs at rest, how soon it reacts.

The yardstick of the first is ``gm_children``: the same children, written by the same client with the same credentials,
32 requests at a time. Both begin with a fresh API server, without its loops, that holds the services already: ours, or a
real kube-apiserver of script/kube, where GM has the rights of deploy/rbac.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api import Api, Process

SEDNA = "/apis/sedna.io/v1alpha1/namespaces/default/"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
IDLE_SECONDS = 10
ROOT = Path(__file__).resolve().parent.parent
NO_GO = 3  # of script/kube


@dataclass
class GmFigures:
    """What one run with ``services`` services gave."""

    services: int
    seconds: float  # from GM's start until all children are there
    yardstick: float  # of the bare writer
    cpu: float  # GM's processor seconds meanwhile
    rss_mb: float
    idle_share: float  # of one core
    idle_writes: int  # besides its Lease
    reaction: float  # from a new service's acknowledgement to its first Deployment


class GmServer(Api):
    """The administrator's connection, and what GM needs to know about the server."""

    gm_kubeconfig: Path
    gm_flags: list[str]
    look_every = 0.02  # seconds between two questions whether all is there: far less than what is measured

    def count(self, path: str) -> int:
        listed = self.ask("GET", path + "?limit=1")
        return len(listed["items"]) + int(listed["metadata"].get("remainingItemCount", 0))

    def version(self) -> int:
        return int(self.ask("GET", "/api/v1/namespaces/default/configmaps?limit=1")["metadata"]["resourceVersion"])

    def stop(self) -> None:
        raise NotImplementedError


class Server(GmServer):
    """``sedna-apiserver`` on a folder of its own."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.process = Process(binaries, folder)
        self.connect(self.process.url, ssl.create_default_context(cafile=str(folder / "ca.pem")), self.process.token)
        self.gm_kubeconfig, self.gm_flags = folder / "kubeconfigs/gm", []

    def stop(self) -> None:
        self.process.stop()


class KubeServer(GmServer):
    """A real kube-apiserver and etcd; ``binaries`` has no part in it."""

    look_every = 0.2

    def __init__(self, binaries: Path, folder: Path) -> None:
        del binaries
        self.folder = folder
        script("up", "--level", "api", "--dir", str(folder))
        config = json.loads((folder / "kubeconfig").read_text())
        context = ssl.create_default_context(cafile=str(folder / "pki/ca.crt"))
        context.load_cert_chain(str(folder / "pki/admin.crt"), str(folder / "pki/admin.key"))
        self.connect(config["clusters"][0]["cluster"]["server"], context)
        self.gm_kubeconfig, self.gm_flags = folder / "gm.kubeconfig", ["--lease-namespace", "sedna"]

    def stop(self) -> None:
        script("down", "--dir", str(self.folder))


def script(*arguments: str) -> None:
    """script/kube; NoKube when it says that there is no Go to build the real server with."""
    done = subprocess.run([str(ROOT / "script/kube"), *arguments], stdout=subprocess.DEVNULL, check=False, timeout=900)
    if done.returncode == NO_GO:
        raise NoKube
    if done.returncode != 0:
        raise RuntimeError(f"script/kube {arguments[0]}: {done.returncode}")


class NoKube(RuntimeError):
    """There is no real API server on this machine, and nothing to build one with."""


def service(name: str) -> dict[str, Any]:
    def worker(container: str, node: str, model: str) -> dict[str, Any]:
        return {"model": {"name": model}, "template": {"spec": {
            "nodeName": node, "containers": [{"name": container, "image": f"{container}:v1"}]}}}

    return {"apiVersion": "sedna.io/v1alpha1", "kind": "JointInferenceService", "metadata": {"name": name},
            "spec": {"edgeWorker": {**worker("little", "edge0", "small"), "hardExampleMining": {"name": "IBT"}},
                     "cloudWorker": worker("big", "cloud0", "big")}}


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def measure(binaries: Path, folder: Path, services: int = 1000, kind: type[Server | KubeServer] = Server) -> GmFigures:
    bare = kind(binaries, folder / "bare")
    try:
        done = subprocess.run([binaries / "gm_children", bare.gm_kubeconfig, str(services)],
                              capture_output=True, text=True, timeout=600, check=True)
        yardstick = json.loads(done.stdout)["seconds"]
    finally:
        bare.stop()
    server = kind(binaries, folder / "gm")
    gm: subprocess.Popen | None = None
    try:
        for name in ("small", "big"):
            server.ask("POST", SEDNA + "models", {
                "apiVersion": "sedna.io/v1alpha1", "kind": "Model", "metadata": {"name": name},
                "spec": {"url": f"/models/{name}/model.onnx", "format": "onnx"}})
        for i in range(services):
            server.ask("POST", SEDNA + "jointinferenceservices", service(f"s{i}"))
        begin = time.monotonic()
        gm = subprocess.Popen([binaries / "sedna-gm", "--kubeconfig", server.gm_kubeconfig, "--link-port", "0",
                               "--link-host", "127.0.0.1", *server.gm_flags], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        while server.count(DEPLOYMENTS) < 2 * services:
            time.sleep(kind.look_every)
            if gm.poll() is not None:
                raise RuntimeError("sedna-gm ended")
        seconds = time.monotonic() - begin
        # Children come first: statuses follow.
        while not all("conditions" in s.get("status", {}) for s in server.ask("GET", SEDNA + "jointinferenceservices")["items"]):
            time.sleep(0.5)
        time.sleep(2)
        cpu = cpu_seconds(gm.pid)
        memory = rss_mb(gm.pid)
        version, before = server.version(), cpu_seconds(gm.pid)
        time.sleep(IDLE_SECONDS)
        idle = (cpu_seconds(gm.pid) - before) / IDLE_SECONDS
        # Its Lease is renewed each 2 s.
        writes = max(0, server.version() - version - IDLE_SECONDS // 2 - 1)
        server.ask("POST", SEDNA + "jointinferenceservices", service("late"))
        begin = time.monotonic()
        while server.count(DEPLOYMENTS) == 2 * services:
            time.sleep(0.005)
        return GmFigures(services, seconds, yardstick, cpu, memory, idle, writes, time.monotonic() - begin)
    finally:
        if gm is not None:
            gm.terminate()
            gm.wait(20)
        server.stop()
