"""Starts and stops the two workers of one pass and reads back what they answered, in Python or as ``sedna-worker``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORKER = ROOT / "build" / "bin" / "sedna-worker"


@dataclass(frozen=True)
class Pass:
    """What one pass over the test samples gave, an array element a sample; -1 where the cloud was not asked."""

    edge: np.ndarray
    cloud: np.ndarray
    score: np.ndarray
    latency_ms: np.ndarray
    upload_bytes: int
    cloud_cpu_seconds: float

    @property
    def offloaded(self) -> np.ndarray:
        return self.cloud >= 0

    @property
    def final(self) -> np.ndarray:
        return np.where(self.offloaded, self.cloud, self.edge)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(port: int) -> float:
    """Processor time the cloud worker says it has used."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    match = re.search(r"^process_cpu_seconds_total (\S+)", text, re.MULTILINE)
    if match is None:
        raise RuntimeError("the cloud worker's /metrics has no process_cpu_seconds_total")
    return float(match[1])


class Workers:
    """One way of running both workers. ``folder`` holds the models and samples; results and logs land there too."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def calibrate(self, ratio: float) -> dict:
        """Chooses the filter's threshold on the calibration samples; returns what the calibration file says."""
        raise NotImplementedError

    def cloud_command(self, port: int) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def edge_command(self, port: int, result: Path, everything: bool) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError

    def read(self, result: Path) -> list[dict]:
        return [json.loads(line) for line in result.read_text(encoding="utf-8").splitlines()]

    @contextlib.contextmanager
    def cloud(self) -> Iterator[int]:
        """The cloud worker, ready on the port yielded, stopped at the end."""
        port = free_port()
        command, env = self.cloud_command(port)
        log = self.folder / f"cloud-{self.name}.log"
        with open(log, "w", encoding="utf-8") as out, subprocess.Popen(
            command, env={**os.environ, **env}, stdout=out, stderr=subprocess.STDOUT
        ) as worker:
            try:
                self._wait_ready(worker, port, log)
                yield port
            finally:
                worker.send_signal(signal.SIGTERM)
                try:
                    worker.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    worker.kill()

    @staticmethod
    def _wait_ready(worker: subprocess.Popen, port: int, log: Path) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if worker.poll() is not None:
                raise RuntimeError(f"the cloud worker ended with {worker.returncode}; its log:\n{log.read_text()[-2000:]}")
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=1) as answer:
                    if answer.status == 200:
                        return
            time.sleep(0.05)  # it listens before it is ready; there is nothing else to wait on from outside
        raise RuntimeError(f"the cloud worker was not ready after 60 s; its log is {log}")

    def passes(self, say: Callable[[str], None]) -> tuple[Pass, Pass]:
        """Runs the test samples twice: all of them sent to the cloud, and only the hard ones."""
        with self.cloud() as port:
            say(f"   cloud worker ready on port {port}; sending everything …")
            self.run(port, everything=True)  # connections, caches and lazy imports are warm for both passes that count
            everything = self.run(port, everything=True)
            say("   … and now only the hard ones")
            return everything, self.run(port, everything=False)

    def run(self, port: int, everything: bool) -> Pass:
        """Streams the test samples through an edge worker; ``everything`` sends each one to the cloud."""
        kind = "cloud_only" if everything else "joint"
        result = self.folder / f"{kind}-{self.name}.jsonl"
        command, env = self.edge_command(port, result, everything)
        before = cpu_seconds(port)
        done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(f"the edge worker ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return self._pass(self.read(result), cpu_seconds(port) - before)

    @staticmethod
    def _pass(rows: list[dict], cloud_cpu: float) -> Pass:
        return Pass(
            edge=np.array([r["edge"] for r in rows]),
            cloud=np.array([-1 if r["cloud"] is None else r["cloud"] for r in rows]),
            score=np.array([r["score"] for r in rows]),
            latency_ms=np.array([r["latency_ms"] for r in rows]),
            upload_bytes=sum(r["upload_bytes"] for r in rows),
            cloud_cpu_seconds=cloud_cpu,
        )


class PythonWorkers(Workers):
    """``big_model.py`` and ``little_model.py``: scikit-learn estimators through the Python package."""

    name = "python"

    def _env(self, **extra: str) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT / "python"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        return {"PYTHONPATH": path, "BACKEND_TYPE": "SKLEARN", "JOB_NAME": "digits", "LC_SERVER": "", **extra}

    def calibrate(self, ratio: float) -> dict:
        import joblib
        import sedna

        model_file = self.folder / "edge.joblib"
        samples = np.load(self.folder / "calibration.npz")
        out = self.folder / "calibration-python.json"
        sedna.calibrate(
            joblib.load(model_file).predict_proba(samples["input"]), samples["label"],
            filter="MSP", ratio=ratio, model=model_file, output=out,
        )
        return json.loads(out.read_text())

    def cloud_command(self, port: int) -> tuple[list[str], dict[str, str]]:
        env = self._env(MODEL_URL=str(self.folder / "cloud.joblib"), BIG_MODEL_BIND_IP="127.0.0.1",
                        BIG_MODEL_BIND_PORT=str(port))
        return [sys.executable, str(HERE / "big_model.py")], env

    def edge_command(self, port: int, result: Path, everything: bool) -> tuple[list[str], dict[str, str]]:
        env = self._env(
            MODEL_URL=str(self.folder / "edge.joblib"), BIG_MODEL_IP="127.0.0.1", BIG_MODEL_PORT=str(port),
            SAMPLES_URL=str(self.folder / "test.npz"), RESULT_URL=str(result),
            HEM_NAME="CloudOnly" if everything else "MSP",
        )
        if not everything:
            env["SEDNA_CALIBRATION"] = str(self.folder / "calibration-python.json")
        return [sys.executable, str(HERE / "little_model.py")], env


class NativeWorkers(Workers):
    """``sedna-worker`` on the two ONNX files: no user code, no Python."""

    name = "native"

    def calibrate(self, ratio: float) -> dict:
        out = self.folder / "calibration-native.json"
        command = [str(WORKER), "calibrate", "--model", f"edge={self.folder / 'edge.onnx'}", "--data",
                   f"npz:{self.folder / 'calibration.npz'}", "--filter", "MSP", "--ratio", str(ratio), "--out", str(out)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(out.read_text())

    def cloud_command(self, port: int) -> tuple[list[str], dict[str, str]]:
        return [str(WORKER), "infer", "--model", f"digits={self.folder / 'cloud.onnx'}", "--port", str(port)], {}

    def edge_command(self, port: int, result: Path, everything: bool) -> tuple[list[str], dict[str, str]]:
        command = [str(WORKER), "edge", "--model", f"edge={self.folder / 'edge.onnx'}", "--cloud", f"127.0.0.1:{port}",
                   "--cloud-model", "digits", "--source", f"npz:{self.folder / 'test.npz'}", "--report", str(result),
                   "--in-flight", "1"]  # one at a time, as the Python worker: latencies without waiting in a queue
        if everything:
            command += ["--filter", "CloudOnly"]
        else:
            command += ["--filter", "MSP", "--calibration", str(self.folder / "calibration-native.json")]
        return command, {"LC_SERVER": ""}
