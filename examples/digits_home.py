"""A home on this machine for the digits' demos: ``sedna up`` with the images of an example, and what a demo asks of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEDNA = ROOT / "build" / "bin" / "sedna"
FOLDER = "/var/lib/sedna/digits"  # on each node; in the workers below /home/data


def say(text: str) -> None:
    print(text, flush=True)


class Home:
    def __init__(self, state: Path) -> None:
        self.state = state

    @classmethod
    @contextlib.contextmanager
    def of(cls, state: Path, images: Path, nodes: dict[str, str], keep: bool) -> Iterator[Home]:
        """Up in ``state`` with these nodes and their roles for as long as the demo runs, or longer."""
        home = cls(state)
        say(f"\nsedna up: API server, GlobalManager, nodes {', '.join(nodes)} …")
        start = time.monotonic()
        home.sedna("up", "--detach", "--nodes", ",".join(f"{n}:{role}" for n, role in nodes.items()), "--images", str(images))
        say(f"   ready after {time.monotonic() - start:.1f} s")
        try:
            yield home
        finally:
            if keep:
                say(f"\nleft running: build/bin/sedna --state {state} status     (… top shows it at work, … down stops it)")
            else:
                home.sedna("down")

    @staticmethod
    def missing() -> str:
        """What this machine lacks for nodes of their own; "" when nothing."""
        done = subprocess.run([str(SEDNA), "doctor", "-o", "json"], capture_output=True, text=True)
        needed = ("programs", "user namespaces", "bubblewrap")
        return ", ".join(f"{f['what']}: {f['detail']}" for f in json.loads(done.stdout)["findings"]
                         if f["what"] in needed and f["state"] != "ok")

    def sedna(self, *args: str, text: str | None = None) -> str:
        """Runs ``sedna ARGS`` on this home; its output. What it says on standard error is shown when it fails."""
        done = subprocess.run([str(SEDNA), "--state", str(self.state), *args], input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"sedna {' '.join(args)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def folder(self, node: str) -> Path:
        """What the containers of ``node`` see as FOLDER."""
        path = self.state / "nodes" / node / "var-lib-sedna" / "digits"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, pod: str) -> list[str]:
        done = subprocess.run([str(SEDNA), "--state", str(self.state), "logs", pod], capture_output=True, text=True)
        return done.stdout.splitlines()  # a Pod that has not begun has none
