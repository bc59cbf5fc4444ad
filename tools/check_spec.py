#!/usr/bin/env python3
"""Holds docs/spec/*.md and the tests together, in both directions.

A requirement is a list item that begins with its number in bold ("- **JI-2.3** …"). What is quoted behind "*Tests:*" is
a GoogleTest test (`Suite.Name`), a pytest test (`path/test_x.py::test_y`), a fuzz target (`fuzz_x`), a figure of
script/bench (`bench ji_x`) or a script (`script/demo`). A requirement that no test can hold says why behind "*No test:*".
In the sources a line with the numbers stands over each such test: `// JI-2.3, JI-2.5`; `--write` puts it there.

Exit status 1 when a requirement has neither tests nor a reason, a name or number is unknown, a number stands twice or out
of order, or a test does not name the requirements that name it.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

REQUIREMENT = re.compile(r"^- \*\*([A-Z]+)-(\d+)\.(\d+)\*\*")
GTEST = re.compile(r"^[ \t]*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
PYTEST = re.compile(r"^[ \t]*(?:async )?def (test_\w+)\(", re.MULTILINE)
NUMBERS = re.compile(r"^[ \t]*(?://|#) ([A-Z]+-\d+\.\d+(?:, [A-Z]+-\d+\.\d+)*)$")
FUZZ = re.compile(r"sedna_fuzz\(NAME (\w+)")
BENCH = re.compile(r'^\s+"(\w+)": \w+,$', re.MULTILINE)
QUOTED = re.compile(r"`([^`]+)`")


@dataclass
class Requirement:
    """One numbered item: where it stands, the tests it names, and whether it says why it has none."""

    number: str
    place: str
    order: tuple[str, int, int]
    tests: list[str] = field(default_factory=list)
    excused: bool = False


@dataclass
class Test:
    """One test in the sources: its name, where it begins (from 0), and the numbers over it."""

    name: str
    source: Path
    line: int
    numbers: list[str]


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
            if "*No test:*" in line:
                current.excused = bool(line.split("*No test:*", 1)[1].strip())
                in_tests = False
            if "*Tests:*" in line:
                in_tests = True
                line = line.split("*Tests:*", 1)[1]
            if in_tests:
                current.tests += QUOTED.findall(line)
    return found


def read_tests(root: Path) -> list[Test]:
    """The GoogleTest and pytest tests of the sources."""
    found: list[Test] = []

    def collect(source: Path, pattern: re.Pattern[str], name: str) -> None:
        text = source.read_text(encoding="utf-8")
        lines = text.splitlines()
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start())
            over = NUMBERS.match(lines[line - 1]) if line > 0 else None
            found.append(Test(name.format(*match.groups()), source, line, over[1].split(", ") if over else []))

    for folder in ("src", "tests", "cmd"):
        for source in sorted(root.glob(f"{folder}/**/*_test.cpp")):
            collect(source, GTEST, "{0}.{1}")
    for folder in ("python/tests", "tests"):
        for source in sorted(root.glob(f"{folder}/**/test_*.py")):
            collect(source, PYTEST, source.relative_to(root).as_posix() + "::{0}")
    return found


def other_names(root: Path) -> set[str]:
    """What else a requirement may name: fuzz targets, benchmarks, scripts."""
    names: set[str] = set()
    fuzz = root / "tests" / "fuzz" / "CMakeLists.txt"
    if fuzz.is_file():
        names.update(FUZZ.findall(fuzz.read_text(encoding="utf-8")))
    bench = root / "bench" / "run.py"
    if bench.is_file():
        names.update(f"bench {name}" for name in BENCH.findall(bench.read_text(encoding="utf-8")))
    names.update(f"script/{p.name}" for p in root.glob("script/*") if p.is_file())
    return names


def numbers_by_test(requirements: list[Requirement]) -> dict[str, list[str]]:
    """The requirements that name a test, in order."""
    numbers: dict[str, list[str]] = {}
    for each in sorted(requirements, key=lambda r: r.order):
        for test in each.tests:
            if each.number not in numbers.setdefault(test, []):
                numbers[test].append(each.number)
    return numbers


def check(root: Path) -> tuple[list[str], list[Requirement]]:
    """Findings, and all requirements."""
    requirements = read_requirements(root)
    tests = read_tests(root)
    known = {test.name for test in tests} | other_names(root)
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
        if not each.tests and not each.excused:
            findings.append(f"{each.place}: {each.number} names no test, nor says why there is none")
        findings += [f"{each.place}: {each.number}: no such test: {test}" for test in each.tests if test not in known]
    expected = numbers_by_test(requirements)
    for test in tests:
        right = expected.get(test.name, [])
        if test.numbers != right:
            findings.append(
                f"{test.source.relative_to(root)}:{test.line + 1}: over {test.name} stands {', '.join(test.numbers) or 'nothing'}; "
                f"docs/spec says {', '.join(right) or 'nothing'} (tools/check_spec.py --write)")
    return findings, requirements


def write(root: Path) -> list[Path]:
    """Puts the numbers over the tests as docs/spec has them; returns the changed files."""
    expected = numbers_by_test(read_requirements(root))
    by_source: dict[Path, list[Test]] = {}
    for test in read_tests(root):
        if test.numbers != expected.get(test.name, []):
            by_source.setdefault(test.source, []).append(test)
    for source, tests in by_source.items():
        lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
        for test in sorted(tests, key=lambda t: -t.line):
            head = lines[test.line]
            numbers = expected.get(test.name, [])
            sign = "#" if source.suffix == ".py" else "//"
            over = [f"{head[:len(head) - len(head.lstrip())]}{sign} {', '.join(numbers)}\n"] if numbers else []
            lines[test.line - (1 if test.numbers else 0):test.line] = over
        source.write_text("".join(lines), encoding="utf-8")
    return sorted(by_source)


def main() -> int:
    """Prints what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--write", action="store_true", help="put the numbers over the tests")
    arguments = parser.parse_args()
    root = arguments.root
    if arguments.write:
        for source in write(root):
            print(f"written: {source.relative_to(root)}")
    findings, requirements = check(root)
    for finding in findings:
        print(finding)
    excused = [r.number for r in requirements if not r.tests and r.excused]
    tests = {test for r in requirements for test in r.tests}
    print(f"{len(requirements)} requirements, {len(tests)} tests named, {len(findings)} findings"
          + (f"; without a test, with a reason: {', '.join(excused)}" if excused else ""))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
