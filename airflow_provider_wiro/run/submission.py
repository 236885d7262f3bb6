"""Submission of one run: its record, its Run in a thread of its own, and the search for a lost one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api import operations
from airflow_provider_wiro.hooks.flow_context import poll_patience_seconds
from airflow_provider_wiro.input_files.fenced_upload import fenced_files
from airflow_provider_wiro.recovery.durable_run import DurableRun, SearchTime
from airflow_provider_wiro.recovery.record_fence import RecordFence
from airflow_provider_wiro.recovery.resume import ResumePolicy
from airflow_provider_wiro.run.watched_record import WatchedRecordStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_provider_wiro.api.models import StartedRun
    from airflow_provider_wiro.cancellation.run_stopper import RunStopper
    from airflow_provider_wiro.hooks.flow_context import SteadyClock
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests
    from airflow_provider_wiro.recovery.run_record import RecordStore
    from airflow_provider_wiro.recovery.sending import Sending
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.run.before_run import BeforeRun, RunBody
    from airflow_provider_wiro.run.prepared_run import PreparedRun
    from airflow_provider_wiro.run.settings import RunSettings
    from airflow_provider_wiro.state_files.try_trace import TryTrace


@dataclass(frozen=True)
class Submitter:
    """
    What the submission of a run needs.

    :ivar store: keeps the run's record; None starts a new run in every try.
    :ivar trace: says whether the earlier tries ran on this machine; None where no record is wanted.
    """

    hook: WiroHook
    stopper: RunStopper
    settings: RunSettings
    clock: SteadyClock
    log: Log
    store: RecordStore | None
    trace: TryTrace | None

    def durable_run(
        self,
        run: PreparedRun,
        before_run: BeforeRun,
        give_up_at: datetime,
        defer: Callable[[float, Sending, LostRunDigests], None],
    ) -> DurableRun:
        """
        Return a run that is ready to begin.

        :param before_run: called before a new Run; it says what that is sent with.
        :param give_up_at: until when to wait for a slot, or to search for a lost run, by the steady clock.
        :param defer: defers the Airflow task for some seconds while a lost run is searched for.
        """
        settings, wanted = self.settings, run.wanted
        store = self.store and WatchedRecordStore(self.store, self.stopper, self.hook, wanted)
        return DurableRun(
            self.hook,
            RecordFence(store, wanted.task_try.number, trace=self.trace),
            wanted,
            submit=lambda before_send, while_sending: self._send(
                run, before_run.body, give_up_at, before_send, while_sending
            ),
            policy=ResumePolicy(
                stops_stale=settings.on_stale_state == "stop",
                resubmits_orphans=settings.on_orphaned_intent == "resubmit",
                timeout_seconds=settings.timeout if settings.cancel_on_timeout else None,
                patience_seconds=poll_patience_seconds(),
            ),
            search_time=SearchTime(
                began_at=self.clock.to_wall(give_up_at) - timedelta(seconds=settings.timeout),
                seconds_left=lambda: (give_up_at - self.clock()).total_seconds(),
                defer=defer if settings.deferrable else None,
            ),
            log=self.log,
            before_start=before_run,
        )

    def _send(
        self,
        run: PreparedRun,
        body: RunBody,
        give_up_at: datetime,
        before_send: Callable[[], None],
        while_sending: Callable[[], None],
    ) -> StartedRun:
        def confirm() -> None:
            self.stopper.check()
            before_send()

        def confirm_upload() -> None:
            self.stopper.check()
            while_sending()

        def send() -> StartedRun:
            return self.hook.run_flow(
                lambda context: operations.run_model(
                    context,
                    run.wanted.model,
                    body.parameters,
                    fenced_files(run.files, confirm_upload),
                    known=body.model.parameters if body.model else (),
                    callback_url=self.settings.callback_url,
                    project_id=run.wanted.project_id,
                    deadline=self.clock.to_wall(give_up_at),
                    waits_for_slot=False,
                    before_send=confirm,
                )
            )

        return self.stopper.send(send, self.hook)
