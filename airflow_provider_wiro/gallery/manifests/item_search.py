"""
Where the line of an item begins in a batch's manifest, found with few reads. Pure.

The lines are in the order of the items, one each. So an item's place can be guessed from the numbers at both
ends of what is left, and each guess leaves less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.manifests.lines import (
    FARTHEST,
    Line,
    item_at,
    item_of,
    line_at,
    next_start,
)

if TYPE_CHECKING:
    from airflow_provider_wiro.gallery.manifests.lines import Bytes

#: What is read at a guess, in bytes.
GUESS_BYTES = 256 * 1024
#: A file whose lines are in no order ends the search.
_MOST_GUESSES = 60
#: After how many guesses what is left has to be half of what it was.
_PATIENCE = 3
#: What is read at the end of the file, until a line begins in it, in bytes.
_TAILS = (GUESS_BYTES // 2, 8 * GUESS_BYTES, 32 * GUESS_BYTES)


@dataclass(frozen=True)
class Start:
    """Where the line of an item begins."""

    offset: int
    item: int


def last_item(file: Bytes) -> int | None:
    """Return the number of the last item, None if the file is no manifest of a batch."""
    for size in _TAILS:
        begin = max(0, file.size - size)
        starts = _starts(file, begin, file.size)
        if starts:
            return starts[-1].item
        if begin == 0:
            return None
    return None


def find_item(file: Bytes, item: int, last: int) -> int | None:
    """
    Return where the line of an item begins, None if there is none.

    :param item: its number, from 0.
    :param last: the number of the last item.
    """
    if not 0 <= item <= last:
        return None
    low, high = Start(0, 0), Start(file.size, last + 1)
    spans: list[int] = []
    for _ in range(_MOST_GUESSES):
        span = high.offset - low.offset
        if span <= GUESS_BYTES:
            return _exact(_starts(file, low.offset, high.offset), item)
        # Where guesses have not even halved it, as with lengths that change a lot: halve it.
        is_slow = len(spans) >= _PATIENCE and span > spans[-_PATIENCE] // 2
        spans.append(span)
        begin = _guessed(low, high, item, halves=is_slow)
        stop = min(begin + GUESS_BYTES, high.offset)
        starts = _starts(file, begin, stop)
        if not starts:
            # No line begins here: a longer one goes through it.
            after = next_start(file, stop, FARTHEST)
            line = line_at(file, after) if after is not None and after < high.offset else None
            number = None if line is None else item_of(line)
            if line is not None and number is not None and number <= item:
                low = Start(line.start, number)
            else:
                high = Start(begin, high.item if number is None else number)
            continue
        if starts[0].item <= item <= starts[-1].item:
            return _exact(starts, item)
        if starts[0].item > item:
            high = starts[0]
        else:
            low = starts[-1]
    return None


def _guessed(low: Start, high: Start, item: int, *, halves: bool) -> int:
    """Return where to look: a little before the place that the numbers at both ends suggest."""
    span = high.offset - low.offset
    if halves or high.item <= low.item:
        middle = low.offset + span // 2
    else:
        middle = low.offset + span * (item - low.item) // (high.item - low.item)
    return max(low.offset, min(middle - GUESS_BYTES // 2, high.offset - GUESS_BYTES))


def _exact(starts: list[Start], item: int) -> int | None:
    return next((start.offset for start in starts if start.item == item), None)


def _starts(file: Bytes, begin: int, stop: int) -> list[Start]:
    """Return where lines of items begin from ``begin`` on and before ``stop``, in the order of the file."""
    position = 0
    if begin == 0:
        part = file.read(0, stop)
    else:  # a line begins right there if a line break is before it
        begin -= 1
        part = file.read(begin, stop)
        position = part.find(b"\n") + 1
        if not position:
            return []
    found: list[Start] = []
    while position < len(part):
        end = part.find(b"\n", position)
        is_ended = end >= 0
        body = part[position : end if is_ended else len(part)]
        # By its beginning, since the line may go on after these bytes.
        number = item_of(Line(begin + position, 0, body, True, is_ended)) if is_ended else item_at(body)
        if number is not None:
            found.append(Start(begin + position, number))
        if not is_ended:
            break
        position = end + 1
    return found
