"""`sedna up --install-service`: the unit that is written is one that systemd takes, and what it starts is a home that
tells systemd when it is ready and stops when it is told to."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from home import Home
from programs import SEDNA


def install(tmp_path: Path, state: Path, *args: str) -> tuple[Path, str]:
    """As an ordinary user (a root's unit would be the machine's): the file, and what was printed."""
    command = [str(SEDNA), "--state", str(state), "up", "--install-service", *args]
    if os.geteuid() == 0:
        if shutil.which("bwrap") is None:
            pytest.skip("as root this would write into /etc/systemd/system")
        command = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--uid", "1000", "--gid", "1000", "--", *command]
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    if done.returncode != 0 and "bwrap:" in done.stderr:
        pytest.skip("this machine has no user namespaces to be an ordinary user in")
    assert done.returncode == 0, done.stderr
    return tmp_path / "config" / "systemd" / "user" / "sedna.service", done.stdout


# HOME-2.9
def test_the_unit_is_what_systemd_takes(tmp_path: Path) -> None:
    state = tmp_path / "a state $HOME 100%"
    file, said = install(tmp_path, state, "--nodes", "cloud0:cloud,cam:edge", "--port", "17443", "--plain")
    assert str(file) in said and "systemctl --user" in said and "enable-linger" in said
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(file)
    assert unit["Service"]["Type"] == "notify"
    assert unit["Service"]["KillMode"] == "mixed"
    assert unit["Install"]["WantedBy"] == "default.target"
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(unit["Service"]["ExecStart"])]
    assert words == [str(SEDNA.resolve()), "up", "--state", str(state), "--nodes", "cloud0:cloud,cam:edge", "--port", "17443",
                     "--plain"]
    analyze = shutil.which("systemd-analyze")
    if analyze:
        checked = subprocess.run([analyze, "verify", "--user", str(file)], capture_output=True, text=True,
                                 env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})
        assert "sedna.service" not in checked.stderr, checked.stderr
    again, _ = install(tmp_path, state)
    assert again == file and "--port" not in file.read_text()  # replaced, not added to
    assert not (state / "home.json").exists()  # nothing was started


# HOME-2.9
def test_wrong_nodes_are_refused_now_and_not_at_boot(tmp_path: Path) -> None:
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
    done = subprocess.run([str(SEDNA), "--state", str(tmp_path / "s"), "up", "--install-service", "--nodes", "a:sky"],
                          capture_output=True, text=True, timeout=60, env=env)
    assert done.returncode != 0 and "sky" in done.stderr
    assert not (tmp_path / "config").exists()


# HOME-2.9
def test_what_the_unit_starts_says_when_it_is_ready_and_stops_when_told(tmp_path: Path) -> None:
    state = tmp_path / "state"
    file, _ = install(tmp_path, state, "--nodes", "cloud0:cloud", "--plain")
    start = next(line for line in file.read_text().splitlines() if line.startswith("ExecStart="))
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        notify.settimeout(90)
        env = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "SEDNA_STATE")}
        with subprocess.Popen(shlex.split(start.removeprefix("ExecStart=")), env={**env, "NOTIFY_SOCKET": str(path)},
                              stdout=subprocess.DEVNULL) as up:
            try:
                told = ""
                while "READY=1" not in told:
                    told += notify.recv(4096).decode()
                it = Home(state)
                assert [n["ready"] for n in it.json("status")["nodes"]] == [True]
            finally:
                up.send_signal(signal.SIGTERM)
                assert up.wait(timeout=120) == 0
    assert not Home(state).processes()
