"""`sedna net cut`: the edge answers while it is alone, and goes back to asking the cloud by itself."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest
from home import Home, home, linear_model
from programs import SEDNA, eventually

DEADLINE = 1.0  # of an offload, in seconds


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("cut")
    linear_model(folder / "small.onnx", 4)
    linear_model(folder / "big.onnx", 4)
    with home(folder / "state") as it:
        if "PlainMode" in it.sedna("get", "nodes", "-o", "json"):
            pytest.skip("this machine has no namespaces: there is no link to cut")
        # Everything is hard: each answer shows whether the cloud was reached.
        it.sedna("run", "--edge", str(folder / "small.onnx"), "--cloud", str(folder / "big.onnx"), "--name", "cut",
                 "--filter", "MSP", "--param", "threshold=0.0")
        yield it


class Edge:
    """The edge worker, through a forwarded port of the host: the way in stays when the node's link is cut."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self) -> tuple[bool, float]:
        """Whether the cloud answered, and the seconds it took. An error is an error of the test."""
        body = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 0, 0]}]}
        request = urllib.request.Request(self.url + "v2/models/small/infer", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=10) as answer:
            got = json.load(answer)
        outputs = {output["name"]: output["data"] for output in got["outputs"]}
        assert max(range(4), key=outputs["p"].__getitem__) == 1, got  # right, whoever answered
        return bool(outputs["sedna_from_cloud"][0]), time.monotonic() - began


def link(it: Home) -> str:
    return dict(line.split()[::2] for line in it.sedna("net", "status").splitlines())["edge0"]


# HOME-2.10
def test_the_edge_answers_while_it_is_cut_off_and_offloads_again(running: Home) -> None:
    with subprocess.Popen([str(SEDNA), "--state", str(running.state), "open", "cut", "--no-browser"],
                          stdout=subprocess.PIPE, text=True) as forward:
        try:
            assert forward.stdout is not None
            edge = Edge(forward.stdout.readline().strip())

            def from_cloud() -> bool:
                try:
                    return edge.ask()[0]
                except OSError:
                    return False  # the worker does not listen yet

            eventually("the cloud answers", from_cloud, 60)
            assert link(running) == "up"
            pods = {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"]
                    for p in running.json("get", "pods")["items"]}

            running.sedna("net", "cut", "edge0")
            assert link(running) == "cut"
            took = []
            for _ in range(40):
                asked_cloud, seconds = edge.ask()
                assert not asked_cloud
                took.append(seconds)
            # The deadline of an offload and the edge's own work; once the breaker is open, next to nothing.
            assert max(took) < DEADLINE + 1.5, took
            assert sorted(took)[len(took) // 2] < 0.3, took

            running.sedna("net", "restore", "edge0")
            assert link(running) == "up"
            eventually("it offloads again by itself", from_cloud, 60)
            eventually("the service is well", lambda: running.running("cut"), 60)
            after = {p["metadata"]["name"]: p["status"]["containerStatuses"][0]["restartCount"]
                     for p in running.json("get", "pods")["items"]}
            assert after == pods  # nothing was made anew or restarted
        finally:
            forward.terminate()


# HOME-2.10
def test_what_there_is_to_cut_is_said(running: Home) -> None:
    wrong = running.run("net", "cut", "nowhere")
    assert wrong.returncode == 1 and "nowhere" in wrong.stderr
    assert running.run("net", "sever", "edge0").returncode == 2
