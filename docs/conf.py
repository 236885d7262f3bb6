"""How Sphinx builds the pages of this folder; `make docs`."""

from __future__ import annotations

import re
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
exclude_patterns = ["_build"]

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

# Pages beside this folder, and the pages here that include them.
ROOT_PAGES = {
    "README": "/index",
    "CHANGELOG": "/project/changelog",
    "CONTRIBUTING": "/project/contributing",
    "SECURITY": "/project/security",
}


def link_root_pages(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let links that lead out of this folder to such a page lead to the one that includes it."""
    for name, page in ROOT_PAGES.items():
        source[0] = re.sub(rf"\]\((?:\.\./)+{name}\.md", f"]({page}.md", source[0])


def setup(app: Sphinx) -> None:
    """Sphinx calls this when it has read this file."""
    app.connect("source-read", link_root_pages)
