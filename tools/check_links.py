#!/usr/bin/env python3
"""Every relative link of the Markdown pages leads to a file of this repository, and its #fragment to a heading there.

Links to other sites are left alone: this check needs no network. Exit status 1 when a link leads nowhere.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator

LINK = re.compile(r"\]\(\s*<?([^()\s<>]+(?:\([^()\s]*\)[^()\s<>]*)?)>?(?:\s+\"[^\"]*\")?\s*\)")  # pictures too
DEFINITION = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def pages(root: Path) -> list[Path]:
    """The Markdown files that git keeps, or would keep: not what was built or installed beside them."""
    git = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"]
    listed = subprocess.run(git, cwd=root, capture_output=True, text=True, check=True).stdout  # noqa: S603 (fixed)
    return [root / name for name in listed.splitlines() if (root / name).is_file()]


def blank(text: str) -> str:
    """The text with code taken out, line for line."""
    text = FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    return CODE.sub("``", text)


def links(text: str) -> Iterator[tuple[int, str]]:
    """Line number and target of each link."""
    plain = blank(text)
    for pattern in (LINK, DEFINITION):
        for found in pattern.finditer(plain):
            yield plain.count("\n", 0, found.start()) + 1, found[1]


def anchors(text: str) -> set[str]:
    """The fragments of a page's headings, as GitHub makes them."""
    names: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        name, count = slug, 0
        while name in names:
            count += 1
            name = f"{slug}-{count}"
        names.add(name)
    return names


def check(root: Path, files: list[Path]) -> list[str]:
    """What is wrong, one line each."""
    findings: list[str] = []
    for page in files:
        text = page.read_text(encoding="utf-8")
        for line, target in links(text):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, fragment = target.partition("#")
            place = f"{page.relative_to(root)}:{line}"
            found = (page.parent / path).resolve() if path else page
            if not found.is_relative_to(root):
                findings.append(f"{place}: {target} leads out of the repository")
            elif not found.exists():
                findings.append(f"{place}: {target} leads to nothing")
            elif fragment and found.suffix == ".md" and fragment not in anchors(found.read_text(encoding="utf-8")):
                findings.append(f"{place}: {target}: no such heading")
    return findings


def main() -> int:
    """Prints what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    root = parser.parse_args().root.resolve()
    files = pages(root)
    findings = check(root, files)
    for finding in findings:
        print(finding)
    print(f"{len(files)} pages, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
