"""
StoreCalls: how many threads of the API server may wait for stores, and for which store none has to.

Airflow's own pages need these threads, too. A store that is out would take all of them, one for each picture.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.ranged.ranged_object import UnreadableObjectError
from airflow_provider_wiro.gallery.ranged.timed_cache import TimedCache

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

_MOST_CALLS = 16
#: How long a call waits for another one's end.
_PATIENCE_SECONDS = 3.0
#: After this a store that was out is asked again.
OUT_SECONDS = 5.0
_MOST_STORES = 100


class BusyError(UnreadableObjectError):
    """A store isn't asked now."""

    status = 503


class StoreCalls:
    """
    The calls of a process.

    :param clock: returns seconds, which only grow.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        most: int = _MOST_CALLS,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._slots = BoundedSemaphore(most)
        self._patience = patience
        self._out: TimedCache[str] = TimedCache(OUT_SECONDS, _MOST_STORES, clock)

    @contextmanager
    def one(self, store: Hashable) -> Iterator[None]:
        """
        Make one call within the block.

        :param store: what all calls to the same store have in common.
        :raises BusyError: the store was out a moment ago, or too many calls wait.
        """
        if (reason := self._out.get(store)) is not None:
            raise BusyError(reason)
        if not self._slots.acquire(timeout=self._patience):
            raise BusyError("Too many outputs are read at the same time. Try again in a moment.")
        try:
            yield
        finally:
            self._slots.release()

    def note_out(self, store: Hashable, reason: str) -> None:
        """Ask a store no more for a short time: it can't be reached."""
        self._out.put(store, reason)


#: Of this process.
calls = StoreCalls()
