"""The gallery's own files: its page with the blanks filled in, its style, script and icon."""

from __future__ import annotations

import hashlib
import html
import re
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What is served as it is, by the ending of its name.
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOLDER = files("airflow_provider_wiro.gallery") / "static"
_BLANK = re.compile(r"\{\{ (\w+) \}\}")


class PackageFile(NamedTuple):
    """A file as it is served."""

    content: bytes
    content_type: str
    etag: str


def package_file(name: str) -> PackageFile:
    """
    Return a file that the page needs.

    :raises LookupError: none has this name.
    """
    found = _package_files().get(name)
    if found is None:
        raise LookupError("The gallery has no such file.")
    return found


@cache
def _package_files() -> dict[str, PackageFile]:
    """Read all there are, once: so a name is looked up in a table, and is never a path."""
    table = {}
    for file in _FOLDER.iterdir():
        content_type = _CONTENT_TYPES.get(PurePosixPath(file.name).suffix)
        if content_type is not None:
            content = file.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            table[file.name] = PackageFile(content, content_type, etag)
    return table


def page_html(blanks: Mapping[str, str]) -> str:
    """Return the page, with these values in its attributes."""
    text = _template()
    return _BLANK.sub(lambda blank: html.escape(blanks[blank[1]], quote=True), text)


@cache
def _template() -> str:
    return (_FOLDER / "gallery.html").read_text(encoding="utf-8")
