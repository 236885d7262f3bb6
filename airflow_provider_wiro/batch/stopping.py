"""Stopping everything that a batch runs, in the few seconds that Airflow leaves a dying task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.following import Following
    from airflow_provider_wiro.batch.going import Going
    from airflow_provider_wiro.batch.settling import Settler

#: Airflow kills the process 5 s after telling it to stop; what is written down afterwards has to fit in, too.
_SECONDS = 4.0
#: The last request of a stop begins within this.
_PATIENCE_SECONDS = 3.3
_SLICE_SECONDS = 0.1


async def stop_all(going: Going, following: Following, settler: Settler) -> None:
    """
    Stop all tasks at once, also those whose Run is answered only now. What can't be stopped is told.

    The ids of all are in the journal, so that a retry finds them.
    """
    job, record = going.job, going.record
    if not job.cancel_on_kill:
        job.log.info("%d Wiro tasks are left running (cancel_on_kill=False).", len(going.active))
    loop = asyncio.get_running_loop()
    until = loop.time() + _SECONDS
    stopping: dict[str, asyncio.Task[str | None]] = {}
    async with WiroAsyncHook(job.wiro_conn_id) as hook:
        while loop.time() < until:
            for item in going.active if job.cancel_on_kill else ():
                attempt = record.attempts.get(item)
                wiro_task_id = attempt.wiro_task_id if attempt else None
                if wiro_task_id is not None and wiro_task_id not in stopping:
                    work = _stop(hook, wiro_task_id, is_running=item in following.seen_running)
                    stopping[wiro_task_id] = asyncio.create_task(work)
            if not settler.on_their_way and all(task.done() for task in stopping.values()):
                break
            await asyncio.sleep(_SLICE_SECONDS)
        problems = {id_: _problem(task) for id_, task in stopping.items()}
        for task in stopping.values():
            task.cancel()
        await asyncio.gather(*stopping.values(), return_exceptions=True)
    left = {id_: problem for id_, problem in problems.items() if problem is not None}
    if stopping:
        job.log.info("Stopped %d Wiro tasks.", len(stopping) - len(left))
    for id_, problem in left.items():
        job.log.warning("Could not stop Wiro task %s, which may still run: %s", id_, problem)
    unknown = settler.on_their_way + len(settler.items)
    if unknown:
        job.log.warning(
            "%d Runs have no answer yet, so that it is not known which tasks to stop. A retry finds them.",
            unknown,
        )


async def _stop(hook: WiroAsyncHook, wiro_task_id: str, *, is_running: bool) -> str | None:
    """Stop one task; return what went wrong."""
    try:
        await hook.stop_task(wiro_task_id, is_running=is_running, patience_seconds=_PATIENCE_SECONDS)
    except WiroError as error:
        return str(error)
    return None


def _problem(task: asyncio.Task[str | None]) -> str | None:
    if not task.done():
        return "No answer came in time."
    return f"{task.exception()!r}" if task.exception() else task.result()
