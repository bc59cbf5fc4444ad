"""The rules of tools/check_spec.py, each on a small tree that breaks it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from check_spec import check, write  # noqa: E402

CPP = "src/sedna/base/base_test.cpp"
PY = "python/tests/test_x.py"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    put(tmp_path / CPP, "TEST(Error, Speaks) {}\n\n// Why.\nTEST_P(Many, OfThem) {}\n")
    put(tmp_path / PY, "@mark\ndef test_one() -> None: ...\n")
    put(tmp_path / "tests/fuzz/CMakeLists.txt", "sedna_fuzz(NAME fuzz_json SOURCE a.cpp MODULES json)\n")
    put(tmp_path / "bench/run.py", 'ALL = {\n    "ji_overhead": overhead,\n}\n')
    put(tmp_path / "script/demo", "#!/bin/bash\n")
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def spec(tree: Path, text: str) -> list[str]:
    put(tree / "docs/spec/a.md", text)
    return check(tree)[0]


EVERY_KIND = """# Title
- **JI-1.1** `Not.A` test here.
  *Tests:* `Error.Speaks`, `Many.OfThem`,
  `python/tests/test_x.py::test_one`, `fuzz_json`, `bench ji_overhead`, `script/demo`
- **JI-1.2** Another.
  *Tests:* `Error.Speaks`
"""


def test_each_kind_of_test_is_known_and_names_its_requirements(tree: Path) -> None:
    assert spec(tree, EVERY_KIND) == [
        f"{CPP}:1: over Error.Speaks stands nothing; docs/spec says JI-1.1, JI-1.2 (tools/check_spec.py --write)",
        f"{CPP}:4: over Many.OfThem stands nothing; docs/spec says JI-1.1 (tools/check_spec.py --write)",
        f"{PY}:2: over {PY}::test_one stands nothing; docs/spec says JI-1.1 (tools/check_spec.py --write)",
    ]
    assert write(tree) == [tree / PY, tree / CPP]
    assert (tree / CPP).read_text() == (
        "// JI-1.1, JI-1.2\nTEST(Error, Speaks) {}\n\n// Why.\n// JI-1.1\nTEST_P(Many, OfThem) {}\n")
    assert (tree / PY).read_text() == "@mark\n# JI-1.1\ndef test_one() -> None: ...\n"
    assert check(tree)[0] == []
    assert write(tree) == []


def test_numbers_that_docs_do_not_give_are_found_and_taken_away(tree: Path) -> None:
    spec(tree, EVERY_KIND)
    write(tree)
    assert len(spec(tree, "- **JI-1.1** A.\n  *Tests:* `Error.Speaks`\n")) == 3
    write(tree)
    assert check(tree)[0] == []
    assert (tree / CPP).read_text() == "// JI-1.1\nTEST(Error, Speaks) {}\n\n// Why.\nTEST_P(Many, OfThem) {}\n"
    assert (tree / PY).read_text() == "@mark\ndef test_one() -> None: ...\n"


@pytest.mark.parametrize(
    "name", ["Error.Sings", "python/tests/test_x.py::test_two", "fuzz_nothing", "bench nothing", "script/none"])
def test_unknown_names_are_findings(tree: Path, name: str) -> None:
    assert spec(tree, f"- **JI-1.1** Text.\n  *Tests:* `{name}`\n") == [f"docs/spec/a.md:1: JI-1.1: no such test: {name}"]


def test_a_requirement_has_a_test_or_says_why_not(tree: Path) -> None:
    none = "docs/spec/a.md:1: JI-1.1 names no test, nor says why there is none"
    assert spec(tree, "- **JI-1.1** Text.\n") == [none]
    assert spec(tree, "- **JI-1.1** Text.\n  *No test:*\n") == [none]
    assert spec(tree, "- **JI-1.1** Text.\n  *No test:* it takes a second machine\n") == []


def test_numbers_stand_once_and_in_order(tree: Path) -> None:
    end = "  *No test:* none\n"
    assert spec(tree, f"- **JI-1.2** A.\n{end}- **JI-1.1** B.\n{end}- **JI-1.2** C.\n{end}") == [
        "docs/spec/a.md:3: JI-1.1 comes after JI-1.2",
        "docs/spec/a.md:5: JI-1.2 stands already at docs/spec/a.md:1",
    ]


# JI-8.7
def test_this_repository_is_in_order() -> None:
    findings, requirements = check(ROOT)
    assert findings == []
    assert requirements
