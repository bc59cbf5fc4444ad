"""The figures of a whole home on one machine: until it is ready, until a service's workers are started, and what its
daemons need when there is nothing to do.

The yardstick of the first two is the least that the same work needs: starting empty processes in the very sandbox that
the home gives to a container (bubblewrap's command line is taken from a running one).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from api import Api

TIMES = 5
PATIENCE = 60.0


class Home:
    """``sedna up`` in a folder of its own, with one cloud and one edge node."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.program = binaries / "sedna"
        self.state = folder

    def sedna(self, *args: str, text: str | None = None) -> str:
        env = {k: v for k, v in os.environ.items() if k not in ("KUBECONFIG", "SEDNA_STATE")}
        done = subprocess.run([str(self.program), "--state", str(self.state), *args], input=text, capture_output=True,
                              text=True, timeout=180, env=env)
        if done.returncode != 0:
            raise RuntimeError(f"sedna {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def daemons(self) -> dict[str, int]:
        """Process ids by name, the supervisor's too."""
        return {file.stem: json.loads(file.read_text())["pid"] for file in (self.state / "run").glob("*.json")}

    def processes(self) -> list[int]:
        """All whose command line names the state folder."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                if str(self.state).encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
        return found


@contextlib.contextmanager
def home(binaries: Path, folder: Path) -> Iterator[tuple[Home, float]]:
    """A home that is up, and the seconds that took."""
    it = Home(binaries, folder)
    try:
        began = time.monotonic()
        it.sedna("up", "--detach")
        yield it, time.monotonic() - began
    finally:
        it.sedna("down", "--delete-state")


class HomeApi(Api):
    """The home's API server."""

    def __init__(self, state: Path) -> None:
        config = json.loads((state / "kubeconfig").read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = cluster.get("certificate-authority-data")
        context = ssl.create_default_context(
            cadata=base64.b64decode(authority).decode() if authority else None,
            cafile=cluster.get("certificate-authority"))
        self.connect(cluster["server"], context, user["token"])


def wait_for(what: str, check: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.01)
    raise RuntimeError(f"not so after {PATIENCE} s: {what}")


def sandbox_of(it: Home) -> list[str]:
    """bubblewrap's command line of a container of this home, up to the container's own."""
    it.sedna("apply", "-f", "-", text=json.dumps({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bench-empty"},
        "spec": {"nodeName": "cloud0", "terminationGracePeriodSeconds": 0,
                 "containers": [{"name": "c", "image": "none", "command": ["sleep", "100000"]}]}}))

    def look() -> list[str] | None:
        for file in it.state.glob("nodes/cloud0/pods/*/containers/c/*/command.pid"):
            pid = int(file.read_text() or 0)
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
                if words and words[0].endswith("bwrap") and "--" in words:
                    return words[: words.index("--") + 1]
        return None

    return list(wait_for("a container's sandbox", look))


def empty_starts(it: Home, sandbox: list[str], count: int, *more: str) -> float:
    """Seconds for that many empty processes in that sandbox, one after the other, inside the home's network."""
    node = [str(it.program.parent / "sedna-node"), "enter", "--state", str(it.state), "--", sys_python(), "-c", LOOP,
            str(count), json.dumps([sandbox[0], *more, *sandbox[1:], "/bin/true"])]
    done = subprocess.run(node, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"the empty sandboxes: {done.stderr.strip()[-500:]}")
    return float(done.stdout)


LOOP = """
import json, subprocess, sys, time
argv = json.loads(sys.argv[2])
subprocess.run(argv, check=True)
began = time.monotonic()
for _ in range(int(sys.argv[1])):
    subprocess.run(argv, check=True)
print(time.monotonic() - began)
"""


def sys_python() -> str:
    return shutil.which("python3") or "python3"


def up_ready(binaries: Path, folder: Path) -> tuple[float, float, int]:
    """Seconds until ``sedna up`` says that all is ready; of the yardstick; how many processes that were."""
    ours, bare = [], []
    for i in range(3):
        with home(binaries, folder / f"up-{i}") as (it, seconds):
            count = len(it.daemons())
            ours.append(seconds)
            bare.append(empty_starts(it, sandbox_of(it), count))
    return median(ours), median(bare), count


def apply_to_exec(binaries: Path, folder: Path) -> tuple[float, float]:
    """Seconds from the acknowledged service to the start of the later one of its two workers; of two empty sandboxes
    with a network of their own."""
    ours, bare = [], []
    with home(binaries, folder / "exec") as (it, _):
        sandbox = sandbox_of(it)
        api = HomeApi(it.state)
        base = "/apis/sedna.io/v1alpha1/namespaces/default"
        for name in ("little", "big"):
            api.ask("POST", f"{base}/models", {"apiVersion": "sedna.io/v1alpha1", "kind": "Model", "metadata": {"name": name},
                                               "spec": {"url": f"/var/lib/sedna/{name}.onnx", "format": "onnx"}})
        for i in range(TIMES):
            before = set(runs(it))
            service = joint_service(f"bench-{i}")
            api.ask("POST", f"{base}/jointinferenceservices", service)
            acknowledged = time.time()
            wait_for("both workers", lambda before=before: len(set(runs(it)) - before) >= 2)
            started = max(file.stat().st_mtime for file in set(runs(it)) - before)
            ours.append(started - acknowledged)
            bare.append(empty_starts(it, sandbox, 2, "--unshare-net"))
            it.sedna("delete", "ji", f"bench-{i}")
    return median(ours), median(bare)


def runs(it: Home) -> list[Path]:
    """One file for each run of a container that has begun, written when it did."""
    return list(it.state.glob("nodes/*/pods/*/containers/worker/*/command.pid"))


def joint_service(name: str) -> dict[str, Any]:
    def template(node: str) -> dict[str, Any]:
        return {"spec": {"nodeName": node, "terminationGracePeriodSeconds": 0,
                         "containers": [{"name": "worker", "image": "none", "command": ["sleep", "100000"]}]}}

    return {"apiVersion": "sedna.io/v1alpha1", "kind": "JointInferenceService", "metadata": {"name": name},
            "spec": {"edgeWorker": {"model": {"name": "little"}, "template": template("edge0"),
                                    "hardExampleMining": {"name": "IBT"}},
                     "cloudWorker": {"model": {"name": "big"}, "template": template("cloud0")}}}


def memory(binaries: Path, folder: Path) -> dict[str, float]:
    """Megabytes at rest: resident ones of each kind of daemon (the largest of its kind), and "home", the proportional
    ones of all processes of the home together."""
    with home(binaries, folder / "at-rest") as (it, _):
        time.sleep(5)
        out: dict[str, float] = {}
        for name, pid in it.daemons().items():
            kind = re.split(r"[-.]", name)[0]
            out[kind] = max(out.get(kind, 0), field(Path(f"/proc/{pid}/status"), "VmRSS"))
        out["home"] = sum(field(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in it.processes())
        return out


def field(file: Path, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+)", file.read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def binary_size(program: Path) -> tuple[float, str]:
    """Megabytes of a program, stripped, with the shared libraries that it maps, but the C library's; which those are."""
    with tempfile.TemporaryDirectory() as place:
        stripped = Path(place) / program.name
        subprocess.run(["strip", "-o", str(stripped), str(program)], check=True)
        total = stripped.stat().st_size
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    names = []
    for name, path in re.findall(r"^\s*(\S+) => (/\S+)", listed, re.MULTILINE):
        if re.match(r"(libc|libm|libdl|librt|libpthread|libresolv)\.so", name):
            continue
        names.append(name)
        total += Path(path).resolve().stat().st_size
    return total / 1e6, ",".join(sorted(names)) or "none"


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
