"""How much time is left to stop everything: Airflow leaves a killed task a few seconds, others more."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Airflow kills the process 5 s after telling it to stop; what is written down afterwards has to fit in, too.
_SECONDS = 4.0
#: The last request of a stop begins within this.
_PATIENCE_SECONDS = 3.3
#: Of that, how long it may take to ask whether the batch is still this process's, how long answers of Runs
#: are waited for, and how long their tasks are looked for in Wiro's list.
_OWNER_SECONDS = 0.5
_ANSWER_SECONDS = 1.8
_SEARCH_SECONDS = 0.7
#: The same where nothing kills the process.
_UNHURRIED_SECONDS = 60.0
_UNHURRIED_OWNER_SECONDS = 10.0
_UNHURRIED_SEARCH_SECONDS = 20.0


class StopDeadline:
    """
    How much time is left, asked for again and again: a kill can come while a stop is under way.

    :param killed_at: returns when the kill came, by the monotonic clock; None if none has.
    """

    def __init__(self, killed_at: Callable[[], float | None]) -> None:
        self._killed_at = killed_at
        self._began_at = time.monotonic()

    @classmethod
    def beginning_now(cls, *, is_urgent: bool) -> StopDeadline:
        """
        Return how much time a stop has that begins now.

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
        """Until everything has to be done."""
        return self._left(_SECONDS, 2 * _UNHURRIED_SECONDS)

    @property
    def waits_for_answers(self) -> bool:
        """Whether there is time to wait for answers of Runs before their tasks are looked for."""
        return self._left(_ANSWER_SECONDS, _UNHURRIED_SECONDS) > 0

    @property
    def stop_patience_seconds(self) -> float:
        """Within which the last request of a stop is to begin."""
        return max(0.0, self._left(_PATIENCE_SECONDS, 2 * _UNHURRIED_SECONDS))

    @property
    def owner_seconds(self) -> float:
        """How long it may take to ask whether the batch is still this process's."""
        return _OWNER_SECONDS if self.is_urgent else _UNHURRIED_OWNER_SECONDS

    @property
    def search_seconds(self) -> float:
        """How long Wiro's list may be searched."""
        return _SEARCH_SECONDS if self.is_urgent else _UNHURRIED_SEARCH_SECONDS

    def _left(self, urgent: float, unhurried: float) -> float:
        killed_at = self._killed_at()
        if killed_at is None:
            return self._began_at + unhurried - time.monotonic()
        return killed_at + urgent - time.monotonic()


def within(seconds: float, work: Callable[[], T]) -> T:
    """
    Return what a function that blocks returns, if it does so in time. Also for a signal handler.

    In a thread of its own: what the handler has interrupted may hold a lock that the function waits for.

    :raises TimeoutError: it didn't; it is left to itself.
    :raises Exception: what it has raised.
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
        raise TimeoutError(f"no answer within {seconds:.1f} s")
    return returned[0]
