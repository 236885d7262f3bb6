"""
Reports links of README and the other pages that lead nowhere: `python -m tests.docs.links`.

Part of `make lint`. Files and headings are looked up; of a web address only the form is checked, offline.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tests.docs.pages import PAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

_CODE = re.compile(
    r"^(`{3,}|~{3,}).*?^\1|(?<!`)(`+)(?!`).+?(?<!`)\2(?!`)|<!--.*?-->", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|<(https?://[^>]+)>")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
_LOOPBACK = {"localhost", "127.0.0.1"}


def broken_links(page: Path) -> list[str]:
    """Return a line for each link of a page that leads nowhere."""
    text = _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), page.read_text())
    found = []
    for link in _LINK.finditer(text):
        target = link[1] or link[2]
        if wrong := problem(page, target):
            line = text.count("\n", 0, link.start()) + 1
            found.append(f"{page}:{line}: {target}: {wrong}")
    return found


def problem(page: Path, target: str) -> str | None:
    """Return what is wrong with a link, None if nothing is."""
    parts = urlsplit(target)
    if parts.scheme:
        if parts.scheme == "mailto":
            return None
        is_web = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
        return None if is_web and "." in (parts.hostname or "") else "not an https address"
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if parts.path.startswith("/") or not file.exists():
        return "no such file"
    if parts.fragment and file.suffix == ".md" and parts.fragment not in anchors(file):
        return "no such heading"
    return None


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCED.sub("", page.read_text())):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number, unique = 0, slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found


def main() -> int:
    """Print what leads nowhere."""
    broken = [line for page in PAGES for line in broken_links(page)]
    for line in broken:
        print(line.removeprefix(f"{ROOT}/"), file=sys.stderr)  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
