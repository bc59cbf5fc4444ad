"""Starts the project's programs as a user would, for the end-to-end tests."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from programs import WORKER


@dataclass
class Worker:
    """A running ``sedna-worker``; ``lines`` is everything it has written so far."""

    process: subprocess.Popen
    port: int = 0
    lines: list[str] = field(default_factory=list)
    said: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, text: str, seconds: float = 20) -> None:
        """Until the worker has written a line with this text."""
        with self.said:
            assert self.said.wait_for(lambda: any(text in line for line in self.lines), seconds), (
                f"{text!r} was expected; the worker said:\n" + "\n".join(self.lines))

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def sedna_worker(*args: str, env: dict[str, str] | None = None, ready: str = r"https?://[^\s:]+:(\d+)") -> Iterator[Worker]:
    """``sedna-worker ARGS``, ready (it has printed where it listens) and stopped at the end of the block."""
    full = {**os.environ, "LC_SERVER": "", **(env or {})}
    process = subprocess.Popen(
        [str(WORKER), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=full
    )
    worker = Worker(process)
    found = threading.Event()

    def pump() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with worker.said:
                worker.lines.append(line.rstrip("\n"))
                worker.said.notify_all()
            if not found.is_set() and (match := re.search(ready, line)):
                worker.port = int(match[1])
                found.set()
        found.set()  # it ended: do not wait for more

    reader = threading.Thread(target=pump, daemon=True)
    reader.start()
    try:
        assert found.wait(timeout=60), "the worker was not ready within 60 s"
        assert worker.port, "the worker ended before it was ready:\n" + "\n".join(worker.lines)
        yield worker
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(timeout=10)
