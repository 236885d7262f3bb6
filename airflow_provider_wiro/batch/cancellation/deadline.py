"""How much time is left to stop everything: Airflow leaves a killed task a few seconds, others more."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Airflow kills the process 5 s after asking it to stop; the last journal entries have to fit in, too.
_SECONDS = 4.0
#: The last request that stops a task is sent within this.
_PATIENCE_SECONDS = 3.3
#: Of that, how long it may take to check whether this process still owns the journal, how long responses to
#: Runs are waited for, and how long their tasks are searched for in Wiro's list.
_OWNER_SECONDS = 0.5
_RESPONSE_SECONDS = 1.8
_SEARCH_SECONDS = 0.7
#: The same where nothing kills the process.
_UNHURRIED_SECONDS = 60.0
_UNHURRIED_OWNER_SECONDS = 10.0
_UNHURRIED_SEARCH_SECONDS = 20.0


class StopDeadline:
    """
    How much time is left, computed each time: a kill can come while a stop is under way.

    :param killed_at: returns when the kill came, by the monotonic clock; None if there was none.
    """

    def __init__(self, killed_at: Callable[[], float | None]) -> None:
        self._killed_at = killed_at
        self._began_at = time.monotonic()

    @classmethod
    def beginning_now(cls, *, is_urgent: bool) -> StopDeadline:
        """
        Return the deadline of a stop that starts now.

        :param is_urgent: Airflow kills the process in a few seconds.
        """
        killed_at = time.monotonic() if is_urgent else None
        return cls(lambda: killed_at)

    @property
    def is_urgent(self) -> bool:
        """Whether Airflow kills the process in a few seconds."""
        return self._killed_at() is not None

    @property
    def left_seconds(self) -> float:
        """How many seconds are left for everything."""
        return self._left(_SECONDS, 2 * _UNHURRIED_SECONDS)

    @property
    def waits_for_responses(self) -> bool:
        """Whether there is time to wait for responses to Runs before their tasks are searched for."""
        return self._left(_RESPONSE_SECONDS, _UNHURRIED_SECONDS) > 0

    @property
    def stop_patience_seconds(self) -> float:
        """Within how many seconds the last request that stops a task has to be sent."""
        return max(0.0, self._left(_PATIENCE_SECONDS, 2 * _UNHURRIED_SECONDS))

    @property
    def owner_seconds(self) -> float:
        """How many seconds the check for the journal's owner may take."""
        return _OWNER_SECONDS if self.is_urgent else _UNHURRIED_OWNER_SECONDS

    @property
    def search_seconds(self) -> float:
        """How many seconds the search in Wiro's list may take."""
        return _SEARCH_SECONDS if self.is_urgent else _UNHURRIED_SEARCH_SECONDS

    def _left(self, urgent: float, unhurried: float) -> float:
        killed_at = self._killed_at()
        if killed_at is None:
            return self._began_at + unhurried - time.monotonic()
        return killed_at + urgent - time.monotonic()


def within(seconds: float, work: Callable[[], T]) -> T:
    """
    Return what a blocking function returns, if it does so in time. Also for a signal handler.

    The function runs in a thread: the code that the handler interrupts may hold a lock that it waits for.

    :raises TimeoutError: it didn't; its thread is abandoned.
    :raises Exception: what it raised.
    """
    returned: list[T] = []
    raised: list[BaseException] = []

    def do() -> None:
        try:
            returned.append(work())
        except BaseException as error:  # raised again where it is waited for
            raised.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(do,), name="wiro-stop", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not returned:
        raise TimeoutError(f"no result within {seconds:.1f} s")
    return returned[0]
