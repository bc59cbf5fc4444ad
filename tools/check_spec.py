#!/usr/bin/env python3
"""Holds docs/spec/*.md against the tests: every test that a requirement names must exist in the sources.

A requirement is a list item that begins with its number in bold ("- **JI-2.3** …"). What is quoted behind "*Tests:*" is
a GoogleTest test (`Suite.Name`), a pytest test (`path/test_x.py::test_y`), a fuzz target (`fuzz_x`), a figure of
script/bench (`bench ji_x`) or a script (`script/demo`). Prints requirements without a test; exit status 1 when a name
is unknown, or a number stands twice or out of order.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

REQUIREMENT = re.compile(r"^- \*\*([A-Z]+)-(\d+)\.(\d+)\*\*")
GTEST = re.compile(r"^\s*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
PYTEST = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.MULTILINE)
FUZZ = re.compile(r"sedna_fuzz\(NAME (\w+)")
BENCH = re.compile(r'^\s+"(\w+)": \w+,$', re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")


@dataclass
class Requirement:
    """One numbered item: where it stands and the tests it names."""

    number: str
    place: str
    order: tuple[str, int, int]
    tests: list[str] = field(default_factory=list)


def read_requirements(root: Path) -> list[Requirement]:
    """All requirements of docs/spec, in reading order."""
    found: list[Requirement] = []
    for page in sorted((root / "docs" / "spec").glob("*.md")):
        current: Requirement | None = None
        in_tests = False
        for line_number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            match = REQUIREMENT.match(line)
            if match:
                prefix, section, item = match[1], int(match[2]), int(match[3])
                place = f"{page.relative_to(root)}:{line_number}"
                current = Requirement(f"{prefix}-{section}.{item}", place, (prefix, section, item))
                found.append(current)
                in_tests = False
            elif not line.startswith("  "):  # a heading, a blank line, another list
                current = None
            if current is None:
                continue
            if "*Tests:*" in line:
                in_tests = True
                line = line.split("*Tests:*", 1)[1]
            if in_tests:
                current.tests += QUOTED.findall(line)
    return found


def known_tests(root: Path) -> set[str]:
    """Every name that a requirement may give."""
    names: set[str] = set()
    for source in [*root.glob("src/**/*_test.cpp"), *root.glob("tests/**/*_test.cpp"), *root.glob("cmd/**/*_test.cpp")]:
        names.update(f"{suite}.{name}" for suite, name in GTEST.findall(source.read_text(encoding="utf-8")))
    for source in [*root.glob("python/tests/**/test_*.py"), *root.glob("tests/**/test_*.py")]:
        path = source.relative_to(root).as_posix()
        names.update(f"{path}::{name}" for name in PYTEST.findall(source.read_text(encoding="utf-8")))
    fuzz = root / "tests" / "fuzz" / "CMakeLists.txt"
    if fuzz.is_file():
        names.update(FUZZ.findall(fuzz.read_text(encoding="utf-8")))
    bench = root / "bench" / "run.py"
    if bench.is_file():
        names.update(f"bench {name}" for name in BENCH.findall(bench.read_text(encoding="utf-8")))
    names.update(f"script/{p.name}" for p in root.glob("script/*") if p.is_file())
    return names


def check(root: Path) -> tuple[list[str], list[Requirement], list[Requirement]]:
    """Findings, requirements without a test, all requirements."""
    requirements = read_requirements(root)
    known = known_tests(root)
    findings: list[str] = []
    seen: dict[str, str] = {}
    before: Requirement | None = None
    for each in requirements:
        if each.number in seen:
            findings.append(f"{each.place}: {each.number} stands already at {seen[each.number]}")
        elif before is not None and before.order[0] == each.order[0] and each.order < before.order:
            findings.append(f"{each.place}: {each.number} comes after {before.number}")
        seen.setdefault(each.number, each.place)
        before = each
        findings += [f"{each.place}: {each.number}: no such test: {test}" for test in each.tests if test not in known]
    return findings, [r for r in requirements if not r.tests], requirements


def main() -> int:
    """Prints what is wrong and what is uncovered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    root = parser.parse_args().root
    findings, uncovered, requirements = check(root)
    for finding in findings:
        print(finding)
    for each in uncovered:
        print(f"{each.place}: {each.number} has no test yet")
    tests = {test for r in requirements for test in r.tests}
    print(f"{len(requirements)} requirements, {len(tests)} tests named, {len(uncovered)} without a test, "
          f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
