"""Pods, their network and their limits on a home of two nodes, with real processes; the same in plain mode where it
applies. What Kubernetes documents is what is expected."""

from __future__ import annotations

import http.server
import json
import os
import random
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from home import Home, home
from programs import SEDNA, eventually

ECHO = """
import http.server, socket
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (socket.gethostname() + " saw " + self.client_address[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("0.0.0.0", 5000), H).serve_forever()
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("pods") / "state") as it:
        if "PlainMode" in it.sedna("get", "nodes", "-o", "json"):
            pytest.skip("this machine has no namespaces: the plain mode is tested below")
        yield it


def pod(name: str, script: str | list[str], node: str = "cloud0", **spec: object) -> dict:
    command = ["sh", "-c", script] if isinstance(script, str) else script
    container = {"name": "c", "image": "none", "command": command}
    for key in ("resources", "env", "readinessProbe", "args", "terminationMessagePolicy", "volumeMounts"):
        if key in spec:
            container[key] = spec.pop(key)
    labels = spec.pop("labels", {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
            "spec": {"nodeName": node, "restartPolicy": "Never", "terminationGracePeriodSeconds": 2,
                     "containers": [container], **spec}}


def service(name: str, app: str, port: int, target: int) -> dict:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"app": app}, "ports": [{"name": "tcp-0", "port": port, "targetPort": target}]}}


def apply(it: Home, *objects: dict) -> None:
    it.sedna("apply", "-f", "-", text="\n---\n".join(json.dumps(o) for o in objects))


def status(it: Home, name: str) -> dict:
    return it.json("get", "pod", name)["status"]


def phase(it: Home, name: str, wanted: str, seconds: float = 30) -> dict:
    def look() -> dict | None:
        now = status(it, name)
        return now if now.get("phase") == wanted else None

    return eventually(f"Pod {name} is {wanted}", look, seconds)  # type: ignore[return-value]


def ready(it: Home, name: str) -> dict:
    def look() -> dict | None:
        now = status(it, name)
        return now if any(c["type"] == "Ready" and c["status"] == "True" for c in now.get("conditions", [])) else None

    return eventually(f"Pod {name} is ready", look, 30)  # type: ignore[return-value]


def output(it: Home, name: str, script: str, node: str = "cloud0", **spec: object) -> str:
    """What a short Pod prints."""
    apply(it, pod(name, script, node, **spec))
    eventually(f"{name} ends", lambda: status(it, name).get("phase") in ("Succeeded", "Failed"), 40)
    text = it.sedna("logs", name)
    it.sedna("delete", "pod", name)
    return text


PROBE = {"httpGet": {"path": "/", "port": 5000}, "periodSeconds": 1}


@pytest.fixture(scope="module")
def servers(running: Home) -> Home:
    """Two on one node, both on 0.0.0.0:5000, behind one Service that maps 80 to 5000."""
    apply(running, pod("one", ["python3", "-c", ECHO], labels={"app": "web"}, readinessProbe=PROBE),
          pod("two", ["python3", "-c", ECHO], labels={"app": "web"}, readinessProbe=PROBE), service("web", "web", 80, 5000))
    ready(running, "one")
    ready(running, "two")
    return running


def test_services_by_every_name_balanced_with_their_port_kept(servers: Home) -> None:
    names = "web web.default web.default.svc web.default.svc.cluster.local"
    text = output(servers, "client", f"for i in 1 2 3 4 5; do for n in {names}; do curl -sSf -m 5 http://$n/; echo; done; done",
                  "edge0")
    lines = text.split("\n")
    assert sum("saw" in line for line in lines) == 20, text
    assert {line.split()[0] for line in lines if line} == {"one", "two"}


def test_pods_see_each_others_addresses(servers: Home) -> None:
    there = status(servers, "one")["podIP"]
    apply(servers, pod("peer", f"curl -sS -m 5 http://{there}:5000/; echo; sleep 60", "edge0"))
    own = phase(servers, "peer", "Running")["podIP"]
    eventually("the peer is seen", lambda: f"one saw {own}" in servers.sedna("logs", "peer"))
    servers.sedna("delete", "pod", "peer")


def test_host_network_pods_share_the_nodes_address(servers: Home) -> None:
    text = output(servers, "host", "echo $HOST_IP $POD_IP; hostname", "edge0", hostNetwork=True, env=[
        {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}])
    addresses, hostname = text.split("\n")[:2]
    assert addresses.split()[0] == addresses.split()[1]
    assert hostname == "edge0"


def test_a_service_without_ready_pods_refuses_at_once(servers: Home) -> None:
    apply(servers, service("empty", "nobody", 80, 80))
    text = output(servers, "refused", "sleep 0.5; curl -s -m 5 http://empty/; echo $?", "edge0")
    assert text.split() == ["7"]
    servers.sedna("delete", "service", "empty")


def test_a_cut_node_goes_on_and_comes_back(servers: Home) -> None:
    loop = "while :; do curl -s -m 1 http://web/ > /dev/null && echo reached || echo cut; sleep 0.2; done"
    apply(servers, pod("edge", loop, "edge0"))
    eventually("it reaches", lambda: "reached" in servers.sedna("logs", "edge"))
    started = status(servers, "edge")["containerStatuses"][0]["state"]["running"]["startedAt"]
    servers.sedna("net", "cut", "edge0")
    node = eventually("the node is lost", lambda: [
        c for c in servers.json("get", "node", "edge0")["status"]["conditions"]
        if c["type"] == "Ready" and c["status"] == "Unknown"], 40)
    assert node
    servers.sedna("net", "restore", "edge0")
    eventually("the node is back", lambda: [
        c for c in servers.json("get", "node", "edge0")["status"]["conditions"]
        if c["type"] == "Ready" and c["status"] == "True"], 40)
    log = eventually("it reaches again", lambda: (text := servers.sedna("logs", "edge")).rstrip().endswith("reached") and text)
    assert "cut" in str(log)
    assert status(servers, "edge")["containerStatuses"][0]["state"]["running"]["startedAt"] == started
    ready(servers, "edge")
    servers.sedna("delete", "pod", "edge")


def test_a_container_sees_no_state_no_keys_and_nobody_else(running: Home) -> None:
    script = (f"ls {running.state} 2>&1 | head -3; echo --; touch /etc/x /usr/x 2>&1; echo --; "
              "ls /proc | grep -c '^[0-9]'; echo --; cat /proc/1/comm; touch /tmp/a /run/b /var/tmp/c d && echo wrote; "
              "grep -i capeff /proc/self/status")
    parts = output(running, "jail", script).split("--\n")
    assert parts[0] in ("", f"ls: cannot access '{running.state}': No such file or directory\n")
    assert parts[1].count("Read-only file system") == 2
    assert int(parts[2]) < 10
    assert "wrote" in parts[3]
    assert parts[3].split()[-1].lstrip("0") == "400", "only CAP_NET_BIND_SERVICE"


def test_init_containers_configuration_and_volumes(running: Home, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    apply(running, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a.txt": "from-map"}},
          {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"token": "s3cret"}})
    spec = pod("many", "cat /shared/order /cfg/a.txt; echo; echo $TOKEN-$(cat /key/token); echo out > /home/data/x/made",
               volumeMounts=[{"name": "s", "mountPath": "/shared"}, {"name": "cfg", "mountPath": "/cfg"},
                             {"name": "k", "mountPath": "/key"}, {"name": "h", "mountPath": "/home/data/x"}],
               env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "key", "key": "token"}}}],
               volumes=[{"name": "s", "emptyDir": {}}, {"name": "cfg", "configMap": {"name": "settings"}},
                        {"name": "k", "secret": {"secretName": "key"}},
                        {"name": "h", "hostPath": {"path": str(tmp_path / "data"), "type": "Directory"}}])
    spec["spec"]["initContainers"] = [
        {"name": f"i{n}", "image": "none", "command": ["sh", "-c", f"echo {n} >> /shared/order"],
         "volumeMounts": [{"name": "s", "mountPath": "/shared"}]} for n in (1, 2)]
    apply(running, spec)
    phase(running, "many", "Succeeded")
    assert running.sedna("logs", "many") == "1\n2\nfrom-map\ns3cret-s3cret\n"
    assert (tmp_path / "data" / "made").read_text() == "out\n"
    running.sedna("delete", "pod", "many")


# CTL-1.7
def test_mounted_data_follows_its_source_and_the_environment_does_not(running: Home) -> None:
    """As Kubernetes documents it: files change all at once within a minute, variables keep what the start found."""
    def data(text: str) -> list[dict]:
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "moving"}, "data": {"a.txt": text}},
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "moving"}, "stringData": {"token": text}}]

    apply(running, *data("one"))
    apply(running, pod("follows", "echo begun; until [ $(cat /cfg/a.txt)$(cat /key/token) = twotwo ]; do sleep 0.2; done;"
                                  " echo $A-$B", terminationGracePeriodSeconds=0,
                       volumeMounts=[{"name": "cfg", "mountPath": "/cfg"}, {"name": "k", "mountPath": "/key"}],
                       env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "moving", "key": "a.txt"}}},
                            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "moving", "key": "token"}}}],
                       volumes=[{"name": "cfg", "configMap": {"name": "moving"}},
                                {"name": "k", "secret": {"secretName": "moving"}}]))
    eventually("it runs", lambda: "begun" in running.sedna("logs", "follows"))
    apply(running, *data("two"))
    phase(running, "follows", "Succeeded", 70)
    assert running.sedna("logs", "follows") == "begun\none-one\n"
    running.sedna("delete", "pod", "follows")


def test_what_cannot_be_mounted_is_said_and_tried_again(running: Home, tmp_path: Path) -> None:
    folder = tmp_path / "later"
    apply(running, pod("wants", "echo there", volumeMounts=[{"name": "h", "mountPath": "/x"}],
                       volumes=[{"name": "h", "hostPath": {"path": str(folder), "type": "Directory"}}]))
    eventually("it says so", lambda: "does not exist on this machine" in json.dumps(status(running, "wants")))
    folder.mkdir()
    phase(running, "wants", "Succeeded")
    running.sedna("delete", "pod", "wants")


def test_too_much_memory_ends_as_oomkilled(running: Home) -> None:
    apply(running, pod("greedy", ["python3", "-c", "import time; x = bytearray(200 << 20); time.sleep(30)"],
                       resources={"limits": {"memory": "64Mi"}}))
    end = phase(running, "greedy", "Failed")["containerStatuses"][0]["state"]["terminated"]
    assert (end["reason"], end["exitCode"]) == ("OOMKilled", 137)
    running.sedna("delete", "pod", "greedy")


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def test_the_storage_initializer_fetches_unpacks_and_explains(running: Home, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("w")
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "model", "model")
    (tmp_path / "plain.txt").write_text("text")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Files(*a, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_address[1]}"
    index = tmp_path / "index.txt"
    index.write_text(f"# files\n{origin}/\nplain.txt\nmodel/weights\n")

    def with_init(name: str, *args: str) -> dict:
        out = pod(name, "cd /downloads && find . -type f | sort", volumeMounts=[{"name": "d", "mountPath": "/downloads"}],
                  volumes=[{"name": "d", "emptyDir": {}},
                           {"name": "i", "hostPath": {"path": str(tmp_path), "type": "Directory"}}])
        out["spec"]["initContainers"] = [
            {"name": "storage-initializer", "image": "kubeedge/sedna-storage-initializer:v0.3.0", "args": list(args),
             "env": [{"name": "INDIRECT_URL_MARK", "value": "@"}],
             "volumeMounts": [{"name": "d", "mountPath": "/downloads"}, {"name": "i", "mountPath": "/home/data"}]}]
        return out

    try:
        apply(running, with_init("fetch", f"{origin}/m.tar.gz", "/downloads/a/", f"{origin}/plain.txt", "/downloads/b/",
                                 "/home/data/index.txt", "@/downloads/c/"))
        phase(running, "fetch", "Succeeded")
        assert running.sedna("logs", "fetch").split() == [
            "./a/model/weights", "./b/plain.txt", "./c/model/weights", "./c/plain.txt"]
        apply(running, with_init("fails", f"{origin}/nothing", "/downloads/"))
        end = phase(running, "fails", "Failed")["initContainerStatuses"][0]["state"]["terminated"]
        assert end["exitCode"] == 1
        assert "404" in end["message"] and "check the URL" in end["message"]
    finally:
        server.shutdown()
        for name in ("fetch", "fails"):
            running.run("delete", "pod", name)


def worker_pids(it: Home) -> set[str]:
    return {line for line in it.processes() if "sedna-shim" in line}


def test_kill_9_of_an_agent_leaves_its_pods_alone(running: Home) -> None:
    apply(running, pod("stays", "echo begin; exec sleep 1000"))
    phase(running, "stays", "Running")
    before = status(running, "stays")["containerStatuses"][0]
    killed = running.kill("node-cloud0")
    eventually("a new agent works", lambda: running.daemons().get("node-cloud0") not in (None, killed)
               and "True" in [c["status"] for c in running.json("get", "node", "cloud0")["status"]["conditions"]
                              if c["type"] == "Ready"])
    apply(running, pod("after", "echo done"))
    phase(running, "after", "Succeeded")
    assert status(running, "stays")["containerStatuses"][0]["containerID"] == before["containerID"]
    for name in ("stays", "after"):
        running.sedna("delete", "pod", name)
    eventually("nothing of it is left", lambda: not any("stays" in line for line in running.processes()))


def test_an_agent_killed_at_any_moment_makes_nothing_twice(running: Home) -> None:
    names = [f"once-{i}" for i in range(10)]
    chance = random.Random(4)
    for i, name in enumerate(names):
        killed = running.daemons()["node-edge0"]
        apply(running, pod(name, f"exec sleep 98765{i}", "edge0"))
        time.sleep(chance.uniform(0, 0.15))  # the moment is what is drawn
        os.kill(killed, signal.SIGKILL)
        eventually("another agent is there", lambda killed=killed: running.daemons().get("node-edge0") not in (None, killed))
    for i, name in enumerate(names):
        phase(running, name, "Running")
        marker = f"sleep 98765{i}"
        mine = [folder for folder in Path("/proc").iterdir() if folder.name.isdigit() and command_line(folder) == marker]
        assert len(mine) == 1, f"{name}: {len(mine)} processes"
    for name in names:
        running.sedna("delete", "pod", name)
    eventually("none is left", lambda: not any("once-" in line or "sleep 98765" in line for line in running.processes()))


def command_line(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


@pytest.mark.slow
def test_a_thousand_pods_come_and_go(running: Home) -> None:
    before = worker_pids(running)

    def cycle(lane: int) -> None:
        for n in range(100):
            name = f"cycle-{lane}-{n}"
            apply(running, pod(name, "exec sleep 1000", ("cloud0", "edge0")[n % 2]))
            if n % 3:
                phase(running, name, "Running")
            running.sedna("delete", "pod", name)

    with ThreadPoolExecutor(10) as lanes:
        list(lanes.map(cycle, range(10)))
    eventually("no process is left", lambda: worker_pids(running) <= before, 60)
    kept = {p["metadata"]["uid"] for p in running.json("get", "pods")["items"]}
    for node in ("cloud0", "edge0"):
        for what in ("pods", "netns"):
            folder = running.state / "nodes" / node / what
            eventually(f"{folder} is clean", lambda folder=folder: {f.name for f in folder.iterdir()} <= kept)


def test_plain_mode_runs_pods_and_says_what_it_costs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "f").write_text("content\n")
    with home(tmp_path / "plain", "--plain", "--nodes", "cloud0:cloud") as it:
        apply(it, pod("server", ["python3", "-c", ECHO.replace("5000", "15987")], labels={"app": "web"},
                      readinessProbe={"httpGet": {"path": "/", "port": 15987}, "periodSeconds": 1}),
              service("web", "web", 15987, 15987))
        conditions = ready(it, "server")["conditions"]
        assert any(c["type"] == "sedna.io/AsAsked" and "plain mode" in c["message"] for c in conditions)
        text = output(it, "client", "cat $FILE; curl -sS -m 5 $URL", env=[
            {"name": "FILE", "value": "/home/data/x/f"}, {"name": "URL", "value": "http://web.default:15987/"}],
            volumeMounts=[{"name": "h", "mountPath": "/home/data/x"}],
            volumes=[{"name": "h", "hostPath": {"path": str(data), "type": "Directory"}}])
        assert text.startswith("content\n")
        assert "saw" in text
        state = it.state
    assert not [line for line in Home(state).processes() if "sedna" in line]


def test_down_leaves_no_process_mount_or_namespace(tmp_path: Path) -> None:
    def namespaces() -> set[str]:
        found = set()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                for kind in ("net", "user", "mnt"):
                    try:
                        found.add(os.readlink(folder / "ns" / kind))
                    except OSError:
                        continue
        return found

    with home(tmp_path / "state") as it:
        apply(it, pod("p", "trap '' TERM; sleep 1000 & wait; wait"))
        phase(it, "p", "Running")
        inside = namespaces()
    left = Home(tmp_path / "state").processes()
    assert not left, left
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert inside  # they were there while it ran; each is gone with its last process


def test_code_that_is_kept_under_tmp_is_in_sight_and_nothing_else_is(tmp_path: Path) -> None:
    code, state = tmp_path / "code", tmp_path / "state"
    code.mkdir()
    (code / "tool").write_text(f"#!/bin/sh\ncat words; ls {state} | wc -l; touch mine || echo read-only\n"
                               "touch /tmp/mine && ls /tmp\n")
    (code / "tool").chmod(0o755)
    (code / "words").write_text("hello\n")
    (code / "images.yaml").write_text("my/tool: {command: [./tool], cwd: .}\n")
    with home(state, "--images", str(code / "images.yaml")) as it:
        if "PlainMode" in it.sedna("get", "nodes", "-o", "json"):
            pytest.skip("this machine has no namespaces")
        wanted = pod("tool", [])
        wanted["spec"]["containers"] = [{"name": "c", "image": "my/tool:v1"}]
        apply(it, wanted)
        phase(it, "tool", "Succeeded")
        said = it.sedna("logs", "tool").split("\n")
    assert said[:2] == ["hello", "0"], "the code is there, the state folder beside it looks empty"
    assert "read-only" in said
    assert "mine" in said
    if tmp_path.is_relative_to("/tmp"):
        assert set(said) & set(os.listdir("/tmp")) <= {tmp_path.parts[2]}, "nothing else of the machine's /tmp"


def test_programs_explain_themselves() -> None:
    node = SEDNA.parent / "sedna-node"
    done = subprocess.run([str(node), "enter", "--state", "/nonexistent", "--", "true"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "not up" in done.stderr
    shim = subprocess.run([str(SEDNA.parent / "sedna-shim")], capture_output=True, text=True)
    assert shim.returncode == 2
