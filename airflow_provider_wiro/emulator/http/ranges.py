"""Range requests of HTTP (RFC 9110, §14), for one range of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """The range starts after the end of the file: a 416."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from `start` up to but excluding `stop`."""

    start: int
    stop: int

    def content_range(self, size: int) -> str:
        """Return the header that describes this part of a file of `size` bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """
    Return the range of a `Range` header; `None` is the whole file.

    Several ranges, other units and malformed headers get the whole file, as the RFC allows.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        suffix = int(last)
        if suffix == 0 or size == 0:
            raise UnsatisfiableRangeError
        return ByteRange(max(0, size - suffix), size)
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= size:
        raise UnsatisfiableRangeError
    return ByteRange(start, min(size, int(last) + 1) if last else size)
