"""One suite of the controllers, GM and LC as real processes, on every API server that they may meet.

Each case runs on ``sedna-apiserver`` and, with SEDNA_CONFORMANCE_KUBE=DIR of ``script/kube up --level api --dir DIR``, on a
real kube-apiserver. What GM makes is recorded in ``children.json`` (from the real one: SEDNA_CONFORMANCE_RECORD=1).
No controller but ours runs in either, so a case plays the cluster where one is needed: it writes what a Deployment's
controller would write, and it collects the garbage.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from controller_homes import Controllers, EmbeddedHome, Home, KubeHome
from programs import BIN, ROOT, eventually

KUBE = os.environ.get("SEDNA_CONFORMANCE_KUBE", "")
RECORDED = Path(__file__).with_name("children.json")
GOLDEN = Path(os.environ.get("SEDNA_GOLDEN", ROOT.parent / "shared/golden"))
SEDNA, APPS, CORE, HPAS = "/apis/sedna.io/v1alpha1/", "/apis/apps/v1/", "/api/v1/", "/apis/autoscaling/v2/"
EDGE, CLOUD = "deployments/digits-deployment-edge", "deployments/digits-deployment-cloud"

pytestmark = pytest.mark.skipif(not (BIN / "sedna-gm").exists(), reason="sedna-gm is not built")


@pytest.fixture(scope="module", params=["embedded", *(["kube"] if KUBE else [])])
def controllers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controllers]:
    """A home with a GM and an LC, for all cases."""
    state = tmp_path_factory.mktemp(request.param)
    home: Home = KubeHome(Path(KUBE).resolve(), state) if request.param == "kube" else EmbeddedHome(state / "api")
    made = Controllers(home, state)
    try:
        made.start_gm()
        made.start_lc()
        yield made
    finally:
        made.end()
        home.end()


class Place:
    """A namespace of its own, with what a case asks for and looks at there."""

    def __init__(self, controllers: Controllers) -> None:
        self.controllers, self.api = controllers, controllers.api
        self.ns = controllers.fresh_namespace()

    def path(self, group: str, resource: str) -> str:
        return f"{group}namespaces/{self.ns}/{resource}"

    def get(self, group: str, resource: str) -> Any:
        return self.api.get(self.path(group, resource))

    def patch(self, group: str, resource: str, body: Any) -> Any:
        return self.api.patch(self.path(group, resource), body)

    def create(self, group: str, plural: str, body: Any) -> Any:
        return self.api.create(self.path(group, plural), body)

    def delete(self, group: str, resource: str) -> Any:
        return self.api.delete(self.path(group, resource))

    def models(self) -> None:
        for name in ("small", "big"):
            self.create(SEDNA, "models", model(name))

    def service(self, name: str = "digits") -> Any:
        return self.create(SEDNA, "jointinferenceservices", service(name))

    def edit(self, change: dict[str, Any], name: str = "digits") -> Any:
        return self.patch(SEDNA, f"jointinferenceservices/{name}", {"spec": change})

    def with_children(self) -> Any:
        """The digits service and its models, once GM has made everything."""
        self.models()
        self.service()
        self.children()
        return eventually("a first status", lambda: self.get(SEDNA, "jointinferenceservices/digits").get("status"))

    def children(self) -> tuple[Any, Any, Any]:
        def all_three() -> Optional[tuple[Any, Any, Any]]:
            found = (self.get(APPS, EDGE), self.get(APPS, CLOUD), self.get(CORE, "services/digits-cloud"))
            return found if None not in found else None

        return eventually("the children", all_three)

    def image(self, resource: str) -> str:
        return str(self.get(APPS, resource)["spec"]["template"]["spec"]["containers"][0]["image"])

    def deployment_status(self, resource: str, ready: int) -> None:
        """What the Deployment's controller would say."""
        generation = self.get(APPS, resource)["metadata"]["generation"]
        self.patch(APPS, resource + "/status", {"status": {
            "observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready,
            "availableReplicas": ready}})

    def condition(self, name: str = "digits") -> Any:
        """The last condition of the service."""
        found = self.get(SEDNA, f"jointinferenceservices/{name}") or {}
        return (found.get("status", {}).get("conditions") or [{}])[-1]

    def becomes(self, condition: str, reason: str = "") -> Any:
        def so() -> Any:
            last = self.condition()
            return last if last.get("type") == condition and reason in ("", last.get("reason")) else None

        return eventually(f"{condition} {reason}", so, 30)


@pytest.fixture
def place(controllers: Controllers) -> Place:
    controllers.leading()
    return Place(controllers)


def model(name: str, **spec: str) -> dict[str, Any]:
    return {"apiVersion": "sedna.io/v1alpha1", "kind": "Model", "metadata": {"name": name},
            "spec": {"url": f"/models/{name}/model.onnx", "format": "onnx", **spec}}


def template(container: str, node: str, image: str = "") -> dict[str, Any]:
    return {"spec": {"nodeName": node, "containers": [{"name": container, "image": image or f"{container}:v1"}]}}


def service(name: str) -> dict[str, Any]:
    return {"apiVersion": "sedna.io/v1alpha1", "kind": "JointInferenceService", "metadata": {"name": name},
            "spec": {"edgeWorker": {"model": {"name": "small"}, "hardExampleMining": {
                "name": "IBT", "parameters": [{"key": "threshold_img", "value": "0.9"}]},
                                    "template": template("little", "edge0")},
                     "cloudWorker": {"model": {"name": "big"}, "template": template("big", "cloud0")}}}


def as_made(child: Any, ns: str, owner: str) -> Any:
    """Without what is another each time, and without what others write."""
    out = json.loads(json.dumps(child).replace(owner, "UID").replace(ns, "NAMESPACE"))
    for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"):
        out["metadata"].pop(key, None)
    out.pop("status", None)
    for key in ("clusterIP", "clusterIPs"):
        out["spec"].pop(key, None)
    text = re.sub(r'"(edge|cloud)worker-[a-z0-9]{5}"', r'"\1worker-RANDOM"', json.dumps(out))
    text = re.sub(r'("sedna.io/spec-hash": )"[^"]*"', r'\1"HASH"', text)
    return json.loads(text)


# ---- what is made, changed and made again ----------------------------------------------------------------------------


# CTL-1.1
def test_a_service_gets_its_children_the_same_everywhere(place: Place) -> None:
    place.models()
    uid = place.service()["metadata"]["uid"]
    made = {f"{c['kind']} {c['metadata']['name']}": as_made(c, place.ns, uid) for c in place.children()}
    if os.environ.get("SEDNA_CONFORMANCE_RECORD") and place.controllers.home.name == "kube":
        RECORDED.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
    recorded = json.loads(RECORDED.read_text())
    assert made.keys() == recorded.keys()
    for name, child in made.items():
        assert child == recorded[name], name


# CTL-1.2
def test_a_changed_spec_is_rolled_out_where_it_changed(place: Place) -> None:
    place.with_children()
    edge, cloud, _ = place.children()
    place.edit({"edgeWorker": {"template": template("little", "edge0", "little:v2")}})
    eventually("the new image", lambda: place.image(EDGE) == "little:v2")
    after_edge, after_cloud, _ = place.children()
    assert after_edge["metadata"]["generation"] == edge["metadata"]["generation"] + 1
    assert after_cloud["metadata"]["generation"] == cloud["metadata"]["generation"]
    names = [[v["value"] for v in d["spec"]["template"]["spec"]["containers"][0]["env"] if v["name"] == "WORKER_NAME"]
             for d in (edge, after_edge)]
    assert names[0] == names[1], "the worker keeps its name"


# CTL-1.2
def test_a_changed_model_reaches_the_workers(place: Place) -> None:
    place.with_children()
    place.patch(SEDNA, "models/big", {"spec": {"url": "/models/bigger/model.onnx"}})
    eventually("the new path", lambda: "/models/bigger" in json.dumps(place.get(APPS, CLOUD)["spec"]["template"]))


@pytest.mark.parametrize("child", [(APPS, EDGE), (APPS, CLOUD), (CORE, "services/digits-cloud")])
# CTL-1.3
def test_a_lost_child_is_made_again_and_an_event_says_so(place: Place, child: tuple[str, str]) -> None:
    place.with_children()
    uid = place.get(*child)["metadata"]["uid"]
    place.delete(*child)
    eventually("another one", lambda: (place.get(*child) or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid)
    eventually("an event", lambda: any(e["reason"] == "Rebuilt" for e in place.api.items(place.path(CORE, "events"))))
    assert len(place.api.items(place.path(APPS, "deployments"))) == 2


# CTL-1.4
def test_autoscalers_come_change_and_go(place: Place) -> None:
    place.with_children()
    hpa = "horizontalpodautoscalers/hpa-digits-deployment-cloud"
    place.edit({"cloudWorker": {"hpa": {"minReplicas": 1, "maxReplicas": 10}}})
    eventually("an autoscaler", lambda: place.get(HPAS, hpa))
    place.edit({"cloudWorker": {"hpa": {"maxReplicas": 7}}})
    eventually("its new limit", lambda: place.get(HPAS, hpa)["spec"]["maxReplicas"] == 7)
    place.edit({"cloudWorker": {"hpa": None}})
    eventually("no autoscaler", lambda: place.get(HPAS, hpa) is None)


# CTL-1.5
def test_deletion_leaves_children_to_the_collector_and_a_successor_waits_for_it(place: Place) -> None:
    """Neither home of these cases collects garbage: the children say whose they are, and GM leaves them alone."""
    place.with_children()
    before = {c["metadata"]["name"]: c["metadata"]["resourceVersion"] for c in place.children()}
    gone = place.get(SEDNA, "jointinferenceservices/digits")["metadata"]["uid"]
    place.delete(SEDNA, "jointinferenceservices/digits")
    place.service()
    place.becomes("Pending", "WaitingForDeletion")
    for child in place.children():
        [owner] = child["metadata"]["ownerReferences"]
        assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (gone, True, True)
        assert before[child["metadata"]["name"]] == child["metadata"]["resourceVersion"]
    for path in ((APPS, EDGE), (APPS, CLOUD), (CORE, "services/digits-cloud")):
        place.delete(*path)
    new = place.get(SEDNA, "jointinferenceservices/digits")["metadata"]["uid"]
    eventually("children of the new one", lambda: all(
        c["metadata"]["ownerReferences"][0]["uid"] == new for c in place.children()), 40)


# CTL-1.5
def test_deletion_takes_everything_where_garbage_is_collected(tmp_path: Path) -> None:
    """The embedded home with its loops; a cluster's own collector does the same by the same references."""
    home = EmbeddedHome(tmp_path / "api", loops=True)
    controllers = Controllers(home, tmp_path)
    try:
        controllers.start_gm()
        place = Place(controllers)
        place.with_children()
        eventually("Pods", lambda: place.api.items(place.path(CORE, "pods")))
        place.delete(SEDNA, "jointinferenceservices/digits")

        def left() -> list[Any]:
            return [o for group, plural in ((APPS, "deployments"), (CORE, "services"), (CORE, "pods"))
                    for o in place.api.items(place.path(group, plural))]

        eventually("nothing left", lambda: not left())
    finally:
        controllers.end()
        home.end()


# CTL-1.6
def test_a_taken_name_is_said_and_not_taken_over(place: Place) -> None:
    place.create(CORE, "services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "digits-cloud"},
                                    "spec": {"ports": [{"port": 80}]}})
    place.models()
    place.service()
    place.becomes("Failed", "NameConflict")
    assert "ownerReferences" not in place.get(CORE, "services/digits-cloud")["metadata"]


# ---- status ----------------------------------------------------------------------------------------------------------


# CTL-2.1
def test_the_status_follows_the_workers(place: Place) -> None:
    place.with_children()
    place.becomes("Pending")
    place.deployment_status(CLOUD, 1)
    eventually("one serves", lambda: place.get(SEDNA, "jointinferenceservices/digits")["status"].get("active") == 1)
    assert place.condition()["type"] == "Pending"
    place.deployment_status(EDGE, 1)
    place.becomes("Running")
    status = place.get(SEDNA, "jointinferenceservices/digits")["status"]
    assert (status["active"], status["failed"], status["observedGeneration"]) == (2, 0, 1)


# CTL-2.1
def test_failed_says_why_and_is_left(place: Place) -> None:
    place.with_children()
    labels = place.get(APPS, EDGE)["spec"]["template"]["metadata"]["labels"]
    place.deployment_status(CLOUD, 1)
    place.deployment_status(EDGE, 0)
    place.create(CORE, "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "edge-1", "labels": labels},
                                "spec": template("little", "edge0")["spec"]})
    place.patch(CORE, "pods/edge-1/status", {"status": {"phase": "Running", "containerStatuses": [{
        "name": "little", "image": "little:v1", "imageID": "", "ready": False, "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 3, "reason": "Error", "message": "no such file: model.onnx"}}}]}})
    message = place.becomes("Failed", "workerFailed")["message"]
    for words in ("CrashLoopBackOff", "edge worker edge-1 on edge0", "exit code 3: no such file: model.onnx", "Hint: "):
        assert words in message
    place.api.ask("DELETE", place.path(CORE, "pods/edge-1") + "?gracePeriodSeconds=0")
    place.deployment_status(EDGE, 1)
    place.becomes("Running")
    conditions = place.get(SEDNA, "jointinferenceservices/digits")["status"]["conditions"]
    [failed] = [c for c in conditions if c["type"] == "Failed"]
    assert (failed["status"], failed["reason"]) == ("False", "Recovered")


# CTL-1.7
def test_a_missing_secret_is_waited_for(place: Place) -> None:
    place.create(SEDNA, "models", model("small"))
    place.create(SEDNA, "models", model("big", url="s3://bucket/big/model.onnx", credentialName="access"))
    place.service()
    eventually("it is said", lambda: place.condition().get("reason") == "SecretNotFound")
    place.create(CORE, "secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {
        "name": "access", "annotations": {"s3-endpoint": "s3.example.invalid"}},
        "data": {"ACCESS_KEY_ID": "YWFh", "SECRET_ACCESS_KEY": "c2VjcmV0LXZhbHVl"}})
    cloud = eventually("the Deployment, by itself", lambda: place.get(APPS, CLOUD), 45)
    assert '"secretKeyRef"' in json.dumps(cloud)
    assert "secret-value" not in json.dumps(cloud)


# CTL-2.2
def test_kinds_without_a_controller_say_so(place: Place) -> None:
    jobs = {"reidjobs": {"kind": "ReidJob", "spec": {"template": template("reid", "cloud0")}},
            "videoanalyticsjobs": {"kind": "VideoAnalyticsJob", "spec": {
                "model": {"name": "big"}, "template": template("va", "edge0")}}}
    for plural, body in jobs.items():
        place.create(SEDNA, plural, {"apiVersion": "sedna.io/v1alpha1", "metadata": {"name": "j"}, **body})
    for plural in jobs:
        [told] = eventually("a condition", lambda plural=plural: place.get(
            SEDNA, plural + "/j").get("status", {}).get("conditions"))
        assert (told["type"], told["status"], told["reason"]) == ("Controlled", "False", "NoController")
    assert not place.api.items(place.path(CORE, "pods"))


# ---- the local controller, over the link -----------------------------------------------------------------------------


# CTL-2.3
def test_datasets_models_and_reports_of_a_node(place: Place, controllers: Controllers) -> None:
    place.with_children()
    index = controllers.root / "data" / f"{place.ns}.txt"
    place.create(SEDNA, "datasets", {"apiVersion": "sedna.io/v1alpha1", "kind": "Dataset", "metadata": {"name": "d"},
                                     "spec": {"url": f"/data/{place.ns}.txt", "format": "txt", "nodeName": "edge0"}})

    def dataset() -> Any:
        return place.get(SEDNA, "datasets/d").get("status") or {}

    eventually("what is wrong", lambda: "is not there" in json.dumps(dataset()))
    index.write_text("a\nb\n")
    eventually("the count", lambda: dataset().get("numberOfSamples") == 2)
    eventually("the model's file", lambda: place.get(SEDNA, "models/small").get("status", {}).get("nodes"))
    controllers.report(worker_report(place.ns, 100, 40))
    total = eventually("the report", lambda: place.get(SEDNA, "jointinferenceservices/digits")["status"].get("total"))
    assert (total["inferences"], total["hardExamples"]) == (100, 40)


def worker_report(ns: str, inferences: int, hard: int) -> dict[str, Any]:
    return {"name": "w", "namespace": ns, "ownerName": "digits", "ownerKind": "jointinferenceservice",
            "kind": "inference", "results": [], "podUid": "pod-1", "run": "a",
            "ownerInfo": {"inferenceNumber": inferences, "hardExampleNumber": hard, "uploadCloudRatio": 0.5}}


# CTL-2.3
def test_what_the_local_controller_took_reaches_the_next_gm(place: Place, controllers: Controllers) -> None:
    place.with_children()
    controllers.leading().kill()
    controllers.report(worker_report(place.ns, 7, 3))
    assert controllers.lc is not None
    controllers.lc.kill()
    controllers.start_lc()
    controllers.start_gm()
    total = eventually("the report", lambda: place.get(SEDNA, "jointinferenceservices/digits")["status"].get("total"))
    assert (total["inferences"], total["hardExamples"]) == (7, 3)


# ---- GM comes, goes, and is not alone --------------------------------------------------------------------------------


# CTL-3.1
def test_a_killed_gm_leaves_no_duplicate_and_its_successor_no_gap(place: Place, controllers: Controllers) -> None:
    place.models()
    services = [f"s{i}" for i in range(20)]
    for name in services:
        place.service(name)
    controllers.leading().kill()  # in the midst of it
    for name in services[:5]:
        place.edit({"cloudWorker": {"template": template("big", "cloud0", "big:v2")}}, name)
    place.delete(SEDNA, "jointinferenceservices/s19")
    known = {d["metadata"]["name"]: d["metadata"]["uid"] for d in place.api.items(place.path(APPS, "deployments"))}
    controllers.start_gm()

    def deployments() -> dict[str, Any]:
        return {d["metadata"]["name"]: d for d in place.api.items(place.path(APPS, "deployments"))}

    expected = {f"{name}-deployment-{role}" for name in services[:-1] for role in ("edge", "cloud")}
    eventually("all children", lambda: expected <= deployments().keys() and all(
        place.image(f"deployments/{name}-deployment-cloud") == "big:v2" for name in services[:5]))
    found = deployments()
    of_the_deleted = {name for name in known if name.startswith("s19-")}
    assert found.keys() == expected | of_the_deleted
    assert {name: found[name]["metadata"]["uid"] for name in known} == known, "nothing was replaced"
    assert len(place.api.items(place.path(CORE, "services"))) in (19, 20)


# CTL-3.1
def test_a_restart_alone_changes_nothing(place: Place, controllers: Controllers) -> None:
    place.with_children()
    for resource in (EDGE, CLOUD):
        place.deployment_status(resource, 1)
    place.becomes("Running")

    def versions() -> list[str]:
        objects = [*place.children(), place.get(SEDNA, "jointinferenceservices/digits")]
        return [o["metadata"]["resourceVersion"] for o in objects]

    before = versions()
    assert controllers.leading().stop() == 0
    controllers.start_gm()
    place.service("after")  # once it has this one it has seen the other
    eventually("the later service", lambda: place.get(APPS, "deployments/after-deployment-edge"))
    assert versions() == before


# CTL-1.6
def test_objects_of_an_upstream_gm_are_adopted_as_they_are(place: Place, controllers: Controllers) -> None:
    file = GOLDEN / "objects/jointinferenceservice.json"
    if not file.exists():
        pytest.skip(f"LEFT OUT: no recordings of upstream at {GOLDEN}; set SEDNA_GOLDEN")
    recorded = json.loads(file.read_text())
    controllers.leading().stop()
    resource = recorded["custom_resource"]
    name = resource["metadata"]["name"]

    def bare(item: Any, old: str = "", new: str = "") -> Any:
        out = json.loads(json.dumps(item).replace(old, new) if old else json.dumps(item))
        for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "namespace", "managedFields"):
            out["metadata"].pop(key, None)
        out.pop("status", None)
        for key in ("clusterIP", "clusterIPs"):
            out["spec"].pop(key, None)
        return out

    for item in recorded["models"]:
        place.create(SEDNA, "models", bare(item))
    made = place.create(SEDNA, "jointinferenceservices", bare(resource))
    children = [(APPS, "deployments", d) for d in recorded["created"]["deployments"]]
    children += [(CORE, "services", s) for s in recorded["created"]["services"]]
    before = {}
    for group, plural, item in children:
        child = bare(item, resource["metadata"]["uid"], made["metadata"]["uid"])
        if plural == "deployments":  # the namespace is in an address of the edge worker
            child = json.loads(json.dumps(child).replace(f'-cloud.{resource["metadata"]["namespace"]}"',
                                                         f'-cloud.{place.ns}"'))
            for container in child["spec"]["template"]["spec"]["containers"]:
                for entry in container["env"]:
                    if entry["name"] == "NAMESPACE":
                        entry["value"] = place.ns
        answer = place.create(group, plural, child)
        before[(group, f"{plural}/{answer['metadata']['name']}")] = answer
    controllers.start_gm()
    eventually("the status", lambda: place.condition(name).get("type"))
    for path, child in before.items():
        now = place.get(*path)
        assert now["metadata"]["uid"] == child["metadata"]["uid"]
        assert now["spec"] == child["spec"]
        if path[0] == APPS:
            assert now["metadata"]["annotations"]["sedna.io/spec-hash"]


# CTL-3.2
def test_one_of_two_works_and_the_other_takes_over(place: Place, controllers: Controllers) -> None:
    first = controllers.leading()
    second = controllers.another_gm("--link-port", "0", "--identity", "the-other")
    try:
        assert second.ready[2] == "link=0"
        assert controllers.gm_status(second).startswith("standing by")
        assert first.stop() == 0
        eventually("the second leads", lambda: controllers.gm_status(second).startswith("leading"))
        assert place.api.get(controllers.home.lease)["spec"]["holderIdentity"] == "the-other"
        place.with_children()
    finally:
        assert second.stop() == 0
        controllers.start_gm()


# CTL-3.5
def test_a_gm_that_cannot_open_its_link_ends_and_says_why(controllers: Controllers) -> None:
    controllers.leading()
    done = subprocess.run([BIN / "sedna-gm", *controllers.home.gm_flags, "--no-election", "--link-host", "127.0.0.1",
                           "--link-port", str(controllers.link_port), "--link-tokens", str(controllers.tokens)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "cannot listen" in done.stderr


# ---- the API server goes away ----------------------------------------------------------------------------------------


def follow(controllers: Controllers) -> None:
    """What a supervisor does, a Deployment or ``sedna up``: a GM that has ended is started again."""
    if controllers.gm is not None and not controllers.gm.running():
        assert controllers.gm.process.returncode != 0
        controllers.start_gm()


# CTL-3.3
def test_a_short_absence_of_the_api_server_is_waited_out(place: Place, controllers: Controllers) -> None:
    place.with_children()
    gm, lc = controllers.leading(), controllers.lc
    controllers.home.stop_server()
    time.sleep(3)
    controllers.home.start_server()
    place.delete(APPS, EDGE)

    def rebuilt() -> Any:
        follow(controllers)  # on a busy machine the server comes back later than GM may hold its Lease unrenewed
        return place.get(APPS, EDGE)

    eventually("rebuilt", rebuilt, 40)
    assert gm.running() or gm.process.returncode == 1
    assert controllers.gm_status().startswith("leading")
    assert lc is not None
    assert lc.running()


@pytest.mark.parametrize("how", ["silent", "gone"])
# CTL-3.3
def test_without_the_api_server_gm_ends_before_another_may_lead(place: Place, controllers: Controllers, how: str) -> None:
    """A server that hangs is worse than one that is gone: a request that waits must not outlast the Lease."""
    place.with_children()
    gm, home = controllers.leading(), controllers.home
    if how == "silent":
        home.signal_server(signal.SIGSTOP)
    else:
        home.stop_server()
    begin = time.monotonic()
    try:
        eventually("GM has ended", lambda: not gm.running(), 25)
    finally:
        if how == "silent":
            home.signal_server(signal.SIGCONT)
        else:
            home.start_server()
    # 10 s without renewal, an attempt under way, and the good end that is tried.
    assert time.monotonic() - begin < 25
    assert gm.process.returncode == 1
    assert any("no longer leading" in line for line in gm.log)
    follow(controllers)
    place.delete(APPS, EDGE)
    eventually("the next one works", lambda: place.get(APPS, EDGE), 30)
    assert len(place.api.items(place.path(APPS, "deployments"))) == 2


# CTL-3.4
def test_what_happened_while_gm_was_cut_off_is_seen_afterwards(place: Place, controllers: Controllers) -> None:
    """Its watches go on from a version that the restarted server no longer knows (410), so it lists again."""
    place.with_children()
    gm, home = controllers.leading(), controllers.home
    gm.freeze()
    try:
        place.delete(APPS, EDGE)
        place.edit({"cloudWorker": {"template": template("big", "cloud0", "big:v3")}})
        for i in range(20):
            place.patch(SEDNA, "models/small", {"metadata": {"labels": {"n": str(i)}}})
        home.stop_server()
        home.start_server()
        place.patch(SEDNA, "models/small", {"metadata": {"labels": {"n": "last"}}})
    finally:
        gm.thaw()

    def healed() -> bool:
        follow(controllers)  # frozen for so long it may have lost its Lease
        return bool(place.get(APPS, EDGE)) and place.image(CLOUD) == "big:v3"

    eventually("rebuilt and rolled out", healed, 40)
    assert len(place.api.items(place.path(APPS, "deployments"))) == 2


# CTL-1.2
def test_a_write_burst_while_a_watch_lags_is_not_lost(place: Place, controllers: Controllers) -> None:
    place.models()
    for i in range(60):
        place.service(f"b{i}")
    for i in range(60):
        place.edit({"edgeWorker": {"template": template("little", "edge0", "little:v9")}}, f"b{i}")

    def done() -> bool:
        items = place.api.items(place.path(APPS, "deployments"))
        edges = [d for d in items if d["metadata"]["name"].endswith("-edge")]
        images = {d["spec"]["template"]["spec"]["containers"][0]["image"] for d in edges}
        return len(items) == 120 and images == {"little:v9"}

    eventually("all rolled out", done, 60)


