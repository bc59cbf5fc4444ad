"""The demo's two workers as a user of the system runs them: a home on this machine, a JointInferenceService by YAML.

``sedna up`` brings up a cloud node and an edge node, ``sedna apply`` makes the service, the edge worker streams the test
images and writes what was answered into a folder of its node. A pass with another filter is a changed YAML.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from digits_home import SEDNA, Home
from workers import HERE, NativeWorkers, Pass, PythonWorkers, Workers, cpu_seconds

RESULT_SECONDS = 120


@contextlib.contextmanager
def forwarded(home: Home, what: str, port: int) -> Iterator[int]:
    """A port of this machine that leads to one of a worker."""
    with subprocess.Popen([str(SEDNA), "--state", str(home.state), "port-forward", what, f":{port}"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if match := re.search(r"^READY 127\.0\.0\.1:(\d+)", line):
                    yield int(match[1])
                    return
            raise RuntimeError(f"sedna port-forward {what} {port} ended with {process.wait()}")
        finally:
            process.terminate()


class ServiceWorkers(Workers):
    """A kind of workers run as a service; ``plain`` prepares the calibration and reads the answers."""

    def __init__(self, home: Home, plain: Workers, manifest: Path, service: str) -> None:
        super().__init__(plain.folder)
        self.home, self.plain, self.manifest, self.service = home, plain, manifest, service
        self.name = plain.name
        self.__doc__ = f"{manifest.name} through `sedna apply`, workers in {plain.name}"

    def calibrate(self, ratio: float) -> dict:
        calibration = self.plain.calibrate(ratio)
        self._deliver()
        return calibration

    def _deliver(self) -> None:
        """Puts onto each node what its workers read; a cluster's nodes would fetch it from a URL."""
        files = {
            "edge0": ["models/edge.joblib", "models/edge.onnx", f"models/calibration-{self.name}.json",
                      "samples/test.npz", "samples/index.txt"],
            "cloud0": ["models/cloud.joblib", "models/cloud.onnx"],
        }
        for node, names in files.items():
            for name in names:
                target = self.home.folder(node) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.folder / Path(name).name, target)
        (self.home.folder("edge0") / "results").mkdir(exist_ok=True)

    def passes(self, say) -> tuple[Pass, Pass]:
        say("   sedna apply: the filter sends everything …")
        self._run("first", "CloudOnly")  # the cloud worker may not be there yet: the edge then answers alone
        self._run("warm-up", "CloudOnly")  # connections, caches and lazy imports are warm for both passes that count
        with forwarded(self.home, f"svc/{self.service}-cloud", 5000) as port:
            everything = self._measured(port, "cloud_only", "CloudOnly")
            say("   … and now, with a changed YAML, only the hard ones")
            joint = self._measured(port, "joint", "MSP")
        return everything, joint

    def stop(self) -> None:
        self.home.sedna("delete", "-f", str(self.manifest))

    def _measured(self, port: int, name: str, filter_name: str) -> Pass:
        before = cpu_seconds(port)
        result = self._run(name, filter_name)
        return self._pass(self.plain.read(result), cpu_seconds(port) - before)

    def _run(self, name: str, filter_name: str) -> Path:
        """One pass of the edge worker over the samples; the file of its answers."""
        result = self.home.folder("edge0") / "results" / f"{name}-{self.name}.jsonl"
        result.unlink(missing_ok=True)
        text = self.manifest.read_text(encoding="utf-8")
        for old, new in ((r"name: MSP\b", f"name: {filter_name}"), (r"results/joint-", f"results/{name}-")):
            text, count = re.subn(old, new, text)
            if count != 1:
                raise RuntimeError(f"{self.manifest}: '{old}' was expected once and is there {count} times")
        if filter_name != "MSP":  # a calibration belongs to its filter
            text = re.sub(r".*SEDNA_CALIBRATION.*\n", "", text)
        self.home.sedna("apply", "-f", "-", "--wait", text=text)
        self._wait_for(result)
        return result

    def _wait_for(self, result: Path) -> None:
        expected = (self.folder / "index.txt").read_bytes().count(b"\n")
        end = time.monotonic() + RESULT_SECONDS
        while time.monotonic() < end:
            if result.exists() and result.read_bytes().count(b"\n") == expected:
                return
            time.sleep(0.05)  # files of another process: there is nothing to wait on that both kinds of workers offer
        status = subprocess.run([str(SEDNA), "--state", str(self.home.state), "status"], capture_output=True, text=True)
        raise RuntimeError(f"no {expected} answers in {result} after {RESULT_SECONDS} s:\n{status.stdout}")


def service_workers(home: Home, kind: type[Workers], folder: Path) -> ServiceWorkers:
    """The service of a kind of workers."""
    manifest, service = {
        PythonWorkers: ("digits.yaml", "digits"),
        NativeWorkers: ("digits-native.yaml", "digits-native"),
    }[kind]
    return ServiceWorkers(home, kind(folder), HERE / manifest, service)
