"""The guides, docs/joint-inference.md and docs/federated-learning.md, say what the program says: flags, variables, metrics."""

from __future__ import annotations

import re
import subprocess

import pytest
from programs import ROOT, WORKER

GUIDE = (ROOT / "docs" / "joint-inference.md").read_text(encoding="utf-8")
FEDERATED = (ROOT / "docs" / "federated-learning.md").read_text(encoding="utf-8")


def section(heading: str, guide: str = GUIDE) -> str:
    """The text from a heading to the next of its level or above."""
    level = heading.split(" ")[0]
    found = re.search(rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", guide, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


@pytest.mark.parametrize(("command", "heading"), [
    ("infer", "### infer: the cloud side"), ("edge", "### edge: the edge side"), ("calibrate", "### calibrate: the threshold"),
    ("aggregate", "## Flags"),
])
# JI-8.8
def test_the_flags_are_those_of_help(command: str, heading: str) -> None:
    said = subprocess.run([str(WORKER), command, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    flags = set(re.findall(r"^  (--[a-z-]+)", said, re.MULTILINE)) - {"--help"}
    guide = FEDERATED if command == "aggregate" else GUIDE
    table = "\n".join(line for line in section(heading, guide).splitlines() if line.startswith("| "))
    assert set(re.findall(r"`(--[a-z-]+)", table)) == flags


# JI-8.8
def test_every_variable_that_is_read_is_in_the_guide() -> None:
    """What workers read stands in their guides; what the home's programs read, in "getting started"."""
    home = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    sections = (section("## Environment") + section("## ONNX Runtime") + section("## Environment", FEDERATED) +
                section("## Environment", home))
    listed = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", sections))
    read: set[str] = set()
    sources = [p for folder in ("src", "cmd", "python/src", "python/sedna") for p in (ROOT / folder).glob("**/*.*")]
    call = r"(?:get|get_or|get_flag|get_integer|get_number|getenv|get_parameters|_port|_Env|environ\.get)"
    for source in sources:
        tests = source.stem.endswith("_test") or source.stem.startswith("test_")
        if source.suffix in (".cpp", ".hpp", ".py") and not tests:
            text = source.read_text(encoding="utf-8")
            read.update(re.findall(rf'\b{call}\((?:self, |job, )?"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"', text))
    assert len(read) > 40
    assert read - listed == set()


# JI-8.8
def test_every_metric_is_in_the_guide() -> None:
    table = section("## Metrics")
    made: set[str] = set()
    for source in (ROOT / "src").glob("**/*.cpp"):
        if not source.stem.endswith("_test"):
            made.update(re.findall(r'"((?:sedna_(?:ji|http|inference|offload)|nv_inference)_[a-z_]+)"',
                                   source.read_text(encoding="utf-8")))
    assert len(made) > 30
    table = re.sub(r"\{input,infer,output\}", "input_compute_infer_compute_output", table)

    def shown(name: str) -> bool:
        # `…_rest` stands for the family's beginning: sedna_http, sedna_inference, sedna_offload, nv_inference.
        rest = re.sub(r"^(sedna_http|sedna_inference|sedna_offload|nv_inference)", "", name)
        return f"`{name}`" in table or (rest != name and f"`…{rest}`" in table)

    missing = {name for name in made if not shown(name) and "_compute_" not in name}
    assert missing == set()
