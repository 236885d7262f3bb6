"""Links of the pages lead somewhere, and the check finds those that don't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.links import broken_links
from tests.docs.pages import PAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[a](missing.md)", "no such file"),
        ("[a](other.md#nowhere)", "no such heading"),
        ("[a](#nowhere)", "no such heading"),
        ("![picture](images/none.png)", "no such file"),
        ("[a](/etc/hosts)", "no such file"),
        ("[a](http://wiro.ai)", "not an https address"),
        ("[a](https://nowhere)", "not an https address"),
        ("[![badge](none.svg)](other.md)", "no such file"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str, problem: str) -> None:
    (tmp_path / "other.md").write_text("# Here\n")
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\nSome words, {link}.\n")

    [found] = broken_links(page)

    assert found.startswith(f"{page}:3: ")
    assert found.endswith(problem)


@pytest.mark.parametrize(
    "text",
    [
        "[a](other.md) [b](other.md#what-it-is-a-name) [c](#a-page) <https://wiro.ai> [d](https://wiro.ai/docs#x)",
        "[again](other.md#twice-1)",
        "`[a](missing.md)`",
        "```text\n[a](missing.md)\n```",
        "<!-- [a](missing.md) -->",
    ],
)
def test_a_link_that_leads_somewhere_is_taken(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.md").write_text("## What it is: `a name`\n## Twice\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{text}\n")

    assert broken_links(page) == []
