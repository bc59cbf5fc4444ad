"""Test doubles: a cloud that records what it is asked and answers in upstream's way, and a local controller."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np

Answer = Tuple[int, bytes]


@contextlib.contextmanager
def silent_cloud() -> Iterator[int]:
    """The port of a cloud that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


class Recorder:
    """A listening HTTP server; ``requests`` holds what arrived, ``wait(n)`` waits for the n-th."""

    def __init__(self, answer: Callable[[str, str, bytes], Answer]) -> None:
        self.requests: List[Tuple[str, str, bytes]] = []
        self._arrived = threading.Condition()
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with recorder._arrived:
                    recorder.requests.append((self.command, self.path, body))
                    recorder._arrived.notify_all()
                status, text = answer(self.command, self.path, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = _serve

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def posts(self) -> List[Tuple[str, bytes]]:
        """Path and body of the predictions (probes left out)."""
        with self._arrived:
            return [(path, body) for method, path, body in self.requests if method == "POST" and "/v2/" not in path]

    def wait(self, count: int, seconds: float = 10) -> None:
        """Until that many posts have arrived."""
        with self._arrived:
            assert self._arrived.wait_for(
                lambda: sum(m == "POST" and "/v2/" not in p for m, p, _ in self.requests) >= count, seconds
            ), f"{count} posts were expected, {self.requests} arrived"

    def close(self) -> None:
        """Stops listening."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextlib.contextmanager
def recorder(answer: Callable[[str, str, bytes], Answer]) -> Iterator[Recorder]:
    """A Recorder for a block."""
    made = Recorder(answer)
    try:
        yield made
    finally:
        made.close()


def big_boxes(data: Any) -> List[List[float]]:
    """What the recorded big model answers: two boxes, the last number telling the mean of the input."""
    mean = float(np.mean(np.asarray(data, dtype=float)))
    return [[0.0, 0.0, 10.0, 10.0, 0.99, 1], [1.0, 1.0, 5.0, 5.0, 0.9, mean]]


def upstream_cloud(path: str = "/sedna/predict", kind: Optional[str] = "normal") -> Callable[[str, str, bytes], Answer]:
    """Answers as upstream's server: no /v2 routes; 500 when the model raises or gives no list."""

    def answer(method: str, where: str, body: bytes) -> Answer:
        if method != "POST" or where != path:
            return 404, b'{"detail":"Not Found"}'
        if kind != "normal":
            return 500, b"Internal Server Error"
        return 200, json.dumps({"result": big_boxes(json.loads(body)["data"])}).encode()

    return answer


class EdgeModel:
    """The recorded edge model: two boxes whose score is the mean of the input."""

    def __init__(self) -> None:
        self.loads: List[str] = []

    def load(self, model_url: str = "") -> None:
        self.loads.append(model_url)

    def predict(self, data: Any, **kwargs: Any) -> List[List[float]]:
        score = float(np.mean(data))
        return [[0.0, 0.0, 4.0, 4.0, score, 1], [1.0, 1.0, 2.0, 2.0, score, 2]]


def sample(case: Dict[str, Any]) -> Any:
    """The data of a recorded call: a 2 x 2 x 3 image of one value."""
    data = np.full((2, 2, 3), case["data"]["value"], dtype=case["data"].get("dtype", "float64"))
    return data.tolist() if case["data"].get("kind") == "list" else data
