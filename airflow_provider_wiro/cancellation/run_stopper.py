"""
RunStopper: stops a run's Wiro task with its Airflow task.

An Airflow task ends by a kill (:meth:`RunStopper.kill`), by an error (:meth:`RunStopper.unless_followed`) and
by the operator's own timeout (:meth:`RunStopper.on_timeout`). While it is deferred, its trigger stops the
Wiro task (:mod:`airflow_provider_wiro.triggers.cancellation`). A batch follows the same rule in
:mod:`airflow_provider_wiro.batch.cancellation.stopper`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_wiro.cancellation.bounded_question import BoundedQuestion
from airflow_provider_wiro.cancellation.task_end import at_an_error
from airflow_provider_wiro.exceptions import (
    WiroError,
    WiroLostRunError,
    WiroOrphanedRunError,
    WiroTaskTimeoutError,
)
from airflow_provider_wiro.failures import TaskStoppedError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from airflow_provider_wiro.api.models import StartedRun, Task
    from airflow_provider_wiro.cancellation.run_in_flight import RunInFlight
    from airflow_provider_wiro.cancellation.seen_task import SeenTask
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.redaction.loggers import Log

#: Airflow kills a worker's process 5 s after the signal. The last request of a stop starts within the
#: patience, which counts from the signal, and may take the timeout.
_KILL_TIMEOUT_SECONDS = 1.5
_KILL_PATIENCE_SECONDS = 3.3
#: Of that, how long a Run's response is waited for, and how long its task is searched for in Wiro's list.
_KILL_RESPONSE_SECONDS = 2.0
_KILL_SEARCH_SECONDS = 0.7
#: How long reading the record, for whether a later try follows the task, may take: in a kill, and elsewhere.
_KILL_RECORD_SECONDS = 1.0
_RECORD_SECONDS = 10.0
#: How long a Run's response is waited for where nothing kills the process, as after `execution_timeout`.
_LATE_RESPONSE_SECONDS = 60.0
#: The same for a stop or a search; and how long each of their requests may take.
_STOP_PATIENCE_SECONDS = 20.0
_STOP_TIMEOUT_SECONDS = 10.0

#: Finds the task of a lost Run within some seconds, None if none certainly is it.
Search = Callable[["WiroHook", float], "str | None"]


class RunStopper:
    """
    Knows the Wiro task that has to be stopped with an Airflow task.

    :param cancel_on_kill: stop it when the Airflow task is stopped.
    :param cancel_on_timeout: stop it when its time has passed.
    :ivar last_seen: the task as Wiro showed it last, None if it wasn't asked.
    :ivar stopped: the task as Wiro showed it when it was to be stopped: cancelled, or ended by itself before.
    """

    def __init__(self, log: Log, *, cancel_on_kill: bool, cancel_on_timeout: bool) -> None:
        self.last_seen: SeenTask | None = None
        self.stopped: Task | None = None
        self._log = log
        self._cancel_on_kill = cancel_on_kill
        self._cancel_on_timeout = cancel_on_timeout
        self._target: tuple[str, WiroHook] | None = None
        #: Tasks with which nothing is to be done: they were stopped, have ended, or are left running on
        #: purpose.
        self._settled_ids: set[str] = set()
        self._flight: RunInFlight | None = None
        self._hook: WiroHook | None = None
        self._search: Search | None = None
        self._may_be_sent = False
        self._is_killed = False
        self._is_interrupted = False
        self._is_overtaken: Callable[[], bool] | None = None

    # What is known about the task.

    @property
    def is_killed(self) -> bool:
        """Whether Airflow has stopped the task."""
        return self._is_killed

    def leave_to_later_try(self, is_overtaken: Callable[[], bool]) -> None:
        """
        Stop nothing once the record is a later try's, which follows the task.

        :param is_overtaken: reads the record. It is called in a thread, also while a signal is handled.
        """
        self._is_overtaken = is_overtaken

    def set_target(self, wiro_task_id: str, hook: WiroHook) -> None:
        """
        Set the task that a kill has to stop.

        :param hook: has read its connection, since a kill can't.
        """
        self._target = wiro_task_id, hook

    def set_intent(self, search: Search | None, hook: WiroHook, *, is_sent: bool) -> None:
        """
        Set the Run that is about to be sent, or was sent without a known task.

        :param search: finds its task among the project's latest. None: there is no such Run.
        :param is_sent: an earlier try may have sent it.
        """
        self._target, self._search, self._hook = None, search, hook
        self._may_be_sent = is_sent
        if self._flight is not None and self._flight.is_over:
            self._flight = None  # an earlier Run's

    def on_accepted(self, wiro_task_id: str, hook: WiroHook) -> None:
        """
        Set the task that a kill has to stop; if a kill came before its id was known, stop it now.

        :raises TaskStoppedError: a kill came.
        """
        self.set_target(wiro_task_id, hook)
        if self._is_killed:
            self.kill()
            self.check()

    def on_task(self, task: Task) -> None:
        """Take in the task as Wiro shows it."""
        from airflow_provider_wiro.cancellation.seen_task import SeenTask

        self.last_seen = SeenTask.of(task)
        if task.is_terminal:
            self._settled_ids.add(task.id)

    def check(self) -> None:
        """
        Raise once the Airflow task was stopped.

        :raises TaskStoppedError: it was.
        """
        if self._is_killed or self._is_interrupted:
            raise TaskStoppedError

    def send(self, send: Callable[[], StartedRun], hook: WiroHook) -> StartedRun:
        """
        Send a Run, and return the started task; after an interruption, wait for the response before raising.

        :raises TaskStoppedError: the Airflow task was stopped before the Run was sent.
        :raises BaseException: the error of the sending, or the interruption, such as Airflow's timeout.
        """
        from airflow_provider_wiro.cancellation.run_in_flight import RunInFlight

        self.check()
        self._hook = hook
        flight = self._flight = RunInFlight(send)
        try:
            flight.wait()
        except BaseException:
            self._is_interrupted = True  # from here on the thread sends nothing
            if not flight.is_over:
                self._log.warning(
                    "Interrupted while a Run is in flight. Waiting up to %.0f s for its response, since its "
                    "Wiro task can be stopped only then.",
                    _LATE_RESPONSE_SECONDS,
                )
            flight.wait(_LATE_RESPONSE_SECONDS)
            if flight.started is not None:
                self.set_target(flight.started.wiro_task_id, hook)
                if self._is_killed:
                    self.kill()
            raise
        started = flight.result()
        self.set_target(started.wiro_task_id, hook)
        self._flight = None
        return started

    # The ways in which an Airflow task ends.

    def kill(self) -> None:
        """
        Stop the Wiro task, in a signal handler, after which execution continues.

        Nothing here may ask Airflow for anything, nor touch the session of the interrupted request.
        """
        self._is_killed = True
        started_at = time.monotonic()
        asked = self._ask_record()
        try:
            target = self._target or self._find_target(for_kill=True)
        except Exception:
            self._log.exception("Could not find out which Wiro task to stop; it may still run.")
            return
        seconds_left = _KILL_RECORD_SECONDS - (time.monotonic() - started_at)
        if target is not None and not self._is_left(asked, seconds_left):
            patience = max(0.1, _KILL_PATIENCE_SECONDS - (time.monotonic() - started_at))
            self._stop(*target, timeout_seconds=_KILL_TIMEOUT_SECONDS, patience_seconds=patience)

    def unless_followed(
        self,
        is_followed: Callable[[BaseException], bool],
        recorded_task: Callable[[], tuple[str, WiroHook] | None],
    ) -> AbstractContextManager[None]:
        """
        Stop the Wiro task if an error ends the Airflow task, and no later try follows the Wiro task.

        :param is_followed: whether a later try will, after this error.
        :param recorded_task: reads the recorded task; called where the error came before one was known here.
        """
        return at_an_error(lambda error: self._leave(error, is_followed, recorded_task), self._log)

    def _leave(
        self,
        error: BaseException,
        is_followed: Callable[[BaseException], bool],
        recorded_task: Callable[[], tuple[str, WiroHook] | None],
    ) -> None:
        if self._is_killed or is_followed(error):
            return
        if self._is_left(self._ask_record(), _RECORD_SECONDS):
            return
        target = self._target
        if target is None and self._hook is None:
            target = recorded_task()
        if target is None and not isinstance(error, WiroLostRunError | WiroOrphanedRunError):
            target = self._find_target(for_kill=False)
        if target is not None:
            self._stop(
                *target, timeout_seconds=_STOP_TIMEOUT_SECONDS, patience_seconds=_STOP_PATIENCE_SECONDS
            )

    def _ask_record(self) -> BoundedQuestion | None:
        return None if self._is_overtaken is None else BoundedQuestion(self._is_overtaken)

    def _is_left(self, asked: BoundedQuestion | None, seconds: float) -> bool:
        """
        Whether a later try has the record, and follows the task. If that isn't known, none does.

        This happens to a process that was suspended until its heartbeat was missed: it is killed when it
        resumes.
        """
        if asked is None:
            return False
        answer = asked.answer(seconds)
        if answer:
            self._log.warning(
                "A later try of this Airflow task follows the Wiro task, so nothing is stopped here."
            )
        elif answer is None:
            why = asked.error or f"the record was not read within {max(seconds, 0.0):.1f} s"
            self._log.warning("Whether a later try follows the Wiro task isn't known: %s", why)
        return bool(answer)

    def _find_target(self, *, for_kill: bool) -> tuple[str, WiroHook] | None:
        """Wait for the response to a Run in flight, or search for its task; None if none is found."""
        hook, flight = self._hook, self._flight
        if hook is None:
            return None  # nothing was started
        if flight is not None:
            flight.wait(_KILL_RESPONSE_SECONDS if for_kill else 0.0)
            if flight.started is not None:
                return flight.started.wiro_task_id, hook
            if flight.is_over and not isinstance(flight.error, WiroLostRunError):
                return None  # it has certainly started nothing
        if flight is None and not self._may_be_sent:
            return None
        found = None
        if self._search is not None:
            seconds = _KILL_SEARCH_SECONDS if for_kill else _STOP_PATIENCE_SECONDS
            try:
                with hook.for_stopping(min(seconds, _STOP_TIMEOUT_SECONDS)) as searching:
                    found = self._search(searching, seconds)
            except WiroError as error:
                self._log.warning("Wiro's task list can't be searched for the lost task: %s", error)
        if found is not None:
            self._log.info("Wiro task %s is the one that the Run has started.", found)
            return found, hook
        self._log.warning(
            "A Run was sent and its response was not received, so the Wiro task that it may have started "
            "can't be stopped from here. A retry, if there is one, searches for it; without one, look in the "
            "dashboard at wiro.ai."
        )
        return None

    def _stop(
        self, wiro_task_id: str, hook: WiroHook, *, timeout_seconds: float, patience_seconds: float
    ) -> None:
        if wiro_task_id in self._settled_ids:
            return
        if not self._cancel_on_kill:
            self._settled_ids.add(wiro_task_id)
            self._log.info("Wiro task %s is left running (cancel_on_kill=False).", wiro_task_id)
            return
        seen = self.last_seen
        is_running = seen is not None and seen.id == wiro_task_id and not seen.is_queued
        try:
            with hook.for_stopping(timeout_seconds) as stopping:
                task = stopping.stop_task(
                    wiro_task_id, is_running=is_running, patience_seconds=patience_seconds
                )
        except Exception:
            # Airflow gives a killed task five seconds; an exception out of here would only hide the reason.
            self._log.exception("Could not stop Wiro task %s; it may still run.", wiro_task_id)
            return
        self._settled_ids.add(wiro_task_id)
        self.stopped = task or _cancelled(wiro_task_id)
        if task is not None and task.is_terminal and not task.is_cancelled:
            self._log.info("Wiro task %s had ended already.", wiro_task_id)
        else:
            self._log.info("Stopped Wiro task %s.", wiro_task_id)

    def on_timeout(self, error: WiroTaskTimeoutError, hook: WiroHook) -> Task:
        """
        Stop a task whose time has passed; return it if it has ended by itself, since a success is billed.

        A suspended process resumes after its deadline, while a later try follows the task: then that one
        decides.

        :raises WiroTaskTimeoutError: the task has not ended by itself.
        """
        from airflow_provider_wiro.api.stop_task import STOP_PATIENCE_SECONDS

        what = "It is left running (cancel_on_timeout=False)."
        if self._cancel_on_timeout and self._is_left(self._ask_record(), _RECORD_SECONDS):
            what = "It is left to a later try of this Airflow task."
        elif self._cancel_on_timeout:
            try:
                task = hook.stop_task(error.wiro_task_id, patience_seconds=STOP_PATIENCE_SECONDS)
            except WiroError as problem:
                what = f"It could not be stopped and may still run: {problem}"
            else:
                if task is not None and task.is_terminal and not task.is_cancelled:
                    return task  # it ended by itself meanwhile
                what = "It was stopped."
                self.stopped = task or _cancelled(error.wiro_task_id)
        self._settled_ids.add(error.wiro_task_id)
        raise WiroTaskTimeoutError(f"{error} {what}", wiro_task_id=error.wiro_task_id) from error


def _cancelled(wiro_task_id: str) -> Task:
    """Return a stopped task that Wiro's response to the stop didn't show."""
    from airflow_provider_wiro.api.models import Task, TaskStatus

    return Task(id=wiro_task_id, status=TaskStatus.CANCEL.value)
