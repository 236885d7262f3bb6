"""BoundedQuestion: a question that a signal handler asks with a limit on how long it waits."""

from __future__ import annotations

import _thread
import contextvars
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class BoundedQuestion:
    """
    A yes-or-no question that is asked in a thread of its own.

    A handler interrupts the main thread anywhere, also while that holds a lock which the question needs. Then
    the answer comes only after the handler has returned. ``threading.Thread`` has such locks itself, hence
    ``_thread``.

    :param ask: asks it.
    :ivar error: why there is no answer; None unless asking has failed.
    """

    def __init__(self, ask: Callable[[], bool]) -> None:
        self.error: Exception | None = None
        self._ask = ask
        self._answer: bool | None = None
        self._gate = _thread.allocate_lock()
        self._gate.acquire()
        context = contextvars.copy_context()
        _thread.start_new_thread(context.run, (self._work,))

    def _work(self) -> None:
        try:
            self._answer = self._ask()
        except Exception as error:  # for the caller of `answer`
            self.error = error
        finally:
            self._gate.release()

    def answer(self, seconds: float) -> bool | None:
        """Return the answer, None if there is none within ``seconds``."""
        if self._gate.acquire(timeout=max(0.0, seconds)):
            self._gate.release()
        return self._answer
