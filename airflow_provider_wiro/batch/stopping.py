"""Stopping everything that a batch runs, in the few seconds that Airflow leaves a dying task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.hooks.mass_stop import MassStop
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.hooks.wiro_async import know_connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.batch.following import Following
    from airflow_provider_wiro.batch.going import Going
    from airflow_provider_wiro.batch.job import Log
    from airflow_provider_wiro.batch.settling import Settler
    from airflow_provider_wiro.hooks.connection import WiroConnection

#: Airflow kills the process 5 s after telling it to stop; what is written down afterwards has to fit in, too.
_SECONDS = 4.0
#: The last request of a stop begins within this.
_PATIENCE_SECONDS = 3.3
_SLICE_SECONDS = 0.1
#: Where nothing kills the process, there is time for more tries.
_UNHURRIED_SECONDS = 60.0


async def stop_all(going: Going, following: Following, settler: Settler) -> None:
    """
    Stop all tasks at once, also those whose Run is answered only now. What can't be stopped is logged.

    The ids of all are in the journal, so that a retry finds them.
    """
    job, record = going.job, going.record
    if not job.cancel_on_kill:
        job.log.info("%d Wiro tasks are left running (cancel_on_kill=False).", len(going.active))
    loop = asyncio.get_running_loop()
    until = loop.time() + _SECONDS
    async with WiroAsyncHook(job.wiro_conn_id) as hook:
        stops = MassStop(hook, patience_seconds=_PATIENCE_SECONDS)
        while loop.time() < until:
            # Left running, they are not stopped; but answers that are on their way are worth waiting for.
            for item in going.active if job.cancel_on_kill else ():
                attempt = record.attempts.get(item)
                if attempt is not None and attempt.wiro_task_id is not None:
                    stops.add(attempt.wiro_task_id, is_running=item in following.seen_running)
            if not settler.on_their_way and stops.is_idle:
                break
            await asyncio.sleep(_SLICE_SECONDS)
        await stops.leave()
    _report(stops, job.log, lost=settler.on_their_way + len(settler.items))


def stop_known(
    tasks: Mapping[str, bool],
    connection: WiroConnection,
    wiro_conn_id: str,
    log: Log,
    *,
    lost: int,
    is_urgent: bool,
) -> None:
    """
    Stop tasks where no batch is at work, on an event loop of its own. Also from a signal handler.

    :param tasks: id → whether it was seen after it left the queue.
    :param lost: Runs that may have started tasks which are not known.
    :param is_urgent: Airflow kills the process in a few seconds.
    """

    async def stop() -> MassStop:
        know_connection(wiro_conn_id, connection)
        async with WiroAsyncHook(wiro_conn_id) as hook:
            stops = MassStop(hook, patience_seconds=_PATIENCE_SECONDS if is_urgent else _UNHURRIED_SECONDS)
            for wiro_task_id, is_running in tasks.items():
                stops.add(wiro_task_id, is_running=is_running)
            await stops.wait(_SECONDS if is_urgent else 2 * _UNHURRIED_SECONDS)
            await stops.leave()
            return stops

    _report(asyncio.run(stop()), log, lost=lost)


def _report(stops: MassStop, log: Log, *, lost: int) -> None:
    if stops.stopped:
        log.info("Stopped %d Wiro tasks.", stops.stopped)
    stops.report(log.warning)
    if stops.problems:
        log.warning(
            "%d Wiro tasks could not be stopped. The journal names all of them: a retry follows them.",
            len(stops.problems),
        )
    if lost:
        log.warning(
            "%d Runs have no answer yet, so that it is not known which tasks to stop. A retry, if there is "
            "one, finds them; without one, look in the dashboard at wiro.ai.",
            lost,
        )
