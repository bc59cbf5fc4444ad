"""What the framework tests share: a cloud worker in a process of its own, and import orders tried in fresh interpreters."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import sedna

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = Path(sedna.__file__).resolve().parents[1]  # the checkout's, or an installed one


def environment(**extra: str) -> dict[str, str]:
    """This process's environment with the package on the path and nobody to report to."""
    path = os.pathsep.join([str(PACKAGE), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "PYTHONPATH": path, "LC_SERVER": "", **extra}


@contextlib.contextmanager
def cloud_worker(script: str, model_url: Path, backend: str) -> Iterator[int]:
    """Runs a user's cloud script (it calls BigModelService) until the block ends; yields the port, ready."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    env = environment(
        BACKEND_TYPE=backend, MODEL_URL=str(model_url), BIG_MODEL_BIND_IP="127.0.0.1", BIG_MODEL_BIND_PORT=str(port)
    )
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], env=env) as worker:
        try:
            end = time.monotonic() + 90
            while True:
                assert worker.poll() is None, f"the cloud worker ended with {worker.returncode}"
                assert time.monotonic() < end, "the cloud worker was not ready within 90 s"
                with contextlib.suppress(OSError):
                    if urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=1).status == 200:
                        break
                time.sleep(0.1)  # nothing else to wait on from outside
            yield port
        finally:
            worker.terminate()
            worker.wait(timeout=20)


def run_fresh(script: str, **env: str) -> str:
    """Runs a script in a fresh interpreter; its standard output. Fails the test with its error output."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment(**env), capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def check_import_orders(framework: str, compute: str) -> None:
    """Both orders import, extension module included, and neither breaks the other's computations. ``compute`` multiplies
    two matrices of 64 x 64 ones with the framework: their sum."""
    for first, second in ((framework, "sedna._sedna"), ("sedna._sedna", framework)):
        out = run_fresh(f"""
            import {first}
            import {second}
            import numpy as np
            from sedna.core.joint_inference import JointInference

            class Edge:
                def predict(self, data): return np.array([0.9, 0.1])

            assert float({compute}) == 64 ** 3
            job = JointInference(estimator=Edge(), hard_example_mining={{"method": "MSP", "param": {{"threshold": 0.5}}}})
            assert job.inference(np.zeros(4)).reason == "easy"
            assert float({compute}) == 64 ** 3
            print("alive")
        """, BACKEND_TYPE="SKLEARN")
        assert "alive" in out


def joint_environment(monkeypatch, port: int, model_url: Path, backend: str) -> None:
    """The environment that a joint-inference edge worker gets from its Pod."""
    for name, value in {
        "BACKEND_TYPE": backend, "MODEL_URL": str(model_url), "BIG_MODEL_IP": "127.0.0.1", "BIG_MODEL_PORT": str(port),
        "LC_SERVER": "", "SEDNA_CLOUD_DEADLINE_MS": "20000",
    }.items():
        monkeypatch.setenv(name, value)
