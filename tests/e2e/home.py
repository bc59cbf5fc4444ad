"""A home of its own for a test: ``sedna up`` in a temporary state folder, ``sedna down`` at the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from programs import SEDNA


class Home:
    def __init__(self, state: Path) -> None:
        self.state = state

    def run(self, *args: str, text: str | None = None, timeout: float = 180) -> subprocess.CompletedProcess:
        """``sedna ARGS`` on this home, whatever comes of it."""
        env = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "SEDNA_STATE")}
        return subprocess.run([str(SEDNA), "--state", str(self.state), *args], input=text, capture_output=True,
                              text=True, timeout=timeout, env=env)

    def sedna(self, *args: str, text: str | None = None) -> str:
        """The same, which must succeed; its standard output."""
        done = self.run(*args, text=text)
        assert done.returncode == 0, f"sedna {' '.join(args)} → {done.returncode}\n{done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout

    def json(self, *args: str) -> dict:
        return json.loads(self.sedna(*args, "-o", "json"))

    def up(self, *args: str) -> None:
        self.sedna("up", "--detach", *args)

    def logs(self) -> str:
        """The ends of the daemons' logs, for messages of failed tests."""
        parts = []
        for log in sorted((self.state / "logs").glob("*.log")):
            parts.append(f"── {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]))
        return "\n".join(parts)

    def daemons(self) -> dict[str, int]:
        """Process ids by name."""
        out = {}
        for file in (self.state / "run").glob("*.json"):
            with contextlib.suppress(FileNotFoundError):  # the daemon has ended between the listing and the look
                out[file.stem] = json.loads(file.read_text())["pid"]
        return out

    def kill(self, daemon: str) -> int:
        pid = self.daemons()[daemon]
        os.kill(pid, signal.SIGKILL)
        return pid

    def processes(self) -> list[str]:
        """Command lines that name the state folder."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.state) in line:
                    found.append(line)
        return found

    def running(self, service: str) -> bool:
        conditions = self.json("get", "ji", service).get("status", {}).get("conditions", [])
        return any(c["type"] == "Running" and c["status"] == "True" for c in conditions)


@contextlib.contextmanager
def home(state: Path, *args: str) -> Iterator[Home]:
    running = Home(state)
    try:
        running.up(*args)
        yield running
    finally:
        done = running.run("down")
        assert done.returncode == 0, done.stderr


def linear_model(path: Path, columns: int) -> None:
    """An ONNX model of ``columns`` inputs and classes: softmax(4 x), so that the largest input wins."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = numpy_helper.from_array(4 * np.eye(columns, dtype=np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["input", "w"], ["logits"]), helper.make_node("Softmax", ["logits"], ["p"], axis=1)],
        "linear",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, columns])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, columns])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
