"""
RunInFlight: a Run sent in a thread of its own, so that nothing interrupts the receipt of its response.

Airflow's ``execution_timeout`` is an exception that a signal handler raises wherever the main thread is.
While a response is read it would close the connection, and the id of a task that Wiro has started would be
lost. A thread is not interrupted: it continues to read, and the main thread, or the signal handler itself,
waits for what it reads.
"""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.models import StartedRun


class RunInFlight:
    """
    A Run that is being sent.

    :param send: sends it and returns the started task.
    :ivar started: the started task, None until it is known.
    :ivar error: why it is not known, None unless sending has failed.
    :ivar is_over: whether one of these is known.
    """

    def __init__(self, send: Callable[[], StartedRun]) -> None:
        self.started: StartedRun | None = None
        self.error: BaseException | None = None
        self.is_over = False
        self._send = send
        # A plain lock, held until the thread is done. A signal handler can wait for it while the interrupted
        # code waits for it too, which a threading.Event or Thread.join() doesn't promise.
        self._gate = threading.Lock()
        self._gate.acquire()
        context = contextvars.copy_context()
        # A daemon: a Run that hangs must not keep alive a process that has nothing else to do.
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
        """
        Wait for the response, at most some seconds; -1 for as long as it takes. Also for a signal handler.
        """
        if not self.is_over and self._gate.acquire(timeout=seconds):
            self._gate.release()

    def result(self) -> StartedRun:
        """
        Return the started task, once :meth:`wait` has returned.

        :raises BaseException: the error of the sending.
        """
        if self.error is not None:
            raise self.error
        if self.started is None:
            raise AssertionError("asked before the response was there")
        return self.started
