"""What script/kube asks of the API server it has started: is it ready, does it take our CRDs, and an account for sedna-gm.

Nothing but the standard library, and the certificates that script/kube has put into the folder. Other tools that talk to
that server use `Server`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import pathlib
import re
import ssl
import sys
import time
from typing import Any


class Server:
    """An administrator's connection to the API server in `folder`."""

    def __init__(self, folder: pathlib.Path, port: int) -> None:
        context = ssl.create_default_context(cafile=str(folder / "pki" / "ca.crt"))
        context.load_cert_chain(str(folder / "pki" / "admin.crt"), str(folder / "pki" / "admin.key"))
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)

    def request(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> tuple[int, bytes]:
        """Status and body of one exchange."""
        headers = {"Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        self._connection.request(method, path, body=body, headers=headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def get(self, path: str) -> Any:
        """The JSON document at `path`; raises when there is none."""
        status, body = self.request("GET", path)
        if status != 200:
            raise RuntimeError(f"GET {path}: {status} {body[:300]!r}")
        return json.loads(body)


def port_of(folder: pathlib.Path) -> int:
    """The port in the kubeconfig that script/kube wrote."""
    config = json.loads((folder / "kubeconfig").read_text())
    return int(config["clusters"][0]["cluster"]["server"].rsplit(":", 1)[1])


def ready(server: Server) -> bool:
    """True once the server says so."""
    try:
        return server.request("GET", "/readyz")[0] == 200
    except OSError:
        return False


def apply_crds(server: Server, files: list[pathlib.Path]) -> str:
    """Creates the CRDs and waits until each is served; returns what is wrong, or nothing."""
    base = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    waiting: list[str] = []
    for file in files:
        for document in re.split(r"^---\s*$", file.read_text(), flags=re.MULTILINE):
            if not re.search(r"^kind:", document, flags=re.MULTILINE):
                continue
            status, body = server.request("POST", base, document.encode(), "application/yaml")
            answer = json.loads(body)
            if status != 201:
                return f"{file}: {status} {answer.get('message', body)}"
            waiting.append(answer["metadata"]["name"])
    deadline = time.monotonic() + 60
    for name in waiting:
        while True:
            conditions = server.get(f"{base}/{name}").get("status", {}).get("conditions", [])
            held = {c["type"]: c for c in conditions}
            if held.get("NonStructuralSchema", {}).get("status") == "True":
                return f"{name}: {held['NonStructuralSchema']['message']}"
            if held.get("Established", {}).get("status") == "True":
                break
            if time.monotonic() > deadline:
                return f"{name}: not established: {conditions}"
            time.sleep(0.05)
    return ""


def make_account(server: Server, file: pathlib.Path, kubeconfig: pathlib.Path, target: pathlib.Path) -> str:
    """Creates what `file` says, and at `target` a kubeconfig with its service account's token; returns what is wrong."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    groups = {"Namespace": "/api/v1", "ServiceAccount": "/api/v1"}
    account = ""
    for document in re.split(r"^---\s*$", file.read_text(), flags=re.MULTILINE):
        kind = re.search(r"^kind: (\w+)$", document, flags=re.MULTILINE)
        metadata = re.search(r"^metadata:\n((?:  .*\n)+)", document, flags=re.MULTILINE)
        if kind is None or metadata is None:
            continue
        namespace = re.search(r"^  namespace: (\S+)$", metadata[1], flags=re.MULTILINE)
        path = groups.get(kind[1], rbac) + (f"/namespaces/{namespace[1]}" if namespace else "") + f"/{kind[1].lower()}s"
        status, body = server.request("POST", path, document.encode(), "application/yaml")
        if status != 201:
            return f"{file}: {status} {json.loads(body).get('message', body)}"
        if kind[1] == "ServiceAccount":
            account = f"{path}/{json.loads(body)['metadata']['name']}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}}
    status, body = server.request("POST", account, json.dumps(request).encode(), "application/json")
    if status != 201:
        return f"{account}: {status} {body[:300]!r}"
    config = json.loads(kubeconfig.read_text())
    config["users"][0]["user"] = {"token": json.loads(body)["status"]["token"]}
    target.touch(mode=0o600)
    target.write_text(json.dumps(config))
    return ""


def main() -> int:
    """Entry point; the exit code is the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["ready", "apply-crds", "account"])
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("files", type=pathlib.Path, nargs="*")
    arguments = parser.parse_intermixed_args()
    server = Server(arguments.dir, arguments.port)
    if arguments.command == "ready":
        return 0 if ready(server) else 1
    if arguments.command == "account":
        problem = make_account(server, arguments.files[0], arguments.dir / "kubeconfig", arguments.dir / "gm.kubeconfig")
    else:
        problem = apply_crds(server, arguments.files)
    if problem:
        print(problem, file=sys.stderr)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
