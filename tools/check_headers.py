"""Whether each public header can be included on its own.

A header that some .cpp file includes first is compiled on its own by that: every build without precompiled headers (the one
with g++ and sanitizers, in CI) fails where it lacks something. This compiles the others, with the flags of their folder:

    tools/check_headers.py DATABASE [--all]      DATABASE: a build folder with compile_commands.json

With --all each header is compiled. Exit status 1 when one cannot be.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIRST_INCLUDE = re.compile(r"^#include\s+(\S+)", re.MULTILINE)


def tracked(pattern: str) -> list[str]:
    """Files that git knows or would."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", pattern]
    listed = subprocess.run(  # noqa: S603
        git,
        cwd=ROOT,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def included_first() -> set[str]:
    """Headers that are the first that some translation unit includes."""
    first = set()
    for name in tracked("src/*.cpp"):
        match = FIRST_INCLUDE.search((ROOT / name).read_text())
        if match and match[1].startswith('"'):
            first.add("src/" + match[1].strip('"'))
    return first


def flags_by_folder(database: pathlib.Path) -> dict[str, list[str]]:
    """A compile command of each folder without its input, its output and precompiled headers."""
    folders: dict[str, list[str]] = {}
    for entry in json.loads((database / "compile_commands.json").read_text()):
        folder = os.path.dirname(os.path.relpath(entry["file"], ROOT))
        # A unit test's flags find what its module's do, and the test kit.
        if folder in folders and not entry["file"].endswith("_test.cpp"):
            continue
        words = shlex.split(entry["command"])
        kept: list[str] = []
        at = 0
        while at < len(words):
            if words[at] == "-Xclang":
                at += 1
                if words[at] in ("-include-pch", "-include"):
                    at += 2  # "-Xclang FILE"
            elif words[at] == "-o":
                at += 1
            elif words[at] not in ("-c", "ccache", "--", entry["file"]):
                kept.append(words[at])
            at += 1
        folders[folder] = kept
    return folders


def compile_alone(header: str, flags: dict[str, list[str]], directory: pathlib.Path) -> str:
    """The compiler's complaint, or nothing."""
    folder = os.path.dirname(header)
    while folder not in flags:
        if not folder:
            return f"{header}: no file beside it is compiled in {directory}"
        folder = os.path.dirname(folder)
    command = [*flags[folder], "-fsyntax-only", "-Wno-pragma-once-outside-header", "-x", "c++", str(ROOT / header)]
    done = subprocess.run(  # noqa: S603
        command, cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return "" if done.returncode == 0 else f"{header}:\n{done.stdout}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="also those that a .cpp file includes first")
    arguments = parser.parse_args()
    headers = tracked("src/*.hpp")
    if not arguments.all:
        covered = included_first()
        headers = [header for header in headers if header not in covered]
    flags = flags_by_folder(arguments.database)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("SEDNA_JOBS", 0)) or os.cpu_count()) as pool:
        for complaint in pool.map(lambda h: compile_alone(h, flags, arguments.database.resolve()), headers):
            if complaint:
                failed += 1
                print(complaint, file=sys.stderr)
    print(f"{len(headers)} headers compiled alone, {failed} cannot be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
