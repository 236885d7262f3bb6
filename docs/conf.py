"""How Sphinx builds the pages of this folder; `make docs`."""

from __future__ import annotations

from airflow_provider_wiro import __version__

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
