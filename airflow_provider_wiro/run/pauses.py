"""
Pauses of a run that has no task yet: for a slot of the account, and between two searches for a lost run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.polling import slot_pause_seconds
from airflow_provider_wiro.triggers.deferral import longest_deferral
from airflow_provider_wiro.triggers.shortest_deferral import shortest_deferral_seconds
from airflow_provider_wiro.triggers.wiro import WiroPauseTrigger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_wiro.cancellation.run_stopper import RunStopper
    from airflow_provider_wiro.exceptions import WiroConcurrencyLimitError
    from airflow_provider_wiro.hooks.flow_context import SteadyClock
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests
    from airflow_provider_wiro.recovery.sending import Sending
    from airflow_provider_wiro.run.settings import RunSettings


@dataclass(frozen=True)
class Pauses:
    """Waits in the worker, or defers the Airflow task."""

    operator: BaseOperator
    context: Context
    settings: RunSettings
    hook: WiroHook
    stopper: RunStopper
    clock: SteadyClock

    def for_slot(self, error: WiroConcurrencyLimitError, give_up_at: datetime, refusals: int) -> None:
        """
        Wait for a slot of the account's concurrency limit, here or deferred, without using an Airflow retry.

        :param give_up_at: by the steady clock.
        :param refusals: how often Wiro had no slot.
        :raises WiroConcurrencyLimitError: there is no time left.
        """
        pause = slot_pause_seconds(refusals, random.random())
        if self.settings.deferrable:
            pause = max(pause, shortest_deferral_seconds())
        if self.clock() + timedelta(seconds=pause) > give_up_at:
            raise error
        self.operator.log.info("%s Asking again in %.0f s.", error, pause)
        if self.settings.deferrable:
            self.defer(pause, give_up_at, refusals)
        else:
            self.hook.pause(pause)

    def defer(
        self,
        seconds: float,
        give_up_at: datetime,
        refusals: int,
        lost: Sending | None = None,
        digests: LostRunDigests | None = None,
    ) -> None:
        """
        Wait without a worker slot. The same try continues in ``execute_when_free``.

        :param give_up_at: by the steady clock; passed on.
        :param refusals: passed on.
        :param lost: the Run whose response was lost, if the wait is for it.
        :param digests: by which the trigger finds its task, should the Airflow task be stopped meanwhile.
        """
        free_at = datetime.now(UTC) + timedelta(seconds=seconds)
        self.stopper.check()
        stops = lost is not None and self.settings.cancel_on_kill
        self.operator.defer(
            trigger=WiroPauseTrigger(
                until=free_at.timestamp(),
                try_number=self.context["ti"].try_number,
                lost_model=self.settings.model if stops else None,
                lost_at=lost.intended_at if lost is not None and stops else None,
                lost_run=digests.to_json() if digests is not None and stops else None,
                wiro_conn_id=self.settings.wiro_conn_id if stops else None,
            ),
            method_name="execute_when_free",
            kwargs={"give_up_at": self.clock.to_wall(give_up_at).timestamp(), "refusals": refusals},
            timeout=longest_deferral(free_at),
        )
