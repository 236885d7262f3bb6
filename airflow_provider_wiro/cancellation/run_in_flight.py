"""
A Run that is sent in a thread of its own, so that its answer is received whatever interrupts the operator.

Airflow's ``execution_timeout`` is an exception that a signal handler raises wherever the main thread is. In
the middle of reading an answer it would close the connection, and with it go the id of a task that Wiro has
started. A thread is not interrupted: it reads on, and the main thread, or the handler of the signal itself,
waits for what it reads.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.flow import Flow
    from airflow_provider_wiro.api.models import StartedRun

T = TypeVar("T")


class RunInFlight:
    """
    A Run that is being sent.

    :param send: sends it and returns what it has started.
    :ivar started: what the Run has started, None as long as that is not known.
    :ivar error: why it is not known, None unless sending has failed.
    """

    def __init__(self, send: Callable[[], StartedRun]) -> None:
        self.started: StartedRun | None = None
        self.error: BaseException | None = None
        self.is_over = False
        self._send = send
        # A plain lock, held until the thread is done. A signal handler can wait for it while the code that it
        # interrupted waits for it as well, which a threading.Event or Thread.join() doesn't promise.
        self._gate = threading.Lock()
        self._gate.acquire()
        context = contextvars.copy_context()
        # A daemon: a Run that hangs must not keep a process alive that has done all it can.
        self._thread = threading.Thread(target=context.run, args=(self._work,), name="wiro-run", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.started = self._send()
        except BaseException as error:  # raised again by `result`, in the main thread
            self.error = error
        finally:
            self.is_over = True
            self._gate.release()

    def wait(self, seconds: float = -1) -> None:
        """Wait until the answer is there, or for some seconds. Also for a signal handler."""
        if not self.is_over and self._gate.acquire(timeout=seconds):
            self._gate.release()

    def result(self) -> StartedRun:
        """
        Return what the Run has started, once :meth:`wait` has returned.

        :raises BaseException: what sending has raised.
        """
        if self.error is not None:
            raise self.error
        if self.started is None:
            raise AssertionError("asked before the answer was there")
        return self.started


def checked(conversation: Flow[T], check: Callable[[], None]) -> Flow[T]:
    """
    Call ``check`` before each step of a conversation; what it raises ends it, with nothing sent after it.
    """
    outcome = None
    while True:
        try:
            step = conversation.send(outcome)
        except StopIteration as stop:
            result: T = stop.value
            return result
        check()
        outcome = yield step
