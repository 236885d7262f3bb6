"""
Fails a batch that resumes after a deferral and finds no journal: its tasks are stopped, nothing is submitted.

The part before the deferral wrote a journal. If it is missing, this part reads another place, or somebody
deleted it. To start from the beginning would pay for every item again, after each deferral.
"""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.cancellation.mass_stop import MassStop
from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.hooks.wiro_async import know_connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.transport.connection import WiroConnection

#: Named as the place of a missing journal if none is configured.
NO_PLACE = "any place: neither state_path nor [wiro] state_path is set"
#: How many ids are handed over a deferral: on MySQL, Airflow keeps them in a column of 64 KB.
MOST_IDS = 500
_MOST_NAMED = 100
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class BeforeDeferral:
    """
    What is known of a batch before its deferral, without the journal.

    :ivar wiro_task_ids: the Wiro tasks that were in flight; the first of them if there were many.
    :ivar total: how many there were; None if it isn't known.
    :ivar host: the machine that wrote the journal; None if it isn't known.
    """

    wiro_task_ids: Sequence[str] = ()
    total: int | None = None
    host: str | None = None

    @classmethod
    def of(cls, wiro_task_ids: Sequence[str]) -> BeforeDeferral:
        """Return what to hand over a deferral during which these tasks are in flight."""
        return cls(list(wiro_task_ids[:MOST_IDS]), len(wiro_task_ids), platform.node())

    def to_json(self) -> dict[str, Any]:
        """Return it as Airflow stores it, in plain text."""
        return {"wiro_task_ids": list(self.wiro_task_ids), "total": self.total, "host": self.host}

    @classmethod
    def from_json(cls, stored: dict[str, Any] | None, ended: Sequence[str]) -> BeforeDeferral:
        """
        Read what was handed over; the version before handed over None.

        :param ended: the tasks that the trigger's event names.
        """
        found = stored or {}
        ids = dict.fromkeys((*found.get("wiro_task_ids", ()), *ended))
        return cls(list(ids), found.get("total"), found.get("host"))


def missing_place(journal: Journal | None) -> str | None:
    """
    Return where a journal is missing; None if there is one. No process is fenced.

    :raises WiroRecordError: it can't be read.
    """
    if journal is None:
        return NO_PLACE
    return journal.position if next(iter(journal.salvage()), None) is None else None


def fail_without_journal(
    settings: BatchSettings, connection: WiroConnection, before: BeforeDeferral, where: str, *, also: str = ""
) -> WiroOrphanedRunError:
    """
    Stop the tasks that were in flight, as far as they are known, and return the error to raise.

    :param where: the journal should be.
    :param also: what else is wrong.
    """
    ids = before.wiro_task_ids
    settings.log.warning(
        "The batch's journal is missing. Wiro tasks in flight: %s.", ", ".join(ids) or "not known here"
    )
    if not settings.cancel_on_kill:
        done = "They are left running (cancel_on_kill=False)."
    elif failures := asyncio.run(_stop(settings, connection, ids)):
        done = f"Of these, {len(failures):,} could not be stopped: {_named(list(failures))}."
    else:
        done = "Those that still ran were stopped."
    host = platform.node()
    writer = f" by host {before.host!r}" if before.host else ""
    hidden = (before.total or 0) - len(ids)
    more = f", and {hidden:,} more, which may still run" if hidden > 0 else ""
    known = "Its Wiro tasks aren't known here."
    if ids:
        known = f"Wiro tasks in flight: {_named(ids)}{more}. {done}"
    return WiroOrphanedRunError(
        f"This batch's journal was written{writer} before the deferral, and host {host!r} finds none in "
        f"{where}. Nothing was submitted. {known} Set [wiro] state_path, or state_path=, to a place that all "
        "workers share. Check in the dashboard at wiro.ai what was paid for: a Clear runs all items again."
        + (f" {also}" if also else "")
    )


def unseen_tries(where: str) -> WiroOrphanedRunError:
    """
    Return the error of a retry on a machine where no earlier try of the batch ran.

    :param where: its journal should be.
    """
    return WiroOrphanedRunError(
        f"This is a retry, and no try of this batch before was on host {platform.node()!r}: there is no "
        f"journal in {where}. One on another machine may have paid for items, so that nothing was submitted. "
        "Set [wiro] state_path, or state_path=, to a place that all machines share. Check the dashboard at "
        "wiro.ai: a Clear, or on_orphaned_intent='resubmit', runs all items."
    )


def _named(ids: Sequence[str]) -> str:
    rest = len(ids) - _MOST_NAMED
    return ", ".join(ids[:_MOST_NAMED]) + (f" and {rest:,} more (see the log)" if rest > 0 else "")


async def _stop(settings: BatchSettings, connection: WiroConnection, ids: Sequence[str]) -> dict[str, str]:
    """Stop the tasks that haven't ended; return why some could not be stopped."""
    know_connection(settings.wiro_conn_id, connection)
    async with WiroAsyncHook(settings.wiro_conn_id) as hook:
        stops = MassStop(hook, patience_seconds=_PATIENCE_SECONDS)
        for wiro_task_id in ids:
            stops.add(wiro_task_id, is_running=True)  # since the deferral, most have left the queue
        await stops.wait(2 * _PATIENCE_SECONDS)
        await stops.leave()
        stops.report(settings.log.warning)
        return stops.problems
