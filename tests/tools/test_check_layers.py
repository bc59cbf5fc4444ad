"""The rules of tools/check_layers.py, each on a small tree that breaks it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from check_layers import check, closure, read_layers  # noqa: E402


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three modules: base; net on base; tools that nobody may use but tests of net."""
    write(tmp_path / "cmake/layers.txt", "# comment\nbase:\nnet: base\ntesting: base net\n")
    write(tmp_path / "src/sedna/base/CMakeLists.txt", "sedna_module(NAME base SOURCES a.cpp HEADERS a.hpp)")
    write(tmp_path / "src/sedna/base/a.hpp", "#pragma once\n")
    write(tmp_path / "src/sedna/base/private.hpp", "#pragma once\n")
    write(tmp_path / "src/sedna/base/a.cpp", '#include "sedna/base/a.hpp"\n#include "sedna/base/private.hpp"\n')
    write(
        tmp_path / "src/sedna/net/CMakeLists.txt",
        "sedna_module(NAME net\n  HEADERS n.hpp\n  TESTS n_test.cpp helper.cpp\n  TEST_MODULES testing)",
    )
    write(tmp_path / "src/sedna/net/n.hpp", '#include "sedna/base/a.hpp"\n')
    write(tmp_path / "src/sedna/net/n_test.cpp", '#include "sedna/testing/t.hpp"\n')
    write(tmp_path / "src/sedna/testing/CMakeLists.txt", "sedna_module(NAME testing HEADERS t.hpp)")
    write(tmp_path / "src/sedna/testing/t.hpp", '#include "sedna/net/n.hpp"\n')
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_tree_in_order_has_no_findings(tree: Path) -> None:
    assert check(tree) == []


# JI-8.4
def test_including_upwards_is_found(tree: Path) -> None:
    write(tree / "src/sedna/base/a.cpp", '  #  include "sedna/net/n.hpp"\n')
    assert check(tree) == ["src/sedna/base/a.cpp: may not include sedna/net/n.hpp: base does not depend on net"]


def test_only_tests_may_use_test_modules(tree: Path) -> None:
    write(tree / "src/sedna/net/helper.hpp", '#include "sedna/testing/t.hpp"\n')
    write(tree / "src/sedna/net/helper.cpp", '#include "sedna/net/helper.hpp"\n')
    assert check(tree) == []
    write(tree / "src/sedna/net/n.cpp", '#include "sedna/net/helper.hpp"\n')
    assert check(tree) == [
        "src/sedna/net/helper.hpp: may not include sedna/testing/t.hpp: net does not depend on testing"
    ]


# JI-8.4
def test_private_headers_stay_private(tree: Path) -> None:
    write(tree / "src/sedna/net/n.cpp", '#include "sedna/base/private.hpp"\n')
    write(tree / "src/sedna/base/a.hpp", '#include "sedna/base/private.hpp"\n')
    write(tree / "cmd/x/main.cpp", '#include "sedna/base/private.hpp"\n')
    assert [finding.split(":")[0] for finding in check(tree)] == [
        "src/sedna/base/a.hpp",
        "src/sedna/net/n.cpp",
        "cmd/x/main.cpp",
    ]


def test_an_absent_header_and_a_module_without_line_are_found(tree: Path) -> None:
    write(tree / "src/sedna/base/CMakeLists.txt", "sedna_module(NAME base HEADERS a.hpp gone.hpp)")
    write(tree / "src/sedna/extra/x.cpp", "")
    findings = "\n".join(check(tree))
    assert "gone.hpp" in findings
    assert "src/sedna/extra" in findings


def test_long_files_are_found(tree: Path) -> None:
    write(tree / "tools/long.py", "x = 1\n" * 601)
    assert check(tree) == ["tools/long.py: 601 lines; split it (at most 600)"]


@pytest.mark.parametrize("text", ["a: b\nb:\n", "a\n", "a:\na:\n", "a: a\n"])
def test_layers_that_make_no_order_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        read_layers(text)


def test_dependencies_of_dependencies_are_allowed() -> None:
    assert closure(read_layers("a:\nb: a\nc: b\n"))["c"] == {"a", "b", "c"}


# JI-8.4
def test_this_repository_is_in_order() -> None:
    assert check(ROOT) == []


# JI-8.4
def test_the_page_on_architecture_has_the_same_modules() -> None:
    stated: dict[str, set[str]] = {}
    for line in (ROOT / "cmake" / "layers.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, uses = line.partition(":")
            stated[name] = set(uses.split())
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \|([^|]*)\|$", page, re.MULTILINE)
    assert {name: set(re.findall(r"`(\w+)`", uses)) for name, uses in rows} == stated
