"""The embedded API server as a real process: kubectl as its user, kill -9, a full disk, a damaged database, backups."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import BIN, Daemon

PROGRAM = BIN / "sedna-apiserver"
MAPS = "/api/v1/namespaces/default/configmaps"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="sedna-apiserver is not built")


class Server(Daemon):
    """A running server on a state folder."""

    def __init__(self, state: Path, *flags: str) -> None:
        self.state = state
        super().__init__("sedna-apiserver", "--state", str(state), *flags)
        self.url = self.ready[1]

    @property
    def kubeconfig(self) -> dict[str, Any]:
        return json.loads((self.state / "kubeconfig").read_text())

    def client(self) -> Client:
        return Client(self)


class Client:
    """One keep-alive connection with the administrator's token."""

    def __init__(self, server: Server) -> None:
        context = ssl.create_default_context(cafile=str(server.state / "ca.pem"))
        host, _, port = server.url.removeprefix("https://").partition(":")
        self.connection = http.client.HTTPSConnection(host, int(port), timeout=20, context=context)
        self.token = server.kubeconfig["users"][0]["user"]["token"]

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        self.connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()


@contextlib.contextmanager
def running(state: Path, *flags: str) -> Iterator[Server]:
    server = Server(state, *flags)
    try:
        yield server
    finally:
        if server.running():
            server.stop()


def config_map(name: str, value: str = "v") -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"k": value}}


def test_what_was_answered_survives_kill(tmp_path: Path) -> None:
    """Four clients write as fast as they can, the server is killed at a random moment; nothing acknowledged is lost,
    nothing is there twice, versions never go back."""
    chance = random.Random(1)
    made: set[str] = set()
    removed: set[str] = set()
    highest = 0

    def write(server: Server, who: int, round_number: int) -> None:
        client = server.client()
        with contextlib.suppress(OSError, http.client.HTTPException):
            for i in range(10_000):
                name = f"r{round_number}-c{who}-{i}"
                status, _ = client.ask("POST", MAPS, config_map(name, "x" * 200))
                if status == 201:
                    made.add(name)
                if i % 4 == 3:
                    removed.add(name)  # from here on either answer is right
                    client.ask("DELETE", f"{MAPS}/{name}")

    for round_number in range(8):
        with running(tmp_path, "--no-loops") as server, concurrent.futures.ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(write, server, who, round_number) for who in range(4)]
            time.sleep(0.15 + chance.random() * 0.3)
            server.kill()
            for job in jobs:
                job.result()
        with running(tmp_path, "--no-loops") as server:
            status, body = server.client().ask("GET", MAPS)
            assert status == 200
            listed = json.loads(body)
            names = [item["metadata"]["name"] for item in listed["items"]]
            assert len(names) == len(set(names))
            assert made - removed <= set(names)
            assert int(listed["metadata"]["resourceVersion"]) >= highest
            highest = int(listed["metadata"]["resourceVersion"])
    assert len(made) > 50


def test_a_full_disk_fails_writes_and_nothing_else(tmp_path: Path) -> None:
    """On a tmpfs of a few megabytes, in a namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
             f'mount -t tmpfs -o size=3m tmpfs {disk} && exec "$0" "$@"')
    if subprocess.run([*mount, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel allows no mounts in user namespaces")
    # The kubeconfig is inside the namespace: its files are read through the process's own root.
    process = subprocess.Popen([*mount, str(PROGRAM), "--state", str(disk / "state"), "--no-loops"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1]
        inside = Path(f"/proc/{process.pid}/root{disk}/state")
        server = Server.__new__(Server)
        server.state, server.url, server.process = inside, url, process
        client = server.client()
        statuses = []
        for i in range(400):
            status, body = client.ask("POST", MAPS, config_map(f"big{i}", "x" * 20_000))
            statuses.append(status)
            if status != 201:
                answer = json.loads(body)
                break
        assert statuses[-1] == 500, statuses
        assert "could not be stored" in answer["message"]
        assert "free some space" in answer["message"]
        assert client.ask("GET", f"{MAPS}/big0")[0] == 200
        # With room again it goes on by itself.
        (inside / "ballast").unlink(missing_ok=True)
        subprocess.run(["nsenter", "-t", str(process.pid), "-U", "-m", "--preserve-credentials", "mount", "-o",
                        "remount,size=16m", str(disk)], check=True)
        assert client.ask("POST", MAPS, config_map("after"))[0] == 201
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def test_a_damaged_database_is_refused_and_a_backup_restores_it(tmp_path: Path) -> None:
    with running(tmp_path, "--no-loops") as server:
        client = server.client()
        for i in range(30):
            assert client.ask("POST", MAPS, config_map(f"c{i}"))[0] == 201
        status, copy = client.ask("GET", "/backup")
        assert status == 200
        assert client.ask("POST", MAPS, config_map("late"))[0] == 201
    backup = tmp_path / "copy"
    backup.write_bytes(copy)
    database = tmp_path / "objects.db"
    damaged = bytearray(database.read_bytes())
    damaged[3 * 4096:3 * 4096 + 64] = bytes(64)
    database.write_bytes(bytes(damaged))
    with pytest.raises(RuntimeError, match="sedna restore"):
        Server(tmp_path)
    assert database.read_bytes() == bytes(damaged)
    done = subprocess.run([PROGRAM, "restore", "--state", tmp_path, backup], capture_output=True, text=True, check=True)
    assert "restored" in done.stdout
    with running(tmp_path, "--no-loops") as server:
        client = server.client()
        assert client.ask("GET", f"{MAPS}/c29")[0] == 200
        assert client.ask("GET", f"{MAPS}/late")[0] == 404


def test_one_server_for_a_state_folder(tmp_path: Path) -> None:
    with running(tmp_path, "--no-loops"), pytest.raises(RuntimeError, match="another API server"):
        Server(tmp_path)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_kubectl_is_at_home(tmp_path: Path) -> None:
    """What a user types first, with a stock kubectl."""
    manifest = tmp_path / "objects.yaml"
    manifest.write_text("""
apiVersion: sedna.io/v1alpha1
kind: Dataset
metadata: {name: digits}
spec: {url: /data/digits.txt, format: txt, nodeName: edge0}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: i, command: [sleep, "1000"]}]
""")
    with running(tmp_path / "state") as server:
        env = {**os.environ, "KUBECONFIG": str(server.state / "kubeconfig"), "HOME": str(tmp_path)}

        def kubectl(*args: str, fails: bool = False) -> str:
            done = subprocess.run(["kubectl", *args], capture_output=True, text=True, timeout=60, env=env, check=False)
            assert (done.returncode != 0) == fails, f"kubectl {' '.join(args)}: {done.stdout}{done.stderr}"
            return done.stdout + done.stderr

        assert "JointInferenceService" in kubectl("api-resources")
        assert "dataset.sedna.io/digits created" in kubectl("apply", "-f", str(manifest))
        assert "unchanged" in kubectl("apply", "-f", str(manifest))
        assert "/data/digits.txt" in kubectl("get", "dset", "-o", "wide")
        assert kubectl("get", "dataset", "digits", "-o", "jsonpath={.spec.format}") == "txt"
        assert "Format:" in kubectl("describe", "dataset", "digits")
        kubectl("label", "dataset", "digits", "team=vision")
        assert "digits" in kubectl("get", "dataset", "-l", "team=vision", "-A")
        kubectl("annotate", "dataset", "digits", "note=hello")
        kubectl("patch", "dataset", "digits", "--type=merge", "-p", '{"spec":{"format":"csv"}}')
        kubectl("patch", "deploy", "web", "-p", '{"spec":{"template":{"spec":{"containers":[{"name":"c","env":'
                                                '[{"name":"A","value":"1"}]}]}}}}')
        kubectl("scale", "deploy", "web", "--replicas=1")
        assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "1"
        kubectl("rollout", "restart", "deploy/web")
        assert "credentialName" in kubectl("explain", "dataset.spec")
        kubectl("create", "configmap", "c", "--from-literal=a=b")
        kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
        kubectl("create", "namespace", "team")
        kubectl("wait", "--for=jsonpath={.status.phase}=Active", "ns/team", "--timeout=20s")
        assert "SuccessfulCreate" in kubectl("events")
        kubectl("replace", "-f", str(manifest))
        assert "NotFound" in kubectl("get", "configmap", "none", fails=True)
        assert "unknown field" in kubectl("create", "-f", str(bad(tmp_path)), fails=True)
        assert "not available" in kubectl("apply", "--server-side", "-f", str(manifest), fails=True)
        assert "deleted" in kubectl("delete", "-f", str(manifest))
        kubectl("wait", "--for=delete", "deploy/web", "--timeout=20s")
        assert "deleted" in kubectl("delete", "ns", "team", "--timeout=30s")


def bad(folder: Path) -> Path:
    file = folder / "bad.yaml"
    file.write_text("apiVersion: sedna.io/v1alpha1\nkind: Dataset\nmetadata: {name: d}\n"
                    "spec: {url: /x, format: txt, nodeName: n, colour: red}\n")
    return file
