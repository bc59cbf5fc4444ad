"""Tiny container images made by hand, for tests: a shell with the libraries it needs, and a script over it."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

SAYS = """#!/bin/sh
echo "$GREETING $1 in $PWD"
while read -r key value rest; do [ "$key" = Uid: ] && echo "uid $value"; done < /proc/self/status
[ -e /etc/os-release ] && echo "the host's files"
[ -e /etc/hidden ] && echo "hidden"
(echo root > /usr/new) 2> /dev/null || echo "read-only"
echo scratch > /tmp/new && echo "writable /tmp"
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(members: dict[str, bytes | str], executable: bool = True) -> bytes:
    """A layer: a str that begins with "-> " is a symbolic link, any other one a text file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str) and content.startswith("-> "):
                info.type, info.linkname = tarfile.SYMTYPE, content[3:]
                archive.addfile(info)
                continue
            data = content.encode() if isinstance(content, str) else content
            info.size, info.mode = len(data), 0o755 if executable else 0o644
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def shell_layer() -> bytes:
    """/bin/sh of this machine with the libraries that it maps."""
    shell = shutil.which("sh")
    assert shell
    members: dict[str, bytes | str] = {"usr/bin/sh": Path(shell).resolve().read_bytes(), "bin": "-> usr/bin",
                                       "etc/passwd": "root:x:0:0::/:/bin/sh\napp:x:1234:55::/:/bin/sh\n",
                                       "etc/hidden": "below"}
    for library in re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", shell], capture_output=True, text=True).stdout):
        members[library.lstrip("/")] = Path(library).resolve().read_bytes()
    return tar(members)


def config(layers: list[bytes], **runs: object) -> bytes:
    return json.dumps({"architecture": ARCHITECTURE, "os": "linux", "config": runs,
                       "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(layer) for layer in layers]}}).encode()


def says_layers() -> list[bytes]:
    return [shell_layer(), tar({"app/says": SAYS, "etc/.wh.hidden": b""})]


RUNS = {"Entrypoint": ["/app/says"], "Cmd": ["hello"], "Env": ["GREETING=Oh", "PATH=/bin"], "WorkingDir": "/app",
        "User": "app"}


def docker_archive(path: Path, layers: list[bytes], tags: list[str], **runs: object) -> Path:
    """As ``docker save`` writes it; gzip when the name says so."""
    text = config(layers, **runs)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        members = {f"{sha256(text)}.json": text}
        for layer in layers:
            members[f"{sha256(layer)}/layer.tar"] = layer
        members["manifest.json"] = json.dumps([{"Config": f"{sha256(text)}.json", "RepoTags": tags,
                                                "Layers": [f"{sha256(layer)}/layer.tar" for layer in layers]}]).encode()
        add(archive, members)
    return path


def oci_archive(path: Path, layers: list[bytes], packed: list[bytes], reference: str, **runs: object) -> Path:
    """An OCI image layout in a tar; ``packed`` are the layers as they are stored."""
    text = config(layers, **runs)
    kind = "application/vnd.oci.image."

    def blob(data: bytes, media_type: str) -> dict:
        return {"mediaType": kind + media_type, "digest": "sha256:" + sha256(data), "size": len(data)}

    manifest = json.dumps({"schemaVersion": 2, "config": blob(text, "config.v1+json"),
                           "layers": [blob(layer, "layer.v1.tar+gzip") for layer in packed]}).encode()
    other = {**blob(b"elsewhere", "manifest.v1+json"), "platform": {"os": "linux", "architecture": "z80"}}
    entry = {**blob(manifest, "manifest.v1+json"), "platform": {"os": "linux", "architecture": ARCHITECTURE},
             "annotations": {"org.opencontainers.image.ref.name": reference}}
    with tarfile.open(path, "w") as archive:
        members = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
                   "index.json": json.dumps({"schemaVersion": 2, "manifests": [other, entry]}).encode()}
        for data in (manifest, text, *packed):
            members["blobs/sha256/" + sha256(data)] = data
        add(archive, members)
    return path


def add(archive: tarfile.TarFile, members: dict[str, bytes]) -> None:
    for name, data in members.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
