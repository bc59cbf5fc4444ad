"""``pip install .`` as a user runs it: one wheel, numpy only, small, typed, quick to import, no thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from processes import ROOT

pytestmark = pytest.mark.slow

PROBE = """
import json, sys, threading, time
start = time.perf_counter(); import numpy; over = time.perf_counter()
import sedna
from sedna.core.joint_inference import JointInference
print(json.dumps({
    "numpy": over - start, "sedna": time.perf_counter() - over, "threads": len(__import__("os").listdir("/proc/self/task")),
    "heavy": sorted(m for m in ("pandas", "requests", "torch", "tensorflow", "onnxruntime", "sklearn") if m in sys.modules),
    "file": sedna.__file__,
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(out), str(ROOT)],
        capture_output=True, text=True, timeout=1500,
        env={**os.environ, "CMAKE_CXX_COMPILER_LAUNCHER": "ccache", "CXX": "clang++-19", "CCACHE_NOHASHDIR": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    (found,) = out.glob("sedna-*.whl")
    return found


# JI-6.2
def test_wheel_is_small_typed_and_needs_numpy_only(wheel):
    assert wheel.stat().st_size < 15e6
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(n for n in names if n.endswith("METADATA"))).decode()
    assert "sedna/py.typed" in names
    assert any(n.endswith(".pyi") for n in names)
    needed = [x for x in metadata.splitlines() if x.startswith("Requires-Dist:") and "extra ==" not in x]
    assert [x.split()[1].split(">")[0].split("<")[0] for x in needed] == ["numpy"]


# JI-6.2
def test_installed_package_imports_quickly_and_starts_no_thread(wheel, tmp_path):
    venv.create(tmp_path / "v", with_pip=False, system_site_packages=False)
    python = tmp_path / "v" / "bin" / "python"
    site = next((tmp_path / "v" / "lib").glob("python3*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    import numpy

    (site / "numpy.pth").write_text(str(Path(numpy.__file__).resolve().parents[1]) + "\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    best = None
    for _ in range(7):
        out = subprocess.run([str(python), "-c", PROBE], capture_output=True, text=True, timeout=60, env=env, cwd=tmp_path)
        assert out.returncode == 0, out.stderr
        probe = json.loads(out.stdout)
        best = min(best or probe["sedna"], probe["sedna"])
    assert probe["file"].startswith(str(tmp_path)), "not the installed package was imported"
    assert probe["threads"] == 1
    assert probe["heavy"] == []
    assert best < 0.060, f"import sedna took {best * 1e3:.1f} ms over numpy"
