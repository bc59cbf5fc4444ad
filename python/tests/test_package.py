"""What the package promises as a whole: light import, no thread, honest absences, Ctrl-C, fork."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(script: str, **env: str) -> str:
    """A script in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "python"), **env})
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


# JI-6.2
def test_import_is_light() -> None:
    """Only the standard library, no thread, no framework, no extension module; numpy comes with what needs it."""
    out = run("""
        import sys, threading
        import sedna
        from sedna.common.config import BaseConfig
        print(threading.active_count(), [m for m in ("pandas", "yaml", "torch", "tensorflow", "requests", "joblib",
              "sedna._sedna") if m in sys.modules])
    """)
    assert out.split(maxsplit=1) == ["1", "[]\n"]


@pytest.mark.parametrize("statement", [
    "import sedna.core.incremental_learning",
    "from sedna.core.federated_learning import FederatedLearning",
    "from sedna.core.lifelong_learning import LifelongLearning",
    "import sedna.core.multi_edge_inference.components.detector",
    "from sedna.algorithms.aggregation import FedAvg",
    "from sedna.service.server import AggregationServer",
    "from sedna.service.client import KBClient",
    "from sedna.core.base import ModelLoadingThread",
])
# JI-6.10
def test_absent_features_say_so(statement: str) -> None:
    with pytest.raises(ImportError, match="does not carry yet"):
        exec(statement)


def test_unknown_names_stay_unknown() -> None:
    with pytest.raises(ModuleNotFoundError):
        exec("import sedna.core.nosuch")
    with pytest.raises(ImportError, match="nosuch"):
        exec("from sedna.service.client import nosuch")


# JI-6.10
def test_a_missing_extension_module_says_what_to_do(tmp_path: Path) -> None:
    out = run("""
        import sys
        sys.modules["sedna._sedna"] = None
        from sedna.algorithms.hard_example_mining import MSPFilter
        try:
            MSPFilter()([0.5, 0.5])
        except ImportError as error:
            print(error)
    """)
    assert "pip install ." in out and "libssl-dev" in out and "unrelated project" in out


def test_version() -> None:
    import re

    import sedna

    declared = re.search(r"project\(sedna VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    assert declared and declared.group(1) == sedna.__version__


needs_core = pytest.mark.skipif(
    not any((ROOT / "python" / "sedna").glob("_sedna*.so")), reason="the extension module is not built here"
)

SERVICE = """
    import os
    from sedna.core.joint_inference import BigModelService
    class Model:
        def predict(self, data, **kwargs):
            return [len(data)]
    try:
        BigModelService(estimator=Model()).start()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print("ended", flush=True)
"""


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@needs_core
@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "interrupted\nended\n"), (signal.SIGTERM, "ended\n")])
# JI-6.9
def test_signals_end_a_service(number: Any, said: str) -> None:
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "BACKEND_TYPE": "SKLEARN", "BIG_MODEL_BIND_PORT": str(port)}
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(SERVICE)], stdout=subprocess.PIPE, text=True, env=env) as p:
        try:
            end = time.monotonic() + 30
            while True:
                assert p.poll() is None and time.monotonic() < end
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=1) as answer:
                        if answer.status == 200:
                            break
                except OSError:
                    time.sleep(0.02)  # a process that starts: nothing else to wait on
            request = urllib.request.Request(f"http://127.0.0.1:{port}/sedna/predict", b'{"data": [1, 2]}',
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.read() == b'{"result":[2]}'
            started = time.monotonic()
            p.send_signal(number)
            assert p.wait(10) == 0
            assert time.monotonic() - started < 5
            assert p.stdout is not None and p.stdout.read() == said
        finally:
            if p.poll() is None:
                p.kill()


@needs_core
# JI-6.11
def test_a_busy_port_is_named() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        out = run("""
            from sedna.service.server import InferenceServer
            import os
            try:
                InferenceServer(model=None, servername="m", http_port=int(os.environ["PORT"])).start()
            except Exception as error:
                print(type(error).__name__, error)
        """, PORT=str(port))
    assert str(port) in out


@needs_core
# JI-6.11
def test_no_service_beyond_loopback_by_accident() -> None:
    out = run("""
        from sedna.service.server import InferenceServer
        try:
            InferenceServer(model=None, servername="m", host="0.0.0.0", http_port=0).start()
        except Exception as error:
            print(error)
    """)
    assert "TLS" in out


@needs_core
# JI-6.6
def test_fork() -> None:
    """A job made before a fork works in parent and child (multiprocessing, data-loader workers)."""
    out = run("""
        import multiprocessing, numpy as np, os
        from sedna.core.joint_inference import JointInference
        class Model:
            def predict(self, data):
                return np.array([0.2, 0.3, 0.5])
        os.environ["BACKEND_TYPE"], os.environ["LC_SERVER"] = "SKLEARN", ""
        os.environ["BIG_MODEL_PORT"] = "1"
        job = JointInference(estimator=Model(), hard_example_mining={"method": "MSP", "param": {"threshold": 0.1}})
        first = job.inference(np.zeros(3))
        def child(queue):
            result = job.inference(np.zeros(3))
            queue.put((result[0], result.reason))
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        worker = context.Process(target=child, args=(queue,))
        worker.start()
        print(queue.get(timeout=20), first.reason)
        worker.join(20)
        print(worker.exitcode)
    """)
    assert out.split("\n")[0].startswith("(True,") and "\n0\n" in out
