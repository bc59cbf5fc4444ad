"""Images from archives: loaded once, run by Pods that name them, refused when they are not what they should be."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from home import Home, home
from images import RUNS, docker_archive, oci_archive, says_layers, tar
from programs import SEDNA, eventually
from test_pods import ECHO, apply, phase, pod, ready, service, status


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("images") / "state") as it:
        if "PlainMode" in it.sedna("get", "nodes", "-o", "json"):
            pytest.skip("this machine has no namespaces: test_plain_mode.py holds what is said then")
        yield it


def named(name: str, image: str, node: str = "cloud0", **container: object) -> dict:
    """A Pod that says nothing about what it runs."""
    out = pod(name, "", node)
    out["spec"]["containers"] = [{"name": "c", "image": image, **container}]
    return out


def names(it: Home) -> set[str]:
    return {name for image in json.loads(it.sedna("image", "list", "-o", "json"))["images"] for name in image["names"]}


# HOME-3.1
def test_a_saved_docker_image_runs_as_it_says(running: Home, tmp_path: Path) -> None:
    archive = docker_archive(tmp_path / "says.tar.gz", says_layers(), ["local/says:1"], **RUNS)
    apply(running, named("early", "local/says:1"))
    waiting = eventually("it waits", lambda: status(running, "early")["containerStatuses"][0]["state"].get("waiting"))
    assert isinstance(waiting, dict)
    eventually("it says why", lambda: status(running, "early")["containerStatuses"][0]["state"]["waiting"]["reason"]
               == "ImageNeedsCommand")
    assert "sedna image load" in running.run("status").stdout

    assert "Loaded local/says:1" in running.sedna("image", "load", str(archive))
    phase(running, "early", "Succeeded", 90)  # by itself: nobody touched the Pod
    assert running.sedna("logs", "early").splitlines() == ["Oh hello in /app", "uid 1234", "read-only", "writable /tmp"]

    # What the Pod says stands above what the image says; another node has it too.
    apply(running, named("told", "docker.io/local/says:1", "edge0", args=["there"], workingDir="/etc",
                         env=[{"name": "GREETING", "value": "Hi"}], securityContext={"runAsUser": 77}),
          named("other", "local/says:1", command=["/bin/sh", "-c", "echo $GREETING"]))
    phase(running, "told", "Succeeded")
    assert running.sedna("logs", "told").splitlines()[:2] == ["Hi there in /etc", "uid 77"]
    phase(running, "other", "Succeeded")
    assert running.sedna("logs", "other") == "Oh\n"

    refused = running.run("image", "remove", "local/says:1")
    assert refused.returncode == 1 and "is used by Pod default/" in refused.stderr
    running.sedna("delete", "pod", "early", "told", "other")
    eventually("no Pod uses it", lambda: running.run("image", "remove", "local/says:1").returncode == 0)
    assert names(running) == set()
    assert not [f for f in (running.state / "images").iterdir() if f.is_dir()]


# HOME-3.1
def test_an_oci_archive_with_packed_layers_runs(running: Home, tmp_path: Path) -> None:
    layers = says_layers()
    packed = [gzip.compress(layer, mtime=0) for layer in layers]
    archive = oci_archive(tmp_path / "oci.tar", layers, packed, "v1", **RUNS)
    unnamed = running.run("image", "load", str(archive))
    assert unnamed.returncode == 1 and "--name" in unnamed.stderr
    running.sedna("image", "load", str(archive), "--name", "local/oci:v1")
    apply(running, named("oci", "local/oci:v1", "edge0"))
    phase(running, "oci", "Succeeded")
    assert running.sedna("logs", "oci").startswith("Oh hello in /app\nuid 1234\n")
    running.sedna("delete", "pod", "oci")
    listed = json.loads(running.sedna("image", "list", "-o", "json"))["images"]
    assert [(i["entrypoint"], i["cmd"]) for i in listed] == [(["/app/says"], ["hello"])]
    eventually("no Pod uses it", lambda: running.run("image", "remove", listed[0]["id"][:12]).returncode == 0)


# HOME-3.4
def test_what_is_unsafe_or_damaged_changes_nothing(running: Home, tmp_path: Path) -> None:
    good = tar({"app/x": "x"})
    cases = {
        "escape": (docker_archive(tmp_path / "escape.tar", [tar({"../../escape": "x"})], ["local/bad:1"]), "leads out"),
        "digest": (oci_archive(tmp_path / "digest.tar", [good], [gzip.compress(good + b"more")], "local/bad:1"),
                   "is not what its digest says"),
        "nothing": (tmp_path / "none.tar", "none.tar"),
        "other": (tmp_path / "other.tar", "neither manifest.json nor index.json"),
    }
    (tmp_path / "other.tar").write_bytes(good)
    for what, (archive, why) in cases.items():
        done = running.run("image", "load", str(archive))
        assert done.returncode == 1, what
        assert why in done.stderr, what
    whole = docker_archive(tmp_path / "whole.tar.gz", [good], ["local/bad:1"]).read_bytes()
    (tmp_path / "half.tar.gz").write_bytes(whole[:len(whole) // 2])
    assert running.run("image", "load", str(tmp_path / "half.tar.gz")).returncode == 1
    assert names(running) == set()
    assert not [f for f in (running.state / "images").iterdir() if f.is_dir()]
    assert not list(running.state.glob("**/escape"))


# HOME-3.4
def test_a_killed_load_leaves_nothing_that_counts(running: Home, tmp_path: Path) -> None:
    big = tar({f"data/{i}": bytes([i]) * 3_000_000 for i in range(20)})
    archive = docker_archive(tmp_path / "big.tar", [big], ["local/big:1"])
    for wait in (0.02, 0.08, 0.2):
        with subprocess.Popen([str(SEDNA), "--state", str(running.state), "image", "load", str(archive)]) as load:
            time.sleep(wait)  # wherever that is: all of it has to hold
            load.send_signal(signal.SIGKILL)
        assert names(running) <= {"local/big:1"}
    running.sedna("image", "load", str(archive))
    assert names(running) == {"local/big:1"}
    assert not list((running.state / "images").glob(".load-*"))
    running.sedna("image", "remove", "local/big:1")


# HOME-1.8
def test_open_prints_where_it_is_and_carries_there(running: Home) -> None:
    apply(running, pod("one", ["python3", "-c", ECHO], labels={"app": "web"},
                       readinessProbe={"httpGet": {"path": "/", "port": 5000}, "periodSeconds": 1}),
          service("web", "web", 80, 5000))
    ready(running, "one")
    missing = running.run("open", "nothing")
    assert missing.returncode == 1 and "sedna status" in missing.stderr
    with subprocess.Popen([str(SEDNA), "--state", str(running.state), "open", "web", "--path", "/x"], text=True,
                          stdout=subprocess.PIPE, env={"PATH": "/usr/bin:/bin", "HOME": "/"}) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/x", url), url
            assert process.stdout.readline().startswith("READY ")
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert answer.read().startswith(b"one saw ")
        finally:
            process.terminate()
    running.sedna("delete", "pod,service", "--all")


# HOME-1.8
def test_open_shows_it_in_the_browser_that_is_named(running: Home, tmp_path: Path) -> None:
    apply(running, pod("page", ["python3", "-c", ECHO], labels={"app": "page"}), service("page", "page", 80, 5000))
    phase(running, "page", "Running")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/shown.new && mv {tmp_path}/shown.new {tmp_path}/shown\n')
    browser.chmod(0o755)
    with subprocess.Popen([str(SEDNA), "--state", str(running.state), "open", "svc/page"], text=True, stdout=subprocess.PIPE,
                          env={"PATH": "/usr/bin:/bin", "HOME": "/", "BROWSER": str(browser)}) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            eventually("it is shown", (tmp_path / "shown").exists, 20)
            assert (tmp_path / "shown").read_text().strip() == url
        finally:
            process.terminate()
    running.sedna("delete", "pod,service", "--all")
