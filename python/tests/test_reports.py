"""What is told to the local controller is for its information: nothing that is answered ends a job."""

from __future__ import annotations

import http.server
import logging
import threading
from typing import Iterator, List, Tuple

import pytest

from sedna.service.client import LCClient, http_request


class _Answers(http.server.BaseHTTPRequestHandler):
    """Says to each request what the server was told to say."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Not into the test's output."""


@pytest.fixture
def lc() -> Iterator[http.server.HTTPServer]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


ANSWERS: List[Tuple[int, bytes, bool]] = [
    (200, b'{"status": "ok"}', True), (200, b"", False), (200, b"<html>", False), (200, b"\xff\xfe{", False),
    (404, b"no", False),
]


@pytest.mark.parametrize(("status", "body", "good"), ANSWERS)
# FL-16.17
def test_no_answer_ends_a_job(lc: http.server.HTTPServer, caplog: pytest.LogCaptureFixture, status: int, body: bytes,
                              good: bool) -> None:
    lc.answer = (status, body)  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING):
        told = LCClient.send(f"http://127.0.0.1:{lc.server_address[1]}", "worker-0", {"status": "running"})
    assert told == ({"status": "ok"} if good else None)
    assert bool(caplog.records) != good


# FL-16.17
def test_bytes_that_are_no_text_are_no_answer(lc: http.server.HTTPServer) -> None:
    lc.answer = (200, b"\xff\xfe")  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{lc.server_address[1]}/"
    assert http_request(url=url, method="POST", binary=False) is None
    assert http_request(url=url, method="POST", no_decode=True).content == b"\xff\xfe"
