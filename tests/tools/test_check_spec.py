"""The rules of tools/check_spec.py, each on a small tree that breaks it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from check_spec import check  # noqa: E402


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    write(tmp_path / "src/sedna/base/base_test.cpp", "TEST(Error, Speaks) {}\nTEST_P(Many, OfThem) {}\n")
    write(tmp_path / "python/tests/test_x.py", "def test_one() -> None: ...\n")
    write(tmp_path / "tests/fuzz/CMakeLists.txt", "sedna_fuzz(NAME fuzz_json SOURCE a.cpp MODULES json)\n")
    write(tmp_path / "bench/run.py", 'ALL = {\n    "ji_overhead": overhead,\n}\n')
    write(tmp_path / "script/demo", "#!/bin/bash\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def spec(tree: Path, text: str) -> tuple[list[str], list[str]]:
    write(tree / "docs/spec/a.md", text)
    findings, uncovered, _ = check(tree)
    return findings, [r.number for r in uncovered]


def test_each_kind_of_test_is_known(tree: Path) -> None:
    assert spec(tree, """# Title
- **JI-1.1** `Not.A` test here.
  *Tests:* `Error.Speaks`, `Many.OfThem`,
  `python/tests/test_x.py::test_one`, `fuzz_json`, `bench ji_overhead`, `script/demo`
""") == ([], [])


def test_unknown_names_are_findings(tree: Path) -> None:
    for name in ("Error.Sings", "python/tests/test_x.py::test_two", "fuzz_nothing", "bench nothing", "script/none"):
        findings, _ = spec(tree, f"- **JI-1.1** Text.\n  *Tests:* `{name}`\n")
        assert findings == [f"docs/spec/a.md:1: JI-1.1: no such test: {name}"]


def test_requirements_without_a_test_are_told_apart(tree: Path) -> None:
    assert spec(tree, "- **JI-1.1** Text.\n- **JI-1.2** Text.\n  *Tests:* `Error.Speaks`\n") == ([], ["JI-1.1"])


def test_numbers_stand_once_and_in_order(tree: Path) -> None:
    findings, _ = spec(tree, "- **JI-1.2** A.\n- **JI-1.1** B.\n- **JI-1.2** C.\n")
    assert findings == [
        "docs/spec/a.md:2: JI-1.1 comes after JI-1.2",
        "docs/spec/a.md:3: JI-1.2 stands already at docs/spec/a.md:1",
    ]


def test_this_repository_is_in_order() -> None:
    findings, _, requirements = check(ROOT)
    assert findings == []
    assert requirements
