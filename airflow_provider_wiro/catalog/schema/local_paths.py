"""Paths and URIs that Wiro can't read, given where it reads a URL."""

from __future__ import annotations

import re

from airflow_provider_wiro.redaction.masking import text_without_secrets
from airflow_provider_wiro.redaction.plain_text import plain

_PATH = re.compile(r"/(?!/)|\.{1,2}[/\\]|~[/\\]|[a-z]:[/\\]|\\\\|file:", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=://)", re.IGNORECASE)


def path_in_parameters(name: str, path: str) -> str:
    """Say that a parameter is the path of a file."""
    return (
        f"Parameter {name!r:.100} is the path of a file, {path[:200]!r}: Wiro would get only this "
        f"text. To send the file, give it in `files`: {{{name!r:.100}: …}}."
    )


def why_no_url(name: str, value: str) -> str | None:
    """
    Say why Wiro can't fetch the file that a file parameter names.

    :return: None if it may be a URL.
    """
    shown = value.strip()
    if _PATH.match(shown):
        return path_in_parameters(name, plain(text_without_secrets(shown), 200))
    scheme = _SCHEME.match(shown)
    if scheme and scheme[0].lower() not in {"http", "https"}:
        return (
            f"Parameter {name!r:.100} is a {plain(scheme[0], 20)}:// URI, which Wiro can't read. Give it in "
            f"`files`: {{{name!r:.100}: …}}."
        )
    return None
