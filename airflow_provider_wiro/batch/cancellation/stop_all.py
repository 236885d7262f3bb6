"""
Stops all tasks of a batch, in the few seconds that Airflow leaves a task that it stops.

These are the tasks that are known, those whose Run gets its response only now, and those of Runs whose
responses were lost, as far as Wiro's list certainly shows them. What isn't known at the end is logged.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.lost_runs.unknown_sendings import (
    FoundTasks,
    find_tasks,
    unknown_items,
    unknown_sendings,
)
from airflow_provider_wiro.cancellation.mass_stop import MassStop
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook
from airflow_provider_wiro.hooks.wiro_async import know_connection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from airflow_provider_wiro.batch.cancellation.deadline import StopDeadline
    from airflow_provider_wiro.batch.follower import RunFollower
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.lost_runs.resolver import LostRunResolver
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.transport.connection import WiroConnection

_SLICE_SECONDS = 0.1


async def stop_all(
    queue: ItemQueue, follower: RunFollower, resolver: LostRunResolver, deadline: StopDeadline
) -> None:
    """
    Stop all tasks at once. What can't be stopped is logged; a retry finds it in the journal.

    If a later try owns the journal, it follows the tasks, and nothing is stopped.
    """
    settings, state = queue.settings, queue.state
    if await queue.recorder.is_fenced(deadline.owner_seconds):
        settings.log.warning("A later try continues this batch. Its Wiro tasks are left to that one.")
        return
    if not settings.cancel_on_kill:
        settings.log.info("%d Wiro tasks are left running (cancel_on_kill=False).", len(queue.active))
    search: asyncio.Task[FoundTasks] | None = None
    found = FoundTasks() if not settings.cancel_on_kill else None
    async with WiroAsyncHook(settings.wiro_conn_id) as hook:
        stops = MassStop(hook, patience_seconds=deadline.stop_patience_seconds)
        while deadline.left_seconds > 0:
            # Also if they are left running, responses to Runs in flight are worth waiting for.
            for item in queue.active if settings.cancel_on_kill else ():
                attempt = state.attempts.get(item)
                if attempt is not None and attempt.wiro_task_id is not None:
                    stops.add(attempt.wiro_task_id, is_running=item in follower.seen_running)
            waits = resolver.in_flight > 0 and (deadline.is_urgent or deadline.waits_for_responses)
            if found is None and search is None and not (resolver.in_flight and deadline.waits_for_responses):
                search = asyncio.create_task(_search(hook, queue, resolver, deadline))
            if found is None and search is not None and search.done():
                found = search.result()
                for wiro_task_id in found.ids:
                    stops.add(wiro_task_id, is_running=True)
            if found is not None and not waits and stops.is_idle:
                break
            await asyncio.sleep(_SLICE_SECONDS)
        if search is not None:
            search.cancel()
        await stops.leave()
    found = found or FoundTasks()
    _report(
        stops, settings.log, found, unknown=len(unknown_items(state) - found.settled), may_be_tried_again=True
    )


async def _search(
    hook: WiroAsyncHook, queue: ItemQueue, resolver: LostRunResolver, deadline: StopDeadline
) -> FoundTasks:
    lost = [
        (sent, await resolver.lost_run(number, sent.item, sent.sending))
        for number, sent in enumerate(unknown_sendings(queue.state))
    ]
    return await find_tasks(
        hook,
        lost,
        queue.state.known_ids,
        queue.settings.log,
        patience_seconds=queue.settings.lost_run_patience,
        seconds=deadline.search_seconds,
    )


def stop_known(
    tasks: Mapping[str, bool],
    connection: WiroConnection,
    wiro_conn_id: str,
    log: Log,
    *,
    search: Callable[[WiroAsyncHook], Awaitable[FoundTasks]],
    unknown: set[int],
    deadline: StopDeadline,
) -> None:
    """
    Stop tasks while no batch is at work, on an event loop of its own. Also from a signal handler.

    :param tasks: id → whether it was seen after it left the queue.
    :param search: searches for the tasks of lost Runs.
    :param unknown: items whose Run may have started a task which is not known.
    """

    async def stop() -> tuple[MassStop, FoundTasks]:
        know_connection(wiro_conn_id, connection)
        async with WiroAsyncHook(wiro_conn_id) as hook:
            stops = MassStop(hook, patience_seconds=deadline.stop_patience_seconds)
            for wiro_task_id, is_running in tasks.items():
                stops.add(wiro_task_id, is_running=is_running)
            found = await search(hook)
            for wiro_task_id in found.ids:
                stops.add(wiro_task_id, is_running=True)
            await stops.wait(deadline.left_seconds)
            await stops.leave()
            return stops, found

    stops, found = asyncio.run(stop())
    left = len(unknown - found.settled)
    _report(stops, log, found, unknown=left, may_be_tried_again=deadline.is_urgent)


def _report(stops: MassStop, log: Log, found: FoundTasks, *, unknown: int, may_be_tried_again: bool) -> None:
    """
    Log what was done, and what was not.

    :param unknown: Runs that may have started tasks which are not known.
    :param may_be_tried_again: a later try may come, and would continue from the journal.
    """
    if stops.stopped:
        log.info("Stopped %d Wiro tasks.", stops.stopped)
    stops.report(log.warning)
    later = (
        " If the Airflow task is tried again, that try continues by the journal."
        if may_be_tried_again
        else ""
    )
    if stops.problems:
        log.warning(
            "%d Wiro tasks could not be stopped. The journal names all of them.%s", len(stops.problems), later
        )
    if found.doubtful_ids:
        log.warning(
            "A Run whose response was lost may have started one of these Wiro tasks: %s. None of them was "
            "stopped, since they may not be this batch's. Check them in the dashboard at wiro.ai.",
            ", ".join(found.doubtful_ids),
        )
    if unknown:
        log.warning(
            "%d Runs have no response yet, so it isn't known which tasks to stop: they may run, and be "
            "billed. Check the dashboard at wiro.ai.%s",
            unknown,
            later,
        )
