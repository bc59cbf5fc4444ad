"""An API server as the benchmarks ask it: without a program in between. And sedna-apiserver on a folder of its own."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from pathlib import Path
from typing import Any


class Api:
    """One kept connection; what is refused is an error."""

    connection: http.client.HTTPSConnection
    headers: dict[str, str]

    def connect(self, url: str, context: ssl.SSLContext, token: str = "") -> None:
        self.connection = http.client.HTTPSConnection(url.removeprefix("https://"), timeout=60, context=context)
        self.headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        self.connection.request(method, path, json.dumps(body) if body is not None else None, self.headers)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(text.decode())
        return json.loads(text)


class Process:
    """``sedna-apiserver`` without its loops, ready."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.process = subprocess.Popen([binaries / "sedna-apiserver", "--state", folder, "--no-loops"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[1]
        self.token: str = json.loads((folder / "kubeconfig").read_text())["users"][0]["user"]["token"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
