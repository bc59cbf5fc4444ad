"""tools/lock_from_report.py on a report of two packages."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from lock_from_report import lock


def package(name: str, version: str, digest: str) -> dict:
    return {
        "metadata": {"name": name, "version": version},
        "download_info": {"archive_info": {"hashes": {"sha256": digest}}},
    }


# JI-8.2
def test_names_are_normalised_sorted_and_pinned() -> None:
    report = {"install": [package("Zope.Event", "1", "bb"), package("ml_dtypes", "2.0", "aa")]}
    assert lock(report) == "ml-dtypes==2.0 \\\n    --hash=sha256:aa\nzope-event==1 \\\n    --hash=sha256:bb\n"


def test_packages_can_be_left_out() -> None:
    assert lock({"install": [package("nvidia-x", "1", "cc")]}, ("nvidia-",)) == ""
