"""No sample leaves its client: everything that clients say and hear is recorded, and looked through for what was planted in
their data, in every form in which a number or a text could travel. A client that does give a sample away is caught by the same
search: otherwise finding nothing would mean nothing.
"""

from __future__ import annotations

import http.server
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from processes import sedna_worker
from programs import ROOT

CLIENT = """
import os, sys
import numpy as np
sys.path.insert(0, os.environ["EXAMPLE"])
from model import Network
from sedna.core.federated_learning import FederatedLearning

class Data:
    def __init__(self, path):
        with np.load(path) as file:
            self.x, self.y, self.who = file["x"], file["y"], str(file["who"])
    def __len__(self):
        return len(self.x)

class Teller(Network):  # gives a sample away: as weights, and in a metric
    def train(self, train_data, **kwargs):
        result = super().train(train_data, **kwargs)
        self.b1 = train_data.x[0].copy()
        return result

data = Data(os.environ["DATA"])
network = (Teller if os.environ.get("TELLS") else Network)(0)
FederatedLearning(network, aggregation="digits").train(data, epochs=2)
"""


class Recorder:
    """A proxy before the aggregator that keeps what passes, by connection and direction."""

    def __init__(self, port: int) -> None:
        self.target, self.streams = port, []  # type: ignore[var-annotated]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:  # closed: the test is over
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in ((near, far), (far, near)):
                kept = bytearray()
                self.streams.append(kept)
                thread = threading.Thread(target=self._pump, args=(source, sink, kept), daemon=True)
                self.threads.append(thread)
                thread.start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
        try:
            while piece := source.recv(1 << 16):
                kept += piece
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one end is gone, and so is what it would have said
            source.close()

    def close(self) -> list[bytes]:
        """What was said, with WebSocket frames taken out of their masks."""
        self.listener.close()
        for thread in self.threads:
            thread.join(20)
        return [payload for kept in self.streams for payload in (bytes(kept), unmasked(bytes(kept)))]


def unmasked(stream: bytes) -> bytes:
    """The payloads of a WebSocket's frames, one after another; empty when this is none."""
    head, _, rest = stream.partition(b"\r\n\r\n")
    if b"upgrade: websocket" not in head.lower():
        return b""
    assert b"permessage-deflate" not in head.lower(), "compressed frames would hide what is in them"
    out, at = bytearray(), 0
    while at + 2 <= len(rest):
        masked, size = rest[at + 1] & 0x80, rest[at + 1] & 0x7F
        at += 2
        for code, width, form in ((126, 2, ">H"), (127, 8, ">Q")):
            if size == code:
                size = struct.unpack(form, rest[at:at + width])[0]
                at += width
                break
        mask = rest[at:at + 4] if masked else b"\0\0\0\0"
        at += 4 if masked else 0
        piece = np.frombuffer(rest[at:at + size], np.uint8)
        out += (piece ^ np.resize(np.frombuffer(mask, np.uint8), len(piece))).tobytes()
        at += size
    return bytes(out)


class Lc(http.server.ThreadingHTTPServer):
    """Takes workers' reports as a LocalController would, and keeps them."""

    daemon_threads = True

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.heard.append(self.requestline.encode() + bytes(self.headers) + body)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


def plant(folder: Path, clients: int) -> tuple[list[Path], list[tuple[np.ndarray, str]]]:
    """A file of samples a client: each begins with a row of numbers that are nowhere else, and carries a text."""
    random = np.random.RandomState(7)
    files, canaries = [], []
    for i in range(clients):
        x = random.rand(40, 64)
        who = f"Canary-{i}-{random.randint(1 << 30):08x}"
        files.append(folder / f"client-{i}.npz")
        np.savez(files[-1], x=x, y=random.randint(0, 10, 40), who=who)
        canaries.append((x[0], who))
    return files, canaries


def sightings(said: list[bytes], canaries: list[tuple[np.ndarray, str]]) -> set[str]:
    """In which forms a canary was seen. Single numbers where they are long enough not to come by chance; else neighbours."""
    forms: dict[str, list[bytes]] = {}
    for row, who in canaries:
        for kind, dtype in (("float64", "<f8"), ("float64, big end first", ">f8")):
            forms.setdefault(kind, []).extend(v.tobytes() for v in row.astype(dtype))
        for kind, dtype in (("float32", "<f4"), ("float32, big end first", ">f4"), ("float16", "<f2")):
            width = 2 if dtype.endswith("4") else 6
            narrow = row.astype(dtype)
            forms.setdefault(kind, []).extend(narrow[k:k + width].tobytes() for k in range(len(row) - width + 1))
        forms.setdefault("decimal", []).extend(repr(float(v))[:12].encode() for v in row)
        forms.setdefault("text", []).append(who.encode())
    return {kind for kind, needles in forms.items() if any(
        re.search(b"|".join(map(re.escape, needles)), stream) for stream in said)}


def run(folder: Path, protocol: str, flags: list[str], tells: bool) -> tuple[list[bytes], list[tuple[np.ndarray, str]]]:
    """A job of three clients behind the recorder; what was said and the canaries."""
    files, canaries = plant(folder, 3)
    lc = Lc()
    threading.Thread(target=lc.serve_forever, daemon=True).start()
    with sedna_worker("aggregate", "--port", "0", "--aggregation", "digits", "--participants", "3", "--rounds", "3",
                      *flags) as server:
        recorder = Recorder(server.port)
        clients = [subprocess.Popen(
            [sys.executable, "-c", CLIENT], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "python"), "EXAMPLE": str(ROOT / "examples" / "federated_digits"),
                 "AGG_PROTOCOL": protocol, "AGG_PORT": str(recorder.port), "WORKER_NAME": f"w{i}", "BACKEND_TYPE": "SKLEARN",
                 "LC_SERVER": f"http://127.0.0.1:{lc.server_address[1]}", "MODEL_URL": str(folder), "MODEL_NAME": f"w{i}",
                 "SEDNA_FL_CLIENT_STATE": str(folder / "state"), "DATA": str(path), "OMP_NUM_THREADS": "1",
                 "TELLS": "1" if tells and i == 1 else ""}) for i, path in enumerate(files)]
        for client in clients:
            output = client.communicate(timeout=120)[0]
            assert client.returncode == 0, output
        assert server.process.wait(timeout=30) == 0
        said = [*recorder.close(), "\n".join(server.lines).encode()]
    lc.shutdown()
    lc.server_close()
    assert lc.heard, "the reports were to be seen, too"
    return said + lc.heard, canaries


JOBS = [("ws", []), ("http", []), ("http", ["--algorithm", "SCAFFOLD"]), ("http", ["--codec", "int8"]),
        ("http", ["--codec", "topk,share=0.1"])]


@pytest.mark.parametrize(("protocol", "flags"), JOBS, ids=lambda v: v if isinstance(v, str) else "-".join(v) or "plain")
# FL-16.16
def test_samples_stay_where_they_are(tmp_path: Path, protocol: str, flags: list[str]) -> None:
    said, canaries = run(tmp_path, protocol, flags, tells=False)
    # Three rounds of three updates and models have passed, one way or another.
    assert sum(map(len, said)) > 3 * 3 * 4810 * (1 if "--codec" in flags else 8)
    assert sightings(said, canaries) == set()


@pytest.mark.parametrize(("protocol", "form"), [("ws", "decimal"), ("http", "float64")])
# FL-16.16
def test_a_client_that_gives_a_sample_away_is_seen(tmp_path: Path, protocol: str, form: str) -> None:
    said, canaries = run(tmp_path, protocol, [], tells=True)
    assert form in sightings(said, canaries)
