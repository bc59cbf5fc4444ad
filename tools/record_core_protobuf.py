"""Records how Kubernetes' protobuf numbers the fields of the core kinds that the embedded API server serves.

    python3 tools/record_core_protobuf.py [GO_MODULE_CACHE]

Reads the Go types of k8s.io/api and k8s.io/apimachinery (as script/kube has fetched them) and writes
src/sedna/apiserver/core_protobuf.txt, one message a line:

    core.v1.Container name:1:s image:2:s command:3:[s ports:6:[@core.v1.ContainerPort …

A field is its JSON name ("^": its members stand in the message around it), its number, and its type: s text, b bytes, i
integer, B truth, d number, T time, M time with microseconds, Q quantity, I number or text, @name a message, - nothing that
is read; "[" a list of them, "{" a map from texts to them, "*" an optional one, of which a zero counts.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = "v0.34.4"
PACKAGES = {
    "core.v1": "api/core/v1",
    "apps.v1": "api/apps/v1",
    "autoscaling.v1": "api/autoscaling/v1",
    "autoscaling.v2": "api/autoscaling/v2",
    "coordination.v1": "api/coordination/v1",
    "discovery.v1": "api/discovery/v1",
    "meta.v1": "apimachinery/pkg/apis/meta/v1",
}
ROOTS = (
    "core.v1.ConfigMap", "core.v1.Event", "core.v1.Namespace", "core.v1.Node", "core.v1.Pod", "core.v1.Secret",
    "core.v1.Service", "apps.v1.Deployment", "autoscaling.v1.Scale", "autoscaling.v2.HorizontalPodAutoscaler",
    "coordination.v1.Lease", "discovery.v1.EndpointSlice", "meta.v1.DeleteOptions",
)
SPECIAL = {
    "meta.v1.Time": "T", "meta.v1.MicroTime": "M", "resource.Quantity": "Q", "intstr.IntOrString": "I",
    "meta.v1.FieldsV1": "-", "runtime.RawExtension": "-", "types.UID": "s", "types.NodeName": "s",
}
BASIC = {"string": "s", "[]byte": "b", "bool": "B", "float64": "d", "int": "i", "int32": "i", "int64": "i", "uint32": "i"}
FIELD = re.compile(r"^\t(?:(\w+)\s+)?([\w.*\[\]]+)\s+`(.*)`")


class Types:
    """The structs and named types of all packages."""

    def __init__(self, modules: Path) -> None:
        self.structs: dict[str, list[tuple[str, str, int]]] = {}
        self.named: dict[str, str] = {}
        for package, folder in PACKAGES.items():
            module, _, rest = folder.partition("/")
            for file in (modules / f"{module}@{VERSION}" / rest).glob("*.go"):
                if not file.name.endswith("_test.go") and "generated" not in file.name:
                    self.read(package, file.read_text())

    def read(self, package: str, text: str) -> None:
        """Takes the declarations of one file."""
        for name, other in re.findall(r"^type (\w+) ([\w.\[\]]+)$", text, re.M):
            self.named[f"{package}.{name}"] = self.qualified(package, other)
        for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
            fields = []
            for line in body.splitlines():
                found = FIELD.match(line)
                tag = found and re.search(r'protobuf:"(\w+),(\d+)', found[3])
                json = found and re.search(r'json:"([^",]*)(,inline)?', found[3])
                if found and tag and json:
                    inline = bool(json[2]) or not json[1]
                    fields.append(("^" if inline else json[1], self.qualified(package, found[2]), int(tag[2])))
            self.structs[f"{package}.{name}"] = fields

    @staticmethod
    def qualified(package: str, expression: str) -> str:
        """A type expression with the names of packages written out."""
        name = re.sub(r"^(?:\*|\[\]|map\[[\w.]+\])*", "", expression)
        head = expression[:len(expression) - len(name)]
        if name in BASIC or name == "byte":
            return expression
        if "." not in name:
            return head + f"{package}.{name}"
        alias, _, rest = name.partition(".")
        return head + {"metav1": "meta.v1.", "v1": "core.v1.", "corev1": "core.v1."}.get(alias, alias + ".") + rest

    def code(self, expression: str) -> tuple[str, set[str]]:
        """The type's letters, and the messages it leads to."""
        if expression.startswith("*"):
            inner, found = self.code(expression[1:])
            return ("*" + inner if inner in "siBd" else inner), found
        if expression in BASIC:
            return BASIC[expression], set()
        if expression in SPECIAL:
            return SPECIAL[expression], set()
        if expression.startswith("[]"):
            inner, found = self.code(expression[2:])
            return "[" + inner, found
        if expression.startswith("map["):
            inner, found = self.code(expression[expression.index("]") + 1:])
            return "{" + inner, found
        if expression in self.named:
            return self.code(self.named[expression])
        if expression in self.structs:
            return "@" + expression, {expression}
        raise SystemExit(f"unknown type {expression}")


def main() -> int:
    """Writes the table."""
    cache = Path(sys.argv[1]) if len(sys.argv) > 1 else Path.home() / "go" / "pkg" / "mod"
    types = Types(cache / "k8s.io")
    lines: dict[str, str] = {}
    todo = list(ROOTS)
    while todo:
        name = todo.pop()
        if name in lines:
            continue
        words = [name]
        for field, expression, number in types.structs[name]:
            letters, found = types.code(expression)
            words.append(f"{field}:{number}:{letters}")
            todo.extend(found)
        lines[name] = " ".join(words)
    text = "".join(lines[name] + "\n" for name in sorted(lines))
    out = ROOT / "src" / "sedna" / "apiserver" / "core_protobuf.txt"
    out.write_text(f"# Kubernetes {VERSION}, by tools/record_core_protobuf.py\n{text}")
    print(f"{out}: {len(lines)} messages, {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
