"""The API servers that the controllers' suite runs against, and GM and LC as real processes on them.

``embedded``: sedna-apiserver without its loops, so that nothing acts on what the controllers write but the test.
``loops``: the same with its loops (garbage is collected, Deployments have Pods); asked for by name.
``kube``: the kube-apiserver that ``script/kube up`` started in the folder that SEDNA_CONFORMANCE_KUBE names; GM is there
with the rights of deploy/rbac/sedna-gm.yaml.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any, Optional

from programs import ROOT, Api, Daemon

TOKEN = "lc-token-of-the-conformance-suite"


class Home:
    """An API server that can be taken away; ``gm_flags`` are what GM needs there."""

    name = ""
    collects_garbage = False
    api: Api
    gm_flags: list[str]
    lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/sedna-gm"

    def start_server(self) -> None:
        raise NotImplementedError

    def stop_server(self) -> None:
        raise NotImplementedError

    def signal_server(self, number: int) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """What was started here is ended."""


class EmbeddedHome(Home):
    """``sedna-apiserver`` on a state folder of its own."""

    def __init__(self, state: Path, loops: bool = False) -> None:
        self.name = "loops" if loops else "embedded"
        self.collects_garbage = loops
        self.flags = ["--state", str(state), *([] if loops else ["--no-loops"])]
        self.server = Daemon("sedna-apiserver", *self.flags)
        self.api = Api.of_embedded(state, self.server.ready[1])
        self.gm_flags = ["--kubeconfig", str(state / "kubeconfigs/gm")]

    def start_server(self) -> None:
        self.server = Daemon("sedna-apiserver", *self.flags)

    def stop_server(self) -> None:
        self.server.kill()
        self.api.close()

    def signal_server(self, number: int) -> None:
        self.server.process.send_signal(number)

    def end(self) -> None:
        if self.server.running():
            self.server.thaw()
            self.server.stop()


class KubeHome(Home):
    """The kube-apiserver of script/kube, which whoever called this started and ends."""

    name = "kube"
    lease = "/apis/coordination.k8s.io/v1/namespaces/sedna/leases/sedna-gm"

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder = folder
        config = json.loads((folder / "kubeconfig").read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        for name, text in (("ca.crt", cluster["certificate-authority-data"]), ("admin.crt", user["client-certificate-data"]),
                           ("admin.key", user["client-key-data"])):
            (state / name).write_bytes(base64.b64decode(text))
        context = ssl.create_default_context(cafile=str(state / "ca.crt"))
        context.load_cert_chain(str(state / "admin.crt"), str(state / "admin.key"))
        self.api = Api(cluster["server"].removeprefix("https://"), context)
        self.gm_flags = ["--kubeconfig", str(folder / "gm.kubeconfig"), "--lease-namespace", "sedna"]

    def script(self, command: str) -> None:
        subprocess.run([str(ROOT / "script/kube"), command, "--dir", str(self.folder)], check=True, timeout=90)

    def start_server(self) -> None:
        self.script("start")

    def stop_server(self) -> None:
        self.script("stop")
        self.api.close()

    def signal_server(self, number: int) -> None:
        os.kill(int((self.folder / "apiserver.pid").read_text()), number)


class Controllers:
    """A GM and the LC of node edge0 at a home. Both can be ended and started again."""

    def __init__(self, home: Home, state: Path) -> None:
        self.home, self.api, self.state = home, home.api, state
        self.root = state / "root"
        (self.root / "data").mkdir(parents=True)
        self.tokens = state / "tokens"
        self.tokens.write_text(f"lc-edge0:{TOKEN}:node\n")
        self.tokens.chmod(0o600)
        (state / "lc-token").write_text(TOKEN + "\n")
        self.link_port = 0
        self.gm: Optional[Daemon] = None
        self.lc: Optional[Daemon] = None
        self.namespaces = 0

    def start_gm(self, *more: str) -> Daemon:
        self.gm = self.another_gm("--link-port", str(self.link_port), *more)
        self.link_port = int(self.gm.ready[2].removeprefix("link="))
        return self.gm

    def another_gm(self, *more: str) -> Daemon:
        return Daemon("sedna-gm", *self.home.gm_flags, "--link-host", "127.0.0.1", "--link-tokens", str(self.tokens), *more)

    def leading(self) -> Daemon:
        """GM, started if it does not run."""
        return self.gm if self.gm is not None and self.gm.running() else self.start_gm()

    def start_lc(self) -> Daemon:
        self.lc = Daemon("sedna-lc", "--node", "edge0", "--bind", "127.0.0.1", "--port", "0", "--token-file",
                         str(self.state / "lc-token"),
                         env={"GM_ADDRESS": f"127.0.0.1:{self.link_port}", "ROOTFS_MOUNT_DIR": str(self.root),
                              "DATABASE_URL": str(self.state / "lc/state")})
        return self.lc

    def report(self, body: dict[str, Any]) -> None:
        """A worker's report to the local controller, which answers once it has it safe."""
        assert self.lc is not None
        port = self.lc.ready[1].rsplit(":", 1)[1]
        request = urllib.request.Request(f"http://127.0.0.1:{port}/sedna/workers/w/info", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200

    def gm_status(self, gm: Optional[Daemon] = None) -> str:
        gm = gm or self.gm
        assert gm is not None
        with urllib.request.urlopen(gm.ready[1] + "/gm/status", timeout=5) as answer:
            return str(answer.read().decode())

    def fresh_namespace(self) -> str:
        """Nobody deletes it: on kube there is no controller that would empty it."""
        made = self.api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace",
                                                      "metadata": {"generateName": "controllers-"}})
        return str(made["metadata"]["name"])

    def end(self) -> None:
        for daemon in (self.lc, self.gm):
            if daemon is not None and daemon.running():
                daemon.thaw()
                daemon.stop()
