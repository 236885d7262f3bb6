"""How Sphinx builds the pages of this folder; `make docs`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_wiro import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "airflow-provider-wiro"
author = "airflow-provider-wiro contributors"
copyright = author  # noqa: A001 - Sphinx's name for it
version = release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}

# The pages are plain Markdown otherwise, so that they can be read without building them.
myst_enable_extensions = ["colon_fence"]
# Links to a heading, as `[…](page.md#a-heading)`.
myst_heading_anchors = 4
# Of blocks without a language.
highlight_language = "none"

html_theme = "furo"
html_title = f"{project} {version}"
html_show_sourcelink = False
html_copy_source = False

ROOT = Path(__file__).resolve().parents[1]
# Pages beside this folder, and the pages here that show their text.
ROOT_PAGES = {
    "README.md": "/index.md",
    "CHANGELOG.md": "/project/changelog.md",
    "CONTRIBUTING.md": "/project/contributing.md",
    "SECURITY.md": "/project/security.md",
}
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)([^)]*)\)")


def show_root_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    """
    Put the text of a page beside this folder where a line is nothing but a link to it.

    Other links to such pages lead to where that is. So all of them also work where nothing is built.
    """
    page = ROOT / "docs" / f"{docname}.md"

    def text_of(line: re.Match[str]) -> str:
        file = (page.parent / line[1]).resolve()
        app.env.note_dependency(str(file))
        return LINK.sub(lambda link: leading(file, link), file.read_text())

    source[0] = re.sub(r"^\[[A-Z]+\.md\]\((\S+)\)$", text_of, source[0], flags=re.MULTILINE)
    source[0] = LINK.sub(lambda link: leading(page, link), source[0])


def leading(page: Path, link: re.Match[str]) -> str:
    """Return a page's link as Sphinx takes it: from this folder on; of a link to a folder only the words."""
    words, path, heading = link.groups()
    if path.startswith("/"):
        return link[0]
    name = os.path.relpath(page.parent / path, ROOT)
    if (ROOT / name).is_dir():
        return words
    inside = name.removeprefix("docs") if name.startswith("docs/") else f"/../{name}"
    return f"[{words}]({ROOT_PAGES.get(name, inside)}{heading})"


def setup(app: Sphinx) -> None:
    """Sphinx calls this when it has read this file."""
    app.connect("source-read", show_root_pages)
