"""Which bytes a request asks for, and whether it has them already (RFC 9110). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(
    r"bytes\s*=\s*(?:(?P<start>\d{1,18})\s*-\s*(?P<last>\d{1,18})?|-\s*(?P<suffix>\d{1,18}))\s*", re.I
)


@dataclass(frozen=True)
class AskedRange:
    """
    One range of bytes, before it is known how many there are.

    :ivar start: None: the last ``suffix`` bytes.
    :ivar last: the last byte that is wanted; None: all that follow.
    """

    start: int | None
    last: int | None = None
    suffix: int = 0

    def within(self, size: int) -> range | None:
        """Return the bytes that there are of it, None if there are none (status 416)."""
        if self.start is None:
            return range(max(0, size - self.suffix), size) if self.suffix and size else None
        stop = size if self.last is None else min(self.last + 1, size)
        return range(self.start, stop) if self.start < stop else None


def asked_range(header: str | None) -> AskedRange | None:
    """
    Return the range that a request asks for, None for the whole.

    Several ranges at once, and what can't be read, are answered with the whole, as a server may.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None:
        return None
    if found["suffix"] is not None:
        return AskedRange(None, suffix=int(found["suffix"]))
    start, last = int(found["start"]), None if found["last"] is None else int(found["last"])
    return None if last is not None and last < start else AskedRange(start, last)


def etag_of(version: str) -> str:
    """Return the ETag of a store's version, as HTTP has it; empty if the store names none."""
    if not version or not version.isascii() or not version.isprintable():
        return ""
    return version if version.endswith('"') else f'"{version}"'


def has_it(if_none_match: str | None, etag: str) -> bool:
    """Whether a browser has this version already (status 304)."""
    if not if_none_match or not etag:
        return False
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return etag.removeprefix("W/") in known


def goes_on(if_range: str | None, etag: str) -> bool:
    """Whether a range is wanted of this version; else the whole is."""
    return if_range is None or (if_range.strip() == etag and bool(etag) and not etag.startswith("W/"))
