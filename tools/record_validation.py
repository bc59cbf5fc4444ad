"""Records what a real kube-apiserver says of faulty objects, so that the embedded one can be compared without it.

    script/kube up --level api --dir DIR
    python3 tools/record_validation.py --dir DIR
    script/kube down --dir DIR

Sends each object of tests/compat/vectors/validation.jsonl as a dry run with fieldValidation=Strict and writes the file
anew, one object a line: {"sent": …, "code": 422, "message": …, "causes": [{"reason", "message", "field"}, …]}. To add a
case, append a line with "sent" alone.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from typing import Any

from kube_test_server import Server, port_of

FILE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "compat" / "vectors" / "validation.jsonl"


def path_of(sent: dict[str, Any]) -> str:
    """The collection that the object is posted to."""
    version, kind = sent["apiVersion"], sent["kind"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if kind not in ("Node", "Namespace"):
        base += "/namespaces/default"
    return f"{base}/{kind.lower()}s"


def record(server: Server, sent: dict[str, Any]) -> dict[str, Any]:
    """What the server answers."""
    path = path_of(sent) + "?dryRun=All&fieldValidation=Strict"
    code, body = server.request("POST", path, json.dumps(sent).encode(), "application/json")
    answer = json.loads(body)
    out: dict[str, Any] = {"sent": sent, "code": code}
    if code >= 400:
        out["message"] = answer["message"]
        causes = answer.get("details", {}).get("causes", [])
        out["causes"] = [{key: cause.get(key, "") for key in ("reason", "message", "field")} for cause in causes]
    return out


def main() -> int:
    """Entry point; the exit code is the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=pathlib.Path, required=True)
    folder = parser.parse_args().dir
    server = Server(folder, port_of(folder))
    cases = [json.loads(line)["sent"] for line in FILE.read_text().splitlines()]
    lines = [json.dumps(record(server, sent), separators=(",", ":"), ensure_ascii=False) for sent in cases]
    FILE.write_text("".join(line + "\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
