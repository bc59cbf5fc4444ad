"""Clients of a worker's neighbours: the local controller and the big model, over plain HTTP.

Joint inference itself does not come through here: it uses the core's client (deadlines, breaker, binary tensors). These
are the functions and classes that scripts import by name.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Dict, Mapping, Optional

from sedna._absent import missing
from sedna.common.file_ops import FileOps
from sedna.common.log import LOGGER

__all__ = ["FileOps", "LCClient", "LCReporter", "ModelClient", "http_request"]

_ABSENT = {"AggregationClient": "federated learning", "KBClient": "lifelong learning"}


def __getattr__(name: str) -> Any:
    if name in _ABSENT:
        raise missing(f"sedna.service.client.{name}", _ABSENT[name])
    raise AttributeError(f"module 'sedna.service.client' has no attribute {name!r}")


class _Response:
    """What `requests.request` returns, as far as it is used here and by those who replace it in tests."""

    def __init__(self, status_code: int, content: bytes) -> None:
        self.status_code = status_code
        self.content = content

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.content)


class _Requests:
    """The one call of the requests package that is needed, on the standard library (no run-time dependency)."""

    def request(
        self,
        method: str,
        url: str,
        json: Any = None,
        data: Any = None,
        headers: Optional[Mapping[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> _Response:
        # Imported when something is asked: it is slow to import, and few scripts do.
        from urllib import error, request

        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url}: only http and https")
        body = data
        extra = dict(headers or {})
        if json is not None:
            body = _json_text(json).encode()
            extra.setdefault("Content-Type", "application/json")
        elif isinstance(body, str):
            body = body.encode()
        # A proxy meant for the internet must not swallow what is for a neighbour; HTTP(S) only, never file: or ftp:.
        opener = request.build_opener(request.ProxyHandler({}))
        call = request.Request(url, data=body, headers=extra, method=method.upper())  # noqa: S310
        try:
            with opener.open(call, timeout=timeout) as answer:
                return _Response(answer.status, answer.read())
        except error.HTTPError as answer:
            with answer:
                return _Response(answer.code, answer.read())


def _json_text(value: Any) -> str:
    return json.dumps(value)


requests = _Requests()


def http_request(
    url: str,
    method: Optional[str] = None,
    timeout: Optional[float] = None,
    binary: bool = True,
    no_decode: bool = False,
    tries: int = 3,
    **kwargs: Any,
) -> Any:
    """One request, tried up to ``tries`` times with short pauses: JSON of the answer, its bytes, or its text.

    ``timeout`` (10 s when None) is one deadline over all tries. Returns None, after saying why in the log, when there is
    no good answer: callers are reports and health checks, which must not end a job.
    """
    method = (method or "GET").upper()
    deadline = time.monotonic() + (timeout if timeout is not None else 10.0)
    pause = 0.1
    for attempt in range(max(1, tries)):
        left = deadline - time.monotonic()
        if left <= 0:
            LOGGER.warning("%s %s: no answer in time", method, url)
            return None
        try:
            answer = requests.request(method=method, url=url, timeout=left, **kwargs)
        except OSError as error:  # urllib's URLError is one
            LOGGER.warning("%s %s: %s", method, url, getattr(error, "reason", error))
        else:
            if answer.status_code == 200:
                if no_decode:
                    return answer
                try:
                    return answer.json() if binary else answer.content.decode("utf-8")
                except ValueError as error:  # what both decoders raise; whoever answered is no local controller
                    LOGGER.warning("%s %s: the answer cannot be read: %s", method, url, error)
                    return None
            LOGGER.warning("%s %s: status %d", method, url, answer.status_code)
            if 400 <= answer.status_code < 500 and answer.status_code != 429:
                return None
        if attempt + 1 < tries:
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            pause *= 3
    return None


class LCClient:
    """Reports to the local controller of the node."""

    @classmethod
    def send(cls, lc_server: str, worker_name: str, message: Mapping[str, Any]) -> Any:
        """POSTs a report; the answer, or None when there was none (said in the log)."""
        if not lc_server:
            return None
        url = FileOps.join_path(lc_server, "sedna", "workers", worker_name, "info")
        return http_request(url=url, method="POST", json=message, timeout=10.0)


class LCReporter(threading.Thread):
    """Sends cumulative inference counts every period in which something happened, and outlives a controller's absence.

    JointInference has one in the core; this is for scripts that count by themselves.
    """

    def __init__(self, lc_server: str, message: Mapping[str, Any], period_interval: float = 30) -> None:
        super().__init__(name="sedna-lc-reporter", daemon=True)
        self.lc_server = lc_server
        self.message = dict(message)
        self.period_interval = period_interval
        self.inference_number = 0
        self.hard_example_number = 0
        self.start_time = time.strftime("%Y-%m-%d %H:%M:%S")
        self._lock = threading.Lock()
        self._changed = False
        self._stopped = threading.Event()

    def update_for_edge_inference(self) -> None:
        """One sample was answered at the edge."""
        with self._lock:
            self.inference_number += 1
            self._changed = True

    def update_for_collaboration_inference(self) -> None:
        """One sample went to the cloud."""
        with self._lock:
            self.inference_number += 1
            self.hard_example_number += 1
            self._changed = True

    def stop(self) -> None:
        """Ends the thread after the report under way."""
        self._stopped.set()

    def run(self) -> None:
        """The thread: waits a period, then reports what changed."""
        while not self._stopped.wait(self.period_interval):
            with self._lock:
                if not self._changed:
                    continue
                self._changed = False
                message = {**self.message, "ownerInfo": self._owner_info()}
            if LCClient.send(self.lc_server, str(self.message.get("name", "")), message) is None:
                with self._lock:
                    self._changed = True  # counts are cumulative: the next report says it all

    def _owner_info(self) -> Dict[str, Any]:
        ratio = self.hard_example_number / self.inference_number if self.inference_number else 0.0
        return {
            "startTime": self.start_time,
            "updateTime": time.strftime("%Y-%m-%d %H:%M:%S"),
            "inferenceNumber": self.inference_number,
            "hardExampleNumber": self.hard_example_number,
            "uploadCloudRatio": ratio,
        }


class ModelClient:
    """The big model's JSON routes. ``timeout`` bounds a call as a whole."""

    def __init__(
        self,
        service_name: str,
        version: str = "",
        host: str = "127.0.0.1",
        port: Any = "8080",
        protocol: str = "http",
        timeout: float = 10.0,
    ) -> None:
        self.server_name = f"{service_name}{version}"
        self.host = host
        self.port = int(port)
        self.endpoint = f"{protocol}://{host}:{port}/{self.server_name}"
        self.timeout = timeout

    def check_server_status(self) -> Any:
        """What the server tells of itself; None when it does not answer."""
        return http_request(url=self.endpoint, method="GET", timeout=self.timeout)

    def inference(self, x: Any, **kwargs: Any) -> Any:
        """POSTs ``{**kwargs, "data": x}``: the answer, ``{"result": […]}``. ConnectionError when there is none."""
        data = x.tolist() if hasattr(x, "tolist") else x
        answer = http_request(
            url=f"{self.endpoint}/predict", method="POST", timeout=self.timeout, json={**kwargs, "data": data}
        )
        if answer is None:
            raise ConnectionError(f"{self.endpoint}/predict gave no answer (the log says why)")
        return answer
