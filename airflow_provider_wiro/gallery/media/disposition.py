"""The name under which a browser saves an output (RFC 6266). Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

_LONGEST = 150
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f";\\/:*?<>|%]')


def content_disposition(name: str, *, is_shown: bool) -> str:
    """
    Return the header's value.

    :param name: of the output; foreign text.
    :param is_shown: the browser may show the bytes; else it only saves them.
    """
    way = "inline" if is_shown else "attachment"
    cleaned = _NOT_IN_NAMES.sub("_", name.encode("utf-8", "replace").decode())[-_LONGEST:].strip(". ")
    if not cleaned:
        return way
    plain = cleaned.encode("ascii", "replace").decode().replace("?", "_")
    if plain == cleaned:
        return f'{way}; filename="{plain}"'
    return f"{way}; filename=\"{plain}\"; filename*=UTF-8''{quote(cleaned, safe='')}"
