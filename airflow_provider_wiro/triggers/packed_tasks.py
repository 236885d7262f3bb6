"""
The tasks that a deferred batch or export waits for as a short text, for Airflow's database.

Airflow keeps a trigger's arguments in a column that holds at most 65,535 bytes on MySQL, and 2.11 encrypts
them first, which makes four bytes of three. 10,000 ids as a JSON list don't fit; sorted, stored as
differences, and compressed, they do.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Encrypted, and with the other arguments beside them, these stay below MySQL's limit.
MOST_CHARACTERS = 44_000
_MOST_DIGITS = 30
#: What a stored text may unpack to: far more than MOST_CHARACTERS of tasks.
_MOST_BYTES = 4 * 1024 * 1024

#: A task's id, and the Unix time in seconds at which it was started.
StartedTask = tuple[str, float]


def pack(tasks: Iterable[StartedTask]) -> str:
    """Return tasks as text, ordered by id; their times lose the fraction of a second."""
    numbers: list[tuple[int, int]] = []
    others: list[tuple[str, int]] = []
    for wiro_task_id, started_at in tasks:
        number = _number(wiro_task_id)
        if number is None:
            others.append((wiro_task_id, int(started_at)))
        else:
            numbers.append((number, int(started_at)))
    packed = bytearray()
    before, before_at = 0, 0
    for number, at in sorted(numbers):
        _append(packed, number - before)
        _append(packed, _unsigned(at - before_at))
        before, before_at = number, at
    head = json.dumps({"numbers": len(numbers), "others": others}, separators=(",", ":"))
    return base64.b85encode(zlib.compress(head.encode() + b"\n" + packed, 9)).decode()


def unpack(text: str) -> list[StartedTask]:
    """
    Return the tasks of a text.

    :raises WiroUsageError: :func:`pack` didn't make it.
    """
    try:
        unzip = zlib.decompressobj()
        body = unzip.decompress(base64.b85decode(text), _MOST_BYTES)
        # A text that is truncated, or unpacks to too much, gives nothing.
        head, _, packed = (body if unzip.eof else b"").partition(b"\n")
        found = json.loads(head)
        values = _values(packed, 2 * found["numbers"])
        tasks: list[StartedTask] = [(str(wiro_task_id), float(at)) for wiro_task_id, at in found["others"]]
    except (ValueError, KeyError, TypeError, IndexError, zlib.error, binascii.Error) as error:
        raise WiroUsageError(
            f"Expected the packed tasks of a WiroBatchTrigger, found {text[:100]!r}."
        ) from error
    number, at = 0, 0
    for difference, change in zip(values[::2], values[1::2], strict=True):
        number += difference
        at += _signed(change)
        tasks.append((str(number), float(at)))
    return tasks


def fitting(tasks: Sequence[StartedTask], most_characters: int = MOST_CHARACTERS) -> list[StartedTask]:
    """Return as many tasks as fit in a stored row, the oldest first: they end before the others."""
    oldest_first = sorted(tasks, key=lambda task: task[1])
    if len(pack(oldest_first)) <= most_characters:
        return oldest_first
    least, most = 0, len(oldest_first)
    while most - least > 1:
        middle = (least + most) // 2
        if len(pack(oldest_first[:middle])) <= most_characters:
            least = middle
        else:
            most = middle
    return oldest_first[:least]


def _number(wiro_task_id: str) -> int | None:
    """Return the number that an id is, None if it is none that gives the same id again."""
    if not (wiro_task_id.isascii() and wiro_task_id.isdecimal() and len(wiro_task_id) <= _MOST_DIGITS):
        return None
    number = int(wiro_task_id)
    return number if str(number) == wiro_task_id else None


def _unsigned(value: int) -> int:
    """Return a number that is small where the given one is near zero, and never negative."""
    return 2 * value if value >= 0 else -2 * value - 1


def _signed(value: int) -> int:
    return -(value + 1) // 2 if value % 2 else value // 2


def _append(packed: bytearray, value: int) -> None:
    """Append a number in as many bytes as it needs, seven bits in each."""
    while value >= 0x80:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)


def _values(packed: bytes, count: int) -> list[int]:
    values: list[int] = []
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(value)
            value = shift = 0
    if len(values) != count or shift:
        raise ValueError(f"expected {count} numbers, found {len(values)}")
    return values
