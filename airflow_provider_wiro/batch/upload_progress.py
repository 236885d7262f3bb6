"""The upload of one Run's files: how far it has got; and it ends where another process has the batch."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroRecordError
from airflow_provider_wiro.recovery.sending import UPLOAD_NOTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

#: How often it is asked whether the upload has got further.
_PAUSE_SECONDS = 1.0


class Upload:
    """
    What is known of an upload.

    :ivar last_piece_at: by the monotonic clock; None before the first piece.
    """

    def __init__(self) -> None:
        self.last_piece_at: float | None = None
        self._problem: WiroOvertakenError | None = None

    def note_piece(self) -> None:
        """
        Note that a piece is sent. Called in a thread of aiohttp's.

        :raises WiroOvertakenError: the batch is another process's; the request is broken off.
        """
        if self._problem is not None:
            raise self._problem
        self.last_piece_at = time.monotonic()

    def seconds(self, left_at: float) -> float | None:
        """Return for how long after ``left_at`` pieces were sent; None if none was."""
        last = self.last_piece_at
        return None if last is None or last < left_at else last - left_at

    async def watch(self, left_at: Callable[[], float], keep: Callable[[float], Awaitable[None]]) -> None:
        """
        Keep now and then for how long the files have been on their way, until cancelled.

        Should this process die, Wiro may get to the request only after the last byte.

        :param left_at: returns when the request was begun, by the monotonic clock.
        :param keep: makes it durable.
        """
        kept_at, kept_for = left_at(), 0.0
        while True:
            await asyncio.sleep(_PAUSE_SECONDS)
            if left_at() != kept_at:  # the request was begun again
                kept_at, kept_for = left_at(), 0.0
            seconds = self.seconds(kept_at)
            if seconds is None or seconds < kept_for + UPLOAD_NOTE_SECONDS:
                continue
            try:
                await keep(seconds)
            except WiroOvertakenError as error:
                self._problem = error
                return
            except WiroRecordError:
                continue  # the next time, or the answer's own entry
            kept_for = seconds
