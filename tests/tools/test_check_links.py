"""The rules of tools/check_links.py, each on a small tree that breaks it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from check_links import anchors, check, pages  # noqa: E402


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/there.md").write_text("# A `title`, with signs!\n\n## Twice\n\n## Twice\n\n## 中文 标题\n")
    (tmp_path / "image.png").touch()
    return tmp_path


def findings(tree: Path, text: str) -> list[str]:
    page = tree / "page.md"
    page.write_text(text)
    return check(tree.resolve(), [page.resolve()])


@pytest.mark.parametrize("link", [
    "[x](docs/there.md)", "[x](docs)", "[x](docs/)", "![alt](image.png)", "[![alt](image.png)](docs/there.md)", "[x](#here)",
    "[x](docs/there.md#a-title-with-signs)", "[x](docs/there.md#twice-1)", "[x](docs/there.md#中文-标题)",
    "[x](https://example.org/nothing)", "[x](mailto:a@example.org)", '[x](docs/there.md "title")', "[x]: docs/there.md",
    "`[x](nowhere.md)`", "```\n[x](nowhere.md)\n```\n",
])
def test_good_links_pass(tree: Path, link: str) -> None:
    assert findings(tree, f"# Here\n\n{link}\n") == []


@pytest.mark.parametrize(("link", "said"), [
    ("[x](nowhere.md)", "page.md:3: nowhere.md leads to nothing"),
    ("text [a](docs/there.md) and [x](nowhere.md).", "page.md:3: nowhere.md leads to nothing"),
    ("![alt](nowhere.png)", "page.md:3: nowhere.png leads to nothing"),
    ("[![alt](nowhere.png)](docs)", "page.md:3: nowhere.png leads to nothing"),
    ("[x]: nowhere.md", "page.md:3: nowhere.md leads to nothing"),
    ("[x](#nowhere)", "page.md:3: #nowhere: no such heading"),
    ("[x](docs/there.md#twice-2)", "page.md:3: docs/there.md#twice-2: no such heading"),
    ("[x](../outside.md)", "page.md:3: ../outside.md leads out of the repository"),
])
def test_what_leads_nowhere_is_found(tree: Path, link: str, said: str) -> None:
    assert said in findings(tree, f"# Here\n\n{link}\n")


def test_headings_in_code_are_none() -> None:
    assert anchors("# One\n```\n# Two\n```\n") == {"one"}


# JI-8.7
def test_this_repository_is_in_order() -> None:
    assert check(ROOT, pages(ROOT)) == []
