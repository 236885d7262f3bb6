"""Moves a stream, such as a file to copy, into a target that takes parts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from airflow_provider_wiro.downloads.range_reader import Restart
from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.storage.digests import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.landing.multipart import Target
    from airflow_provider_wiro.storage.digests import Stream


def move_stream(
    stream: Stream, target: Target, part_bytes: int, check: Callable[[], None] = lambda: None
) -> tuple[int, str]:
    """
    Move all bytes of a stream; return their number and SHA-256.

    :param check: called between parts; what it raises ends the move.
    :raises WiroOutputUnavailableError: another task writes the target at this moment.
    """
    digest, size, number = hashlib.sha256(), 0, 0
    try:
        while (part := _part(stream, part_bytes)) or not number:
            check()
            digest.update(part)
            size, number = size + len(part), number + 1
            if number == 1:
                if len(part) < part_bytes:
                    target.put(part, digest.hexdigest())
                    return size, digest.hexdigest()
                target.begin(part)
            target.put_part(number, part)
        target.complete(size, digest.hexdigest())
    except Restart as why:
        target.abort()
        raise WiroOutputUnavailableError(f"The write was given up: {why}.") from why
    except BaseException:  # also when the task is stopped
        target.abort()
        raise
    return size, digest.hexdigest()


def _part(stream: Stream, part_bytes: int) -> bytearray:
    """Return the next bytes, fewer than a part only at the end."""
    part = bytearray()
    while len(part) < part_bytes and (piece := stream.read(min(PIECE_BYTES, part_bytes - len(part)))):
        part += piece
    return part
