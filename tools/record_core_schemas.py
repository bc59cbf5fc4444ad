"""Records the structure of the core kinds that the embedded API server serves, from a running kube-apiserver.

    script/kube up --level api --dir DIR
    python3 tools/record_core_schemas.py --dir DIR
    script/kube down --dir DIR

Writes src/sedna/api/core_schemas.json: names, types, defaults, list-map keys and patch keys, as OpenAPI says them and
without a word of description. One type a line, so that a new version of Kubernetes shows as a small difference.

    {"recorded_from": "v1.34.4",
     "kinds": {"v1 Pod": "core.v1.Pod", …},
     "types": {"core.v1.Pod": {"type": "object", "properties": {"spec": {"$ref": "core.v1.PodSpec"}, …}}, …}}

and tests/compat/vectors/core_defaults.jsonl: sparse objects and what the server makes of them, because most defaults of
the core kinds are in its code and not in the schema. One object a line: {"path": …, "sent": …, "stored": …}.

A schema holds, where they apply: type, format, properties, required, items, additionalProperties, default, enum, nullable,
$ref (another type; a default may stand beside it), oneOf (of quantities and of numbers or texts), and of the extensions
x-kubernetes-list-type, -list-map-keys, -map-type, -patch-strategy, -patch-merge-key, -preserve-unknown-fields,
-int-or-string, written without "x-kubernetes-".
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from typing import Any

from kube_test_server import Server, port_of

DOCUMENTS = (
    "api/v1",
    "apis/apps/v1",
    "apis/autoscaling/v2",
    "apis/coordination.k8s.io/v1",
    "apis/discovery.k8s.io/v1",
)
KINDS = (
    "v1 ConfigMap",
    "v1 Event",
    "v1 Namespace",
    "v1 Node",
    "v1 Pod",
    "v1 Secret",
    "v1 Service",
    "apps/v1 Deployment",
    "autoscaling/v1 Scale",
    "autoscaling/v2 HorizontalPodAutoscaler",
    "coordination.k8s.io/v1 Lease",
    "discovery.k8s.io/v1 EndpointSlice",
    "v1 DeleteOptions",
)
KEPT = ("type", "format", "required", "default", "enum", "nullable")
EXTENSIONS = (
    "list-type",
    "list-map-keys",
    "map-type",
    "patch-strategy",
    "patch-merge-key",
    "preserve-unknown-fields",
    "int-or-string",
)
PREFIXES = ("io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apimachinery.pkg.api.", "io.k8s.apimachinery.pkg.")


def short_name(reference: str) -> str:
    """What follows the prefixes: core.v1.Pod for #/components/schemas/io.k8s.api.core.v1.Pod."""
    name = reference.rsplit("/", 1)[-1]
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name[len(prefix) :].removeprefix("util.")
    return name


class Recorder:
    """Gathers the types that the kinds reach, by short name."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}
        self._components: dict[str, Any] = {}

    def add_document(self, document: Any) -> None:
        """The components of one group's OpenAPI document."""
        self._components.update(document["components"]["schemas"])

    def take(self, reference: str) -> str:
        """Records the type and all it refers to; returns its short name."""
        name = short_name(reference)
        if name not in self.types:
            self.types[name] = {}  # types refer to themselves
            self.types[name] = self._compact(self._components[reference.rsplit("/", 1)[-1]])
        return name

    def _compact(self, schema: Any) -> dict[str, Any]:
        out: dict[str, Any] = {key: schema[key] for key in KEPT if key in schema}
        for key in EXTENSIONS:
            if f"x-kubernetes-{key}" in schema:
                out[key] = schema[f"x-kubernetes-{key}"]
        reference = schema.get("$ref") or next((s["$ref"] for s in schema.get("allOf", []) if "$ref" in s), None)
        if reference:
            out["$ref"] = self.take(reference)
        if "oneOf" in schema:
            out["oneOf"] = [branch["type"] for branch in schema["oneOf"]]
        for key in ("items", "additionalProperties"):
            if key in schema:
                out[key] = self._compact(schema[key])
        if "properties" in schema:
            out["properties"] = {name: self._compact(s) for name, s in sorted(schema["properties"].items())}
        return out


def record(server: Server) -> dict[str, Any]:
    """The whole file as one document."""
    recorder = Recorder()
    kinds: dict[str, str] = {}
    for path in DOCUMENTS:
        document = server.get(f"/openapi/v3/{path}")
        recorder.add_document(document)
        for component, schema in sorted(document["components"]["schemas"].items()):
            for gvk in schema.get("x-kubernetes-group-version-kind", []):
                api_version = f"{gvk['group']}/{gvk['version']}" if gvk["group"] else gvk["version"]
                if f"{api_version} {gvk['kind']}" in KINDS:
                    kinds[f"{api_version} {gvk['kind']}"] = recorder.take(component)
    missing = set(KINDS) - set(kinds)
    if missing:
        raise RuntimeError(f"the server has no schema of {sorted(missing)}")
    return {"recorded_from": server.get("/version")["gitVersion"], "kinds": kinds, "types": recorder.types}


def render(document: dict[str, Any]) -> str:
    """JSON with one type a line."""
    lines = [
        json.dumps(name) + ": " + json.dumps(schema, separators=(",", ":")) for name, schema in sorted(document["types"].items())
    ]
    head = f'{{"recorded_from": {json.dumps(document["recorded_from"])},\n"kinds": {json.dumps(document["kinds"])},\n'
    return head + '"types": {\n' + ",\n".join(lines) + "\n}}\n"


POD_SPEC = {
    "containers": [
        {
            "name": "c",
            "image": "registry.example/worker",
            "ports": [{"containerPort": 5000}],
            "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
            "livenessProbe": {"httpGet": {"port": 5000}},
            "readinessProbe": {"tcpSocket": {"port": 5000}},
            "startupProbe": {"exec": {"command": ["true"]}},
            "resources": {"limits": {"memory": "64Mi"}},
        },
        {"name": "tagged", "image": "registry.example/worker:v1", "readinessProbe": {"grpc": {"port": 5001}}},
    ],
    "initContainers": [{"name": "i", "image": "registry.example/initializer:latest"}],
    "volumes": [
        {"name": "host", "hostPath": {"path": "/data"}},
        {"name": "config", "configMap": {"name": "cm"}},
        {"name": "secret", "secret": {"secretName": "s"}},
        {"name": "down", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"name": "projected", "projected": {"sources": [{"configMap": {"name": "cm"}}]}},
        {"name": "empty", "emptyDir": {}},
        {"name": "implied"},
    ],
}
LABELS = {"app": "a"}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
NAMESPACE = "/namespaces/default"
# Objects with little in them, and the paths to create them at.
SPARSE: list[tuple[str, dict[str, Any]]] = [
    (f"/api/v1{NAMESPACE}/pods", {"apiVersion": "v1", "kind": "Pod", "spec": POD_SPEC}),
    (
        f"/api/v1{NAMESPACE}/pods",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": {
                "hostNetwork": True,
                "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}],
            },
        },
    ),
    (
        f"/api/v1{NAMESPACE}/services",
        {"apiVersion": "v1", "kind": "Service", "spec": {"selector": LABELS, "ports": [{"port": 5000}]}},
    ),
    (
        f"/api/v1{NAMESPACE}/services",
        {"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "None", "ports": [{"port": 80, "targetPort": "h"}]}},
    ),
    (
        f"/api/v1{NAMESPACE}/services",
        {"apiVersion": "v1", "kind": "Service", "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}},
    ),
    (
        f"/apis/apps/v1{NAMESPACE}/deployments",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE},
        },
    ),
    (
        f"/apis/apps/v1{NAMESPACE}/deployments",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": LABELS}, "template": TEMPLATE},
        },
    ),
    (
        f"/apis/autoscaling/v2{NAMESPACE}/horizontalpodautoscalers",
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "spec": {
                "maxReplicas": 3,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
                "behavior": {"scaleDown": {"stabilizationWindowSeconds": 10}},
            },
        },
    ),
    (f"/api/v1{NAMESPACE}/secrets", {"apiVersion": "v1", "kind": "Secret", "stringData": {"key": "value"}}),
    (f"/api/v1{NAMESPACE}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "value"}}),
    ("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace"}),
    ("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"labels": {"a": "b"}}}),
    (
        f"/api/v1{NAMESPACE}/events",
        {
            "apiVersion": "v1",
            "kind": "Event",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
            "reason": "Started",
            "message": "m",
        },
    ),
    (
        f"/apis/coordination.k8s.io/v1{NAMESPACE}/leases",
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "h"}},
    ),
    (
        f"/apis/discovery.k8s.io/v1{NAMESPACE}/endpointslices",
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {}}],
            "ports": [{"port": 5000}],
        },
    ),
]
# What is drawn or chosen anew each time.
VARYING = ("uid", "resourceVersion", "creationTimestamp", "managedFields")


def record_defaults(server: Server) -> list[dict[str, Any]]:
    """What the server makes of sparse objects, without storing them."""
    recorded = []
    for number, (path, sparse) in enumerate(SPARSE):
        sent = {**sparse, "metadata": {**sparse.get("metadata", {}), "name": f"sparse-{number}"}}
        status, body = server.request("POST", f"{path}?dryRun=All", json.dumps(sent).encode(), "application/json")
        stored = json.loads(body)
        if status != 201:
            raise RuntimeError(f"POST {path}: {status} {stored.get('message')}")
        for key in VARYING:
            stored["metadata"].pop(key, None)
        recorded.append({"path": path, "sent": sent, "stored": stored})
    return recorded


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--dir", type=pathlib.Path, required=True, help="the folder given to script/kube up")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("src/sedna/api/core_schemas.json"))
    parser.add_argument("--defaults", type=pathlib.Path, default=pathlib.Path("tests/compat/vectors/core_defaults.jsonl"))
    arguments = parser.parse_args()
    server = Server(arguments.dir, port_of(arguments.dir))
    text = render(record(server))
    json.loads(text)
    arguments.output.write_text(text)
    lines = [json.dumps(entry, separators=(",", ":")) for entry in record_defaults(server)]
    arguments.defaults.write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
