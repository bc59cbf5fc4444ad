"""A home without namespaces and sandboxes (``sedna up --plain``, and where the kernel refuses them): Pods are bare
processes, and what that costs is said."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import Home, home, linear_model
from images import RUNS, docker_archive, says_layers
from programs import SEDNA, eventually
from test_image import named
from test_pods import apply, phase, pod, status


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("plain") / "state", "--plain", "--nodes", "cloud0:cloud") as it:
        yield it


# HOME-2.11
def test_where_the_kernel_refuses_namespaces_it_is_the_mode(tmp_path: Path) -> None:
    """User namespaces are used up: what a kernel without them says, too."""
    # In a namespace of our own its root may set the limit for what is below, and then gives its rights away.
    refusing = ["unshare", "--user", "--map-root-user", "sh", "-c",
                'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all "$@"', "sh"]
    try:
        possible = subprocess.run([*refusing, "true"], capture_output=True, timeout=30).returncode == 0
    except FileNotFoundError:
        possible = False
    if not possible:
        pytest.skip("this machine does not let a test take namespaces away")
    state = tmp_path / "state"
    it = Home(state)
    env = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "SEDNA_STATE")}
    try:
        up = subprocess.run([*refusing, str(SEDNA), "--state", str(state), "up", "--detach", "--nodes", "cloud0:cloud"],
                            capture_output=True, text=True, timeout=180, env=env)
        assert up.returncode == 0, up.stdout + up.stderr + it.logs()
        assert "plain" in (up.stdout + up.stderr).lower()
        apply(it, pod("p", "echo works"))
        phase(it, "p", "Succeeded")
        assert it.sedna("logs", "p") == "works\n"
    finally:
        assert it.run("down").returncode == 0


# HOME-2.11
def test_the_mode_is_announced(running: Home) -> None:
    node = running.json("get", "node", "cloud0")
    plain = [c for c in node["status"]["conditions"] if c["type"] == "sedna.io/PlainMode"]
    assert plain and plain[0]["status"] == "True" and plain[0]["message"], node["status"]["conditions"]


# HOME-2.11
def test_pods_run_restart_and_end(running: Home) -> None:
    apply(running, pod("once", "echo $HOSTNAME; exit 3"))
    ended = phase(running, "once", "Failed")
    assert ended["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    assert running.sedna("logs", "once") == "once\n"
    again = pod("again", "exit 1")
    again["spec"]["restartPolicy"] = "OnFailure"
    apply(running, again)
    eventually("it is started again", lambda: status(running, "again")["containerStatuses"][0]["restartCount"] >= 1, 40)
    running.sedna("delete", "pod", "--all")


# HOME-2.11
def test_a_joint_inference_service_answers(running: Home, tmp_path: Path) -> None:
    for name in ("small", "big"):
        linear_model(tmp_path / f"{name}.onnx", 4)
    running.sedna("run", "--edge", str(tmp_path / "small.onnx"), "--cloud", str(tmp_path / "big.onnx"), "--name", "plain",
                  "--filter", "MSP", "--param", "threshold=0.0", "--edge-node", "cloud0")
    assert running.running("plain")
    with subprocess.Popen([str(SEDNA), "--state", str(running.state), "open", "plain", "--no-browser"],
                          stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            url = forward.stdout.readline().strip()

            def ask() -> bool:
                body = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 0, 0]}]}
                request = urllib.request.Request(url + "v2/models/small/infer", json.dumps(body).encode(),
                                                 {"Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        outputs = {output["name"]: output["data"] for output in json.load(answer)["outputs"]}
                        return outputs["sedna_from_cloud"][0]
                except OSError:
                    return False  # the worker does not listen yet

            assert eventually("the edge worker answers, and the cloud worker through its Service", ask, 30)
        finally:
            forward.terminate()
    running.sedna("delete", "ji,models", "--all")


def asked(it: Home, service: str, columns: int) -> list[bool]:
    """What the edge worker says of where an answer comes from; [] while it does not answer."""
    with subprocess.Popen([str(SEDNA), "--state", str(it.state), "open", service, "--no-browser"], stdout=subprocess.PIPE,
                          text=True) as forward:
        try:
            assert forward.stdout is not None
            url = forward.stdout.readline().strip()

            def ask() -> list[bool]:
                body = {"inputs": [{"name": "input", "shape": [1, columns], "datatype": "FP32", "data": [0.0] * columns}]}
                request = urllib.request.Request(url + f"v2/models/small{columns}/infer", json.dumps(body).encode(),
                                                 {"Content-Type": "application/json"})
                try:
                    with urllib.request.urlopen(request, timeout=10) as answer:
                        return {output["name"]: output["data"] for output in json.load(answer)["outputs"]}["sedna_from_cloud"]
                except OSError:
                    return []  # the worker does not listen yet

            return eventually(f"the edge worker of {it.state} is answered by its cloud worker", lambda: any(ask()) and ask(), 60)
        finally:
            forward.terminate()


# HOME-2.13
def test_two_homes_at_once_do_not_meet(running: Home, tmp_path: Path) -> None:
    """Both have two nodes, the same services on the same ports, and models that are of no use to the other."""
    with home(tmp_path / "state", "--plain") as other:  # cloud0 and edge0
        assert "link=9000" not in (other.state / "run" / "gm.json").read_text()
        homes = {4: (running, "cloud0"), 5: (other, "edge0")}
        for columns, (it, edge) in homes.items():
            for name in ("small", "big"):
                linear_model(tmp_path / f"{name}{columns}.onnx", columns)
            it.sedna("run", "--edge", str(tmp_path / f"small{columns}.onnx"), "--cloud", str(tmp_path / f"big{columns}.onnx"),
                     "--name", "same", "--filter", "CloudOnly", "--edge-node", edge)
        for columns, (it, _) in homes.items():
            assert it.running("same")
            assert asked(it, "same", columns) == [True]
            # What a worker reports arrives at its own home, through its own local controller.
            eventually("a report", lambda it=it: it.json("get", "ji", "same").get("status", {}).get("total"))
        addresses = {it.json("get", "svc", "same-cloud")["spec"]["clusterIP"] for it, _ in homes.values()}
        assert len(addresses) == 2
    running.sedna("delete", "ji,models", "--all")


# HOME-2.13
def test_a_port_that_is_taken_is_named(running: Home, tmp_path: Path) -> None:
    port = json.loads((running.state / "home.json").read_text())["port"]
    done = Home(tmp_path / "state").run("up", "--plain", "--detach", "--port", str(port))
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr and "--port" in done.stderr


# HOME-3.5
def test_an_image_with_files_of_its_own_says_that_it_cannot_run(running: Home, tmp_path: Path) -> None:
    archive = docker_archive(tmp_path / "says.tar", says_layers(), ["local/says:1"], **RUNS)
    running.sedna("image", "load", str(archive))
    apply(running, named("own", "local/says:1"))

    def waiting() -> dict | None:
        found = status(running, "own").get("containerStatuses", [{}])[0].get("state", {}).get("waiting", {})
        return found if found.get("reason") == "ImageNeedsSandbox" else None

    found = eventually("it says so", waiting)
    assert isinstance(found, dict)
    assert "plain mode" in found["message"] and "sedna doctor" in found["message"]
    assert "ImageNeedsSandbox" in running.run("status").stdout
    running.sedna("delete", "pod", "own")
    running.sedna("image", "remove", "local/says:1", "--force")
