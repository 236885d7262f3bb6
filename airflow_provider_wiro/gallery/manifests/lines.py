"""Lines of a file that is read by ranges of bytes: where each begins, and what is in it. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A longer line is not parsed.
LONGEST_LINE = 1024 * 1024
#: How many bytes are looked at together; what is kept of a file is a multiple of it.
STEP = 64 * 1024
#: What is kept of a longer line.
_HEAD = 4096
#: How far the end of a line is looked for.
FARTHEST = 16 * 1024 * 1024
#: How a line of a batch's manifest begins.
_ITEM = re.compile(rb'\s*\{\s*"item"\s*:\s*(\d{1,15})\s*[,}]')


class Bytes(Protocol):
    """A file's bytes. Each call may raise."""

    @property
    def size(self) -> int:
        """How many there are."""

    def read(self, start: int, stop: int) -> bytes:
        """Return some of them, fewer where they end."""


@dataclass(frozen=True)
class Line:
    """
    A line as its bytes.

    :ivar start: the byte at which it begins.
    :ivar stop: the byte after it, its line break included.
    :ivar body: without line break; of a line longer than is parsed only its beginning.
    :ivar is_whole: the body is all of it.
    :ivar is_ended: a line break ends it, as each line that was written as a whole.
    """

    start: int
    stop: int
    body: bytes
    is_whole: bool
    is_ended: bool

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it."""
        return self.is_whole and not self.body.strip()


def line_at(file: Bytes, start: int) -> Line | None:
    """Return the line that begins at a byte, None at the end of the file. A very long one has no end."""
    body = bytearray()
    position, is_ended = start, False
    while (
        not is_ended
        and position - start < FARTHEST
        and (part := file.read(position, _boundary_after(position)))
    ):
        found = part.find(b"\n")
        is_ended = found >= 0
        if len(body) <= LONGEST_LINE:
            body += part[:found] if is_ended else part
        position += found + 1 if is_ended else len(part)
    if position == start:
        return None
    is_whole = len(body) <= LONGEST_LINE
    return Line(start, position, bytes(body if is_whole else body[:_HEAD]), is_whole, is_ended)


def next_start(file: Bytes, offset: int, farthest: int) -> int | None:
    """
    Return the first byte from an offset on at which a line begins; the file's size if none does.

    :param farthest: how many bytes to look through; None is returned if no line begins in them.
    """
    if offset <= 0:
        return 0
    position = offset - 1  # a line begins at the offset if a line break is right before it
    while part := file.read(position, _boundary_after(position)):
        if (found := part.find(b"\n")) >= 0:
            return position + found + 1
        position += len(part)
        if position - offset >= farthest:
            return None
    return file.size


def starts_before(file: Bytes, offset: int, most: int, most_bytes: int) -> list[int]:
    """
    Return where the last lines before an offset begin, in the order of the file.

    :param offset: where a line begins, or the file ends.
    :param most: how many lines.
    :param most_bytes: how far to look back for more than one.
    """
    starts: list[int] = []
    stop = min(offset, file.size) - 1  # without the line break that ends the last one
    position = max(stop, 0)
    while position > 0 and len(starts) < most and not (starts and offset - position > most_bytes):
        begin = (position - 1) // STEP * STEP
        part = file.read(begin, position)
        found = len(part)
        while len(starts) < most and (found := part.rfind(b"\n", 0, found)) >= 0:
            starts.append(begin + found + 1)
        position = begin
    if position == 0 and len(starts) < most and offset > 0 and 0 not in starts:
        starts.append(0)
    return starts[::-1]


def _boundary_after(position: int) -> int:
    return (position // STEP + 1) * STEP


def item_at(beginning: bytes) -> int | None:
    """Return the number of an item by the beginning of its line, None if that shows none."""
    found = _ITEM.match(beginning)
    return None if found is None else int(found[1])


def item_of(line: Line) -> int | None:
    """Return the number of the item whose line this is, None if it is no line of a batch."""
    if (number := item_at(line.body)) is not None:
        return number
    value = parsed(line)
    return None if value is None else item_of_value(value)


def item_of_value(value: Mapping[str, Any]) -> int | None:
    """Return the number of an item as its line has it, None if it has none."""
    number = value.get("item")
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def parsed(line: Line) -> dict[str, Any] | None:
    """Return a line as JSON, None if it is no object, or only a part of one."""
    if not line.is_whole:
        return None
    try:
        value = json.loads(line.body, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
