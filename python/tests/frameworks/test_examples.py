"""The two examples of changed lines: at most five, and worth it on real data."""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from harness import ROOT, cloud_worker, environment

CASES = {"pytorch": ("torch", "TORCH", ".pt"), "keras": ("keras", "KERAS", ".weights.h5")}


def run(folder: Path, script: str, *args: str, **env: str) -> str:
    done = subprocess.run([sys.executable, script, *args], cwd=folder, env={**environment(), **env}, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("name", CASES)
# JI-6.8
def test_at_most_five_changed_lines(name):
    folder = ROOT / "examples" / name
    stock, joint = ((folder / f).read_text().splitlines() for f in ("stock.py", "joint.py"))
    delta = [d for d in difflib.ndiff(stock, joint) if d[0] in "+-"]
    added, removed = sum(d[0] == "+" for d in delta), sum(d[0] == "-" for d in delta)
    assert max(added, removed) <= 5
    shown = [d for d in (folder / "changes.diff").read_text().splitlines() if re.match(r"[+-](?![+-])", d)]
    assert sorted(shown) == sorted(d[0] + d[2:] for d in delta), "changes.diff is not what changed"


@pytest.mark.parametrize("name", CASES)
# JI-6.8
def test_the_joint_script_is_better_than_the_stock_one(name, tmp_path):
    module, backend, extension = CASES[name]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    folder = ROOT / "examples" / name
    run(folder, "train.py", str(tmp_path))
    edge, cloud = str(tmp_path / f"edge{extension}"), tmp_path / f"cloud{extension}"
    alone = float(run(folder, "stock.py", edge).split()[-1])
    script = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {os.fspath(folder)!r})
        exec(open({os.fspath(folder / "cloud.py")!r}).read())
    """)
    with cloud_worker(script, cloud, backend) as port:
        together = float(run(folder, "joint.py", edge, MODEL_URL=edge, BACKEND_TYPE=backend, BIG_MODEL_IP="127.0.0.1",
                             BIG_MODEL_PORT=str(port), HEM_NAME="MSP", SEDNA_CLOUD_DEADLINE_MS="10000",
                             HEM_PARAMETERS='[{"key": "threshold", "value": "0.3"}]').split()[-1])
    assert together > alone + 0.01
