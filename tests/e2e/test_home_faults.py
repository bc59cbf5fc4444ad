"""Daemons that are killed, a supervisor that is killed, and what `sedna down` leaves: nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from home import Home, home, linear_model
from programs import eventually


@pytest.fixture
def service(tmp_path: Path):
    linear_model(tmp_path / "small.onnx", 4)
    linear_model(tmp_path / "big.onnx", 4)
    with home(tmp_path / "state") as it:
        it.sedna("run", "--edge", str(tmp_path / "small.onnx"), "--cloud", str(tmp_path / "big.onnx"), "--name", "digits",
                 "--param", "threshold=0.5")
        yield it


def supervisor(it: Home) -> int:
    return int((it.state / "up.lock").read_text())


def pods(it: Home) -> dict[str, int]:
    """Names and restarts."""
    return {w["name"]: w["restarts"] for w in it.json("status")["workers"]}


# HOME-2.3
def test_every_daemon_may_be_killed(service: Home) -> None:
    before = pods(service)
    for daemon in ("lc-edge0", "gm", "node-edge0", "apiserver"):
        old = service.kill(daemon)
        eventually(f"{daemon} runs again", lambda d=daemon, p=old: service.daemons().get(d, p) != p)
        eventually(f"all is well after {daemon}", lambda: service.run("status").returncode == 0)
        assert service.running("digits")
    assert pods(service) == before, "workers were restarted by a daemon's end"


# HOME-2.2
def test_a_killed_supervisor_is_followed_by_the_next(service: Home) -> None:
    before = service.daemons()
    os.kill(supervisor(service), signal.SIGKILL)
    assert service.running("digits")
    assert "not supervised" in service.sedna("status")
    service.up()
    assert service.daemons() == before, "the next `up` adopts, it starts nothing anew"
    assert service.running("digits")
    assert "supervised by process" in service.sedna("status")


# HOME-2.5
def test_down_leaves_nothing_even_after_a_killed_supervisor(service: Home) -> None:
    os.kill(supervisor(service), signal.SIGKILL)
    service.sedna("down")
    assert service.processes() == []
    assert str(service.state) not in Path("/proc/self/mounts").read_text()
    service.up()  # the objects are kept: the service runs again by itself
    eventually("the service runs again", lambda: service.running("digits") and service.run("status").returncode == 0)
