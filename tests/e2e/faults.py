"""What tests of faults share: processes that die at a chosen call, clocks that jump, slow links, clients as threads."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from processes import sedna_worker
from programs import ROOT

if not any((Path(folder) / "sedna").is_dir() for folder in sys.path):
    sys.path.insert(0, str(ROOT / "python"))

# Sums that do not depend on who comes first: models are compared bit for bit.
STRICT = ("--strict", "true", "--lease", "5")


def shim(folder: Path) -> str:
    """faults.c as a library for LD_PRELOAD; see there for what it does."""
    library = folder / "faults.so"
    if not library.exists():
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(Path(__file__).with_name("faults.c")), "-ldl"],
                       check=True, timeout=60)
    return str(library)


def step(weights: list[np.ndarray], number: int) -> list[np.ndarray]:
    """Training, as far as these tests need it: what comes out depends on what went in and on who trains."""
    return [(w * np.float32(0.75) + np.float32((number + 1) / 7)).astype(np.float32) for w in weights]


def beginning(size: int) -> np.ndarray:
    """What all of them begin with."""
    return (np.arange(size) % 97 / 97).astype(np.float32)


@dataclass
class Trainer:
    """A client of the package's core on a thread; ``trained`` are the rounds that it has trained, in order."""

    port: int
    number: int
    size: int = 6
    before: Callable[[int], None] = lambda round_number: None  # runs as part of the training
    trained: list[int] = field(default_factory=list)
    final: bytes = b""
    failure: str = ""
    resumed: int = 0
    reconnects: int = 0

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        from sedna._native import native

        try:
            client = native.FederatedHttpClient(
                {"AGG_IP": "127.0.0.1", "AGG_PORT": str(self.port), "AGG_PROTOCOL": "http", "WORKER_NAME": f"c{self.number}",
                 "CONNECT_TIMEOUT": "60"}, "FedAvg")
            client.connect()
            start = [beginning(self.size)]
            if client.wants_initial:
                client.offer_initial(start)
            while True:
                task = client.next(0.2)
                refusal = client.refusal()
                if refusal:
                    raise AssertionError(f"refused: {refusal}")
                if task is None:
                    continue
                weights = start if task["weights"] is None else [np.asarray(w) for w in task["weights"]]
                if task["finished"]:
                    self.final = b"".join(w.tobytes() for w in weights)
                    break
                self.before(task["round"])
                self.trained.append(task["round"])
                client.submit(float(self.number + 1), step(weights, self.number), [], 0.0, {})
            self.resumed, self.reconnects = client.resumed, client.reconnects
            client.close()
        except Exception as error:  # the test tells it
            self.failure = f"{type(error).__name__}: {error}"

    def join(self, seconds: float = 60) -> Trainer:
        self.thread.join(seconds)
        assert not self.thread.is_alive(), f"client {self.number} is not done after {seconds} s; it trained {self.trained}"
        assert not self.failure, self.failure
        return self


def update_bytes(round_number: int, samples: float, arrays: list[np.ndarray], **metadata: str) -> bytes:
    """A safetensors file as the server takes it, written by hand."""
    header: dict[str, Any] = {"__metadata__": {"round": str(round_number), "num_samples": repr(samples), **metadata}}
    data = b""
    names = {"float32": "F32", "float64": "F64"}
    for i, array in enumerate(arrays):
        header[f"weights.{i}"] = {"dtype": names[str(array.dtype)], "shape": list(array.shape),
                                   "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def ask(origin: str, path: str, body: bytes | None = None, method: str = "GET", **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one plain request under /FedAvg."""
    request = urllib.request.Request(f"{origin}/FedAvg{path}", data=body, method=method,
                                     headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        status, text = refused.code, refused.read()
    return status, json.loads(text or b"{}")


def put(origin: str, client: str, round_number: int, body: bytes) -> tuple[int, dict[str, Any]]:
    return ask(origin, f"/rounds/{round_number}/updates/{client}", body, "PUT")


class Link:
    """A TCP proxy before ``port``: so many bytes a second towards the server, and holding them back after ``hold_after``
    bytes of one connection."""

    def __init__(self, port: int, bytes_per_second: float = 0, hold_after: int = 0) -> None:
        self.to, self.rate, self.hold_after = port, bytes_per_second, hold_after
        self.held = threading.Event()
        self.resume = threading.Event()
        self.sockets: list[socket.socket] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.to))
                self.sockets += [near, far]
                threading.Thread(target=self._pump, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(far, near, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, upwards: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                if upwards and self.hold_after and passed + len(data) > self.hold_after:
                    sink.sendall(data[: self.hold_after - passed])
                    self.held.set()
                    self.resume.wait(60)
                    data = data[self.hold_after - passed:]
                    self.hold_after = 0
                if upwards and self.rate:
                    time.sleep(len(data) / self.rate)  # this is what makes it slow
                sink.sendall(data)
                passed += len(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Breaks what is connected now."""
        for end in self.sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # wakes who reads from it
            end.close()
        self.sockets.clear()

    def close(self) -> None:
        self.resume.set()
        self.listener.close()
        self.cut()


@contextlib.contextmanager
def link(port: int, **how: Any) -> Iterator[Link]:
    it = Link(port, **how)
    try:
        yield it
    finally:
        it.close()


def undisturbed(clients: int, rounds: int, size: int = 6) -> bytes:
    """The model of the job when nothing happens."""
    with sedna_worker("aggregate", "--port", "0", "--participants", str(clients), "--rounds", str(rounds), *STRICT) as server:
        trainers = [Trainer(server.port, i, size) for i in range(clients)]
        models = {t.join().final for t in trainers}
        assert server.process.wait(timeout=30) == 0
    assert len(models) == 1
    return models.pop()
