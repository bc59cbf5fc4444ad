"""Turns ``pip install --dry-run --report`` (JSON on standard input) into a requirements file with checksums.

One checksum a package, of the wheel for this machine's Python and processor. Called by ``script/requirements/lock`` for
the frameworks, where asking for every wheel of every platform takes hours.
"""

from __future__ import annotations

import json
import re
import sys


def lock(report: dict, leave_out: tuple[str, ...] = ()) -> str:
    """The lock's text; packages whose name begins with one of ``leave_out`` are not taken."""
    lines = []
    for item in report["install"]:
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        if not (leave_out and name.startswith(leave_out)):
            lines.append(f"{name}=={item['metadata']['version']} \\\n    --hash=sha256:{digest}\n")
    return "".join(sorted(lines))


if __name__ == "__main__":
    sys.stdout.write(lock(json.load(sys.stdin), tuple(sys.argv[1:])))
