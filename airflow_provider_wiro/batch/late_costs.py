"""
Reads costs that Wiro had not recorded when their runs ended, once the batch is over.

A page of the task list shows the costs of a hundred tasks; only what it doesn't show is requested singly.
Each is requested at most once, and all of them within half a minute: what isn't known by then stays unknown.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.api import endpoints, flow
from airflow_provider_wiro.exceptions import WiroError

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_wiro.hooks.wiro_async import WiroAsyncHook

T = TypeVar("T")

#: How long all of it may take.
LIMIT_SECONDS = 30.0
#: Fewer tasks than this are requested one by one.
WORTH_A_PAGE = 5
#: How many more pages are read than the tasks would fill: other tasks are between them.
_SPARE_PAGES = 5
#: How many tasks that the list doesn't show are requested, and how many at a time.
MAX_DETAILS = 100
_DETAILS_AT_ONCE = 4
_PATIENCE_SECONDS = 5.0


async def read_costs(hook: WiroAsyncHook, wiro_task_ids: Collection[str]) -> dict[str, str]:
    """
    Return task id → cost in USD, of those tasks whose cost is known by now.

    :param wiro_task_ids: tasks that have ended.
    """
    costs: dict[str, str] = {}
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            if len(wiro_task_ids) >= WORTH_A_PAGE:
                await _read_list(hook, wiro_task_ids, costs)
            rest = [one for one in wiro_task_ids if one not in costs]
            await _read_details(hook, list(islice(rest, MAX_DETAILS)), costs)
    except TimeoutError:
        pass  # what was found is found
    return costs


async def _read_list(hook: WiroAsyncHook, wanted: Collection[str], costs: dict[str, str]) -> None:
    oldest = min((int(one) for one in wanted if one.isdecimal()), default=0)
    start, pages = 0, len(wanted) // endpoints.MAX_PAGE + 1 + _SPARE_PAGES
    for _ in range(pages):
        try:
            page = await _ask(hook, endpoints.list_tasks(start=start, limit=endpoints.MAX_PAGE))
        except WiroError:
            return
        costs |= {task.id: task.cost_usd for task in page if task.id in wanted and task.cost_usd is not None}
        numbers = [int(task.id) for task in page if task.id.isdecimal()]
        if len(costs) == len(wanted) or not page or (numbers and min(numbers) <= oldest):
            return
        start += len(page)


async def _read_details(hook: WiroAsyncHook, wanted: Collection[str], costs: dict[str, str]) -> None:
    turns = asyncio.Semaphore(_DETAILS_AT_ONCE)

    async def read(wiro_task_id: str) -> None:
        try:
            async with turns:
                task = await _ask(hook, endpoints.get_task(wiro_task_id))
        except WiroError:
            return  # its cost stays unknown
        if task.cost_usd is not None:
            costs[wiro_task_id] = task.cost_usd

    for found in await asyncio.gather(*map(read, wanted), return_exceptions=True):
        if found is not None:  # the batch was stopped
            raise found


async def _ask(hook: WiroAsyncHook, call: endpoints.ApiCall[T]) -> T:
    return await hook.run_flow(lambda context: flow.call(call, context, patience_seconds=_PATIENCE_SECONDS))
