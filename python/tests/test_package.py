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
from doubles import silent_cloud
from vectors import PACKAGE, ROOT


def run(script: str, **env: str) -> str:
    """A script in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(PACKAGE), **env})
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
    "from sedna.core.lifelong_learning import LifelongLearning",
    "import sedna.core.multi_edge_inference.components.detector",
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
    not any((PACKAGE / "sedna").glob("_sedna*.so")), reason="the extension module is not built here"
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
    env = {**os.environ, "PYTHONPATH": str(PACKAGE), "BACKEND_TYPE": "SKLEARN", "BIG_MODEL_BIND_PORT": str(port)}
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


@needs_core
# JI-7.13
def test_secrets_stay_out_of_logs_errors_and_arguments(tmp_path: Path) -> None:
    """Keys, tokens and passwords in URLs: neither what is said nor what `ps` shows contains them."""
    (tmp_path / "token").write_text("tok-5ecret\n")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent("""
            import os, numpy as np
            from pathlib import Path
            from sedna.common.file_ops import FileOps
            from sedna.common.config import BaseConfig
            from sedna.core.joint_inference import JointInference
            class Echo:
                def predict(self, data):
                    return data
            for url in ("s3://bucket/model.bin", "http://user:pa55word@127.0.0.1:1/model.bin",
                        "http://127.0.0.1:1/m?X-Amz-Signature=5ignature"):
                try:
                    FileOps.download(url, "model.bin")
                except Exception as error:
                    print(repr(error))
                else:
                    raise AssertionError(url)
            job = JointInference(estimator=Echo(), hard_example_mining={"method": "CloudOnly"})
            for _ in range(7):
                result = job.inference(np.zeros(3))
                print(result, result.message)
            print(job.__dict__, repr(job.config), repr(BaseConfig()))
            print(Path("/proc/self/cmdline").read_text().split(chr(0))[0])
        """)], capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "BACKEND_TYPE": "SKLEARN", "LOG_LEVEL": "DEBUG", "LC_SERVER": "",
             "S3_ENDPOINT_URL": "http://127.0.0.1:1", "ACCESS_KEY_ID": "AK1", "SECRET_ACCESS_KEY": "53cretkey",
             "SEDNA_TOKEN_FILE": str(tmp_path / "token"), "BIG_MODEL_IP": "127.0.0.1", "BIG_MODEL_PORT": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout + done.stderr
    assert "127.0.0.1:1" in said, "nothing was said at all"
    for secret in ("tok-5ecret", "pa55word", "53cretkey", "5ignature"):
        assert secret not in said, said[max(0, said.index(secret) - 200):][:400]


@needs_core
# JI-6.6
def test_fork_before_use_and_fresh_processes() -> None:
    """A job made but not used is used in children only; and a spawned child makes its own."""
    out = run("""
        import multiprocessing, numpy as np, os
        from sedna.core.joint_inference import JointInference
        class Model:
            def predict(self, data):
                return np.array([0.2, 0.3, 0.5])
        os.environ.update(BACKEND_TYPE="SKLEARN", LC_SERVER="", BIG_MODEL_PORT="1")
        job = JointInference(estimator=Model(), hard_example_mining={"method": "MSP", "param": {"threshold": 0.1}})
        def child(index):
            results = [job.inference(np.zeros(3)) for _ in range(8)] + list(job.stream([np.zeros(3)] * 4))
            future = job.submit(np.zeros(3))
            return [r.reason for r in results + [future.result(20)]]
        with multiprocessing.get_context("fork").Pool(3) as pool:
            answers = pool.map(child, range(6))
        assert all(len(a) == 13 and set(a) <= {"transport", "breaker"} for a in answers), answers
        assert job.counts["inferences"] == 0  # the children counted for themselves
        print(job.inference(np.zeros(3)).reason)
    """)
    assert out == "transport\n"


@needs_core
@pytest.mark.parametrize("how", ["[job.inference(data) for data in endless()]", "list(job.stream(endless()))"])
def test_ctrl_c_ends_an_edge_worker_whose_cloud_hangs(how: str) -> None:
    """Within the deadline of the call under way, with the status that shells know (128 + SIGINT)."""

    script = """
        import itertools, numpy as np
        from sedna.core.joint_inference import JointInference
        class Echo:
            def predict(self, data):
                return data
        job = JointInference(estimator=Echo(), hard_example_mining={"method": "CloudOnly"}, deadline=0.5)
        def endless():
            print("running", flush=True)
            return itertools.repeat(np.zeros(3))
    """
    with silent_cloud() as port:
        env = {**os.environ, "PYTHONPATH": str(PACKAGE), "BACKEND_TYPE": "SKLEARN", "LC_SERVER": "",
               "BIG_MODEL_IP": "127.0.0.1", "BIG_MODEL_PORT": str(port)}
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script) + how], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=env) as p:
            try:
                assert p.stdout is not None and p.stdout.readline() == "running\n"
                time.sleep(0.2)  # into the call that hangs
                p.send_signal(signal.SIGINT)
                started = time.monotonic()
                _, said = p.communicate(timeout=20)
                assert time.monotonic() - started < 4
                assert p.returncode == -signal.SIGINT and "KeyboardInterrupt" in said, said
            finally:
                if p.poll() is None:
                    p.kill()


@needs_core
@pytest.mark.parametrize("ending", ["job.submit(np.zeros(3))", "next(job.stream(itertools.repeat(np.zeros(3))))",
                                    "threading.Thread(target=job.inference, args=(np.zeros(3),), daemon=True).start()"])
def test_a_script_that_ends_with_calls_in_flight_ends_well(ending: str) -> None:
    """And with a service on a daemon thread, a job of which nothing was asked, and one that is a global."""

    script = """
        import itertools, os, threading, numpy as np
        from sedna.core.joint_inference import BigModelService, JointInference
        class Echo:
            def predict(self, data, **kwargs):
                return data
        service = BigModelService(estimator=Echo())
        threading.Thread(target=service.start, daemon=True).start()
        while service.inference_server is None or not service.inference_server.ready.wait(0.01):
            pass
        unused = JointInference(estimator=Echo())
        job = JointInference(estimator=Echo(), hard_example_mining={"method": "CloudOnly"}, deadline=0.4)
    """
    with silent_cloud() as port:
        started = time.monotonic()
        run(textwrap.dedent(script) + ending, BACKEND_TYPE="SKLEARN", LC_SERVER="", BIG_MODEL_IP="127.0.0.1",
            BIG_MODEL_PORT=str(port), BIG_MODEL_BIND_PORT="0")
        assert time.monotonic() - started < 8
