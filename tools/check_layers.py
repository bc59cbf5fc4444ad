"""Checks what the compiler does not: which module may include which, which headers are public, how long files are.

``cmake/layers.txt`` is the only place where dependencies between modules are written. Called by ``script/lint``; prints
one line a finding and exits with 1 when there is one.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAX_LINES = 600
SOURCE_SUFFIXES = {".cpp", ".hpp"}
CODE_SUFFIXES = SOURCE_SUFFIXES | {".py"}
CODE_FOLDERS = ("src", "cmd", "python", "bench", "examples", "tests", "tools")
_INCLUDE = re.compile(r'^\s*#\s*include\s+"sedna/([^"]+)"', re.MULTILINE)
_KEYWORDS = {"NAME", "SOURCES", "HEADERS", "LINK", "TESTS", "TEST_LINK", "TEST_MODULES"}


@dataclass
class Module:
    """What a module's CMakeLists.txt says about it."""

    name: str
    folder: Path
    headers: set[str] = field(default_factory=set)
    tests: set[str] = field(default_factory=set)
    test_modules: set[str] = field(default_factory=set)


def read_layers(text: str) -> dict[str, set[str]]:
    """Direct dependencies by module. Raises ValueError naming the line for a module that is unknown or stands twice."""
    layers: dict[str, set[str]] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        name, colon, rest = line.partition(":")
        if not colon or name in layers:
            raise ValueError(f"line {number}: expected 'module: dependencies', each module once")
        unknown = set(rest.split()) - set(layers)
        if unknown:  # written above: so there can be no cycle either
            raise ValueError(f"line {number}: {name} depends on {', '.join(sorted(unknown))}, not written above it")
        layers[name] = set(rest.split())
    return layers


def closure(layers: dict[str, set[str]]) -> dict[str, set[str]]:
    """Dependencies of dependencies too, and the module itself."""
    reach: dict[str, set[str]] = {}
    for name, direct in layers.items():  # dependencies come first in the file
        reach[name] = {name}.union(*(reach[d] for d in direct)) if direct else {name}
    return reach


def read_module(name: str, folder: Path) -> Module:
    """Reads the sedna_module() call of a folder."""
    module = Module(name, folder)
    text = re.sub(r"#.*", "", (folder / "CMakeLists.txt").read_text())
    call = re.search(r"sedna_module\(([^)]*)\)", text)
    current = ""
    for word in call.group(1).split() if call else []:
        if word in _KEYWORDS:
            current = word
        elif current == "HEADERS":
            module.headers.add(word)
        elif current == "TESTS":
            module.tests.add(word)
        elif current == "TEST_MODULES":
            module.test_modules.add(word)
    return module


def code_files(folder: Path, suffixes: set[str]) -> Iterator[Path]:
    """Source files below a folder, sorted."""
    yield from sorted(p for p in folder.rglob("*") if p.suffix in suffixes and p.is_file())


def test_code(module: Module) -> set[Path]:
    """Tests and what only they use: built into the test program, or a private header that nothing else includes."""
    includes = {
        file: {module.folder / target.partition("/")[2] for target in _INCLUDE.findall(file.read_text())}
        for file in code_files(module.folder, SOURCE_SUFFIXES)
    }
    tests = {file for file in includes if file.relative_to(module.folder).as_posix() in module.tests}
    found: set[Path] = set()
    while found != tests:
        found = set(tests)
        for file in includes.keys() - tests:
            private = file.suffix == ".hpp" and file.relative_to(module.folder).as_posix() not in module.headers
            users = {user for user, targets in includes.items() if file in targets and user != file}
            if private and users and users <= tests:
                tests.add(file)
    return tests


def check(root: Path) -> list[str]:
    """All findings, as 'path: what is wrong'."""
    source = root / "src" / "sedna"
    try:
        layers = read_layers((root / "cmake" / "layers.txt").read_text())
    except ValueError as error:
        return [f"cmake/layers.txt: {error}"]
    reach = closure(layers)
    findings: list[str] = []
    modules: dict[str, Module] = {}
    for folder in sorted(p for p in source.iterdir() if p.is_dir()):
        if folder.name not in layers:
            findings.append(f"src/sedna/{folder.name}: has no line in cmake/layers.txt")
        elif (folder / "CMakeLists.txt").exists():
            modules[folder.name] = read_module(folder.name, folder)
    for module in modules.values():
        findings += check_module(root, module, modules, reach)
    for area in ("cmd", "python/src", "bench", "tests/fuzz", "examples"):
        if (root / area).is_dir():
            findings += check_outside(root, root / area, modules)
    for area in CODE_FOLDERS:
        if (root / area).is_dir():
            findings += check_lengths(root, root / area)
    return findings


def check_module(root: Path, module: Module, modules: dict[str, Module], reach: dict[str, set[str]]) -> list[str]:
    """The includes of one module, and that its public headers stand on public headers only."""
    findings = []
    for header in sorted(module.headers):
        if not (module.folder / header).exists():
            findings.append(f"{module.folder.relative_to(root)}/CMakeLists.txt: HEADERS names {header}, which is absent")
    tests = test_code(module)
    for file in code_files(module.folder, SOURCE_SUFFIXES):
        allowed = set(reach[module.name])
        for extra in module.test_modules if file in tests else ():
            allowed |= reach.get(extra, {extra})
        where = file.relative_to(root)
        public = file.relative_to(module.folder).as_posix() in module.headers
        for target in _INCLUDE.findall(file.read_text()):
            other, _, header = target.partition("/")
            if other not in allowed:
                findings.append(f"{where}: may not include sedna/{target}: {module.name} does not depend on {other}")
            elif other in modules and header not in modules[other].headers and (other != module.name or public):
                findings.append(f"{where}: includes sedna/{target}, which is not among the HEADERS of {other}")
    return findings


def check_outside(root: Path, folder: Path, modules: dict[str, Module]) -> list[str]:
    """Programs, bindings and fuzz targets see public headers only."""
    findings = []
    for file in code_files(folder, SOURCE_SUFFIXES):
        for target in _INCLUDE.findall(file.read_text()):
            module, _, header = target.partition("/")
            if module in modules and header not in modules[module].headers:
                findings.append(f"{file.relative_to(root)}: includes sedna/{target}, which is not among the HEADERS of {module}")
    return findings


def check_lengths(root: Path, folder: Path) -> list[str]:
    """No file too long to hold in the head."""
    findings = []
    for file in code_files(folder, CODE_SUFFIXES):
        lines = file.read_text().count("\n")
        if lines > MAX_LINES:
            findings.append(f"{file.relative_to(root)}: {lines} lines; split it (at most {MAX_LINES})")
    return findings


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    findings = check(parser.parse_args().root)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
