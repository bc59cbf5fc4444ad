"""The command line where no server is needed: its reference page, its errors, its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from home import Home, linear_model
from programs import ROOT, SEDNA


# HOME-1.7
def test_the_reference_page_is_what_help_says() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tools" / "cli_reference.py"), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("nonsense",), 2, "there is no command 'nonsense'"),
        (("get",), 2, "what is required"),
        (("get", "pods", "-o", "xml"), 2, "jsonpath=TEMPLATE"),
        (("up", "--nodes", "a:b"), 2, "there are cloud and edge"),
        (("get", "pods"), 1, "sedna up"),
        (("net", "cut", "edge0"), 1, "no home"),
        (("run", "--edge", "/none.onnx", "--cloud", "/none.onnx"), 2, "no file /none.onnx"),
    ],
)
# HOME-1.7
def test_errors_say_what_to_do(tmp_path: Path, args: tuple[str, ...], code: int, text: str) -> None:
    done = Home(tmp_path / "none").run(*args)
    assert done.returncode == code, done.stderr
    assert text in done.stderr


# HOME-2.5
def test_down_without_a_home_is_no_failure(tmp_path: Path) -> None:
    done = Home(tmp_path / "none").run("down")
    assert done.returncode == 0 and "There is no home" in done.stderr


# HOME-2.6
def test_run_prints_its_yaml(tmp_path: Path) -> None:
    linear_model(tmp_path / "Small Model.onnx", 4)
    linear_model(tmp_path / "big.onnx", 4)
    text = Home(tmp_path / "none").sedna("run", "--edge", str(tmp_path / "Small Model.onnx"), "--cloud",
                                         str(tmp_path / "big.onnx"), "--dry-run")
    assert text.count("kind: ") == 3 and "name: small-model\n" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
# HOME-1.7
def test_completions_know_the_commands(shell: str) -> None:
    text = subprocess.run([str(SEDNA), "completion", shell], capture_output=True, text=True, check=True).stdout
    assert "port-forward" in text and "jointinferenceservices" in text
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)
