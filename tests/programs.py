"""The project's programs as processes, for all folders of tests: where they are, waiting for what they do, asking them.

SEDNA_BIN names the folder of a build tree that is being worked in; without it they are those of the release preset.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(os.environ.get("SEDNA_BIN", ROOT / "build" / "bin"))
SEDNA = BIN / "sedna"
WORKER = BIN / "sedna-worker"


def eventually(what: str, check: Callable[[], Any], seconds: float = 60) -> Any:
    """What ``check`` returns once that is true; the processes are not ours, so looking again is all there is."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"not so after {seconds} s: {what}"
        time.sleep(0.02)


class Daemon:
    """A program that prints READY and what follows it (``ready``); ``log`` is what it has said on stderr."""

    def __init__(self, program: str, *args: str, env: Optional[dict[str, str]] = None, seconds: float = 60) -> None:
        self.log: list[str] = []
        self.process = subprocess.Popen([str(BIN / program), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env={**os.environ, **(env or {})})
        drain = threading.Thread(target=self._drain, daemon=True)  # a log must not fill the pipe
        drain.start()
        impatience = threading.Timer(seconds, self.process.kill)
        impatience.start()
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().split()
        impatience.cancel()
        if self.ready[:1] != ["READY"]:
            self.process.wait(10)
            drain.join(10)
            raise RuntimeError(f"{program}: " + "".join(self.log))

    def _drain(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)

    def running(self) -> bool:
        return self.process.poll() is None

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


class Api:
    """The administrator's connection to an API server; opened anew after it broke."""

    def __init__(self, host: str, context: ssl.SSLContext, token: str = "") -> None:
        self.host, self.context = host, context
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.connection: Optional[http.client.HTTPSConnection] = None

    @staticmethod
    def of_embedded(state: Path, url: str) -> Api:
        """That of a ``sedna-apiserver`` on this state folder."""
        token = json.loads((state / "kubeconfig").read_text())["users"][0]["user"]["token"]
        return Api(url.removeprefix("https://"), ssl.create_default_context(cafile=str(state / "ca.pem")), token)

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Any]:
        """Status and document of one exchange; ``body`` is a document, or text as it is."""
        if self.connection is None:
            self.connection = http.client.HTTPSConnection(self.host, timeout=20, context=self.context)
        try:
            text = body if isinstance(body, str) or body is None else json.dumps(body)
            self.connection.request(method, path, text, {**self.headers, "Content-Type": content_type})
            answer = self.connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def get(self, path: str) -> Any:
        """The object, or None where there is none."""
        status, body = self.ask("GET", path)
        assert status in (200, 404), body
        return body if status == 200 else None

    def items(self, path: str) -> list[Any]:
        status, body = self.ask("GET", path)
        assert status == 200, body
        return list(body["items"])

    def create(self, path: str, body: Any, content_type: str = "application/json") -> Any:
        status, answer = self.ask("POST", path, body, content_type)
        assert status == 201, answer
        return answer

    def patch(self, path: str, body: Any) -> Any:
        status, answer = self.ask("PATCH", path, body, "application/merge-patch+json")
        assert status == 200, answer
        return answer

    def delete(self, path: str) -> Any:
        status, answer = self.ask("DELETE", path)
        assert status in (200, 202), answer
        return answer
