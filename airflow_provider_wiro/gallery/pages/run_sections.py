"""The section of a DAG run's single runs, page by page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.cards.connections import reader_of, without_connection
from airflow_provider_wiro.gallery.cards.media import Landing, why_not_shown
from airflow_provider_wiro.gallery.cards.results import RunResult, TransferResult, read_result
from airflow_provider_wiro.gallery.cards.run_card import run_card
from airflow_provider_wiro.gallery.cards.states import instance_state, is_over
from airflow_provider_wiro.gallery.page import PAGE_SIZE, CardState, Progress, Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_provider_wiro.gallery.cards.groups import Group
    from airflow_provider_wiro.gallery.cards.media import MediaRules
    from airflow_provider_wiro.gallery.left.rows import DagRunRow, InstanceKey, Values
    from airflow_provider_wiro.gallery.pages.origins import Origins

_ITEM = re.compile(r"item-([1-9][0-9]{0,8})")


@dataclass(frozen=True)
class GroupPage:
    """
    Some of the groups of a DAG run.

    :ivar first: the number of the first of them, from 1.
    :ivar total: how many there are in all; None if that isn't known.
    """

    groups: Sequence[Group]
    first: int
    total: int | None

    @classmethod
    def at(cls, groups: Sequence[Group], at: str) -> GroupPage:
        """Return the page that begins at ``item-N``; anything else is the first."""
        found = _ITEM.fullmatch(at)
        first = min(int(found[1]), max(len(groups), 1)) if found else 1
        return cls(groups[first - 1 : first - 1 + PAGE_SIZE], first, len(groups))

    @property
    def keys(self) -> list[InstanceKey]:
        """The task instances of the groups."""
        return [one.key for group in self.groups for one in group.members]


def runs_section(
    run: DagRunRow,
    page: GroupPage,
    values: Mapping[InstanceKey, Values],
    rules: MediaRules,
    origins: Origins,
    *,
    progress: Progress | None = None,
    pages: bool = True,
    task_id: str | None = None,
) -> Section:
    """
    Return the section.

    :param values: of the task instances of the page.
    :param progress: of all groups.
    :param pages: whether there are other pages to name.
    :param task_id: whose page it is; None: it isn't a task's.
    """
    for group in page.groups:
        _see(run, group, values, rules, origins)
    total = page.total
    after = page.first + len(page.groups)
    has_next = pages and total is not None and after <= total
    return Section(
        id="runs",
        title="Runs",
        cards=tuple(run_card(run, group, values, rules, task_id) for group in page.groups),
        progress=progress,
        first=page.first,
        total=total,
        here="" if page.first == 1 else f"item-{page.first}",
        previous=_before(page.first) if pages and page.first > 1 else None,
        next=f"item-{after}" if has_next else None,
        jumps=pages and total is not None and total > PAGE_SIZE,
    )


def progress_of(run: DagRunRow, groups: Iterable[Group]) -> Progress | None:
    """Return how far the runs of a DAG run are; None if all are over."""
    states = [_state(run, group) for group in groups]
    if all(map(is_over, states)):
        return None
    queued, running = states.count(CardState.QUEUED), states.count(CardState.RUNNING)
    failed = states.count(CardState.FAILED)
    not_done = states.count(CardState.SKIPPED) + states.count(CardState.NOT_RUN)
    done = len(states) - queued - running - failed - not_done
    return Progress(len(states), queued=queued, running=running, done=done, failed=failed, not_done=not_done)


def _state(run: DagRunRow, group: Group) -> CardState:
    states = [instance_state(one.state, is_on_its_way=run.is_on_its_way) for one in group.members]
    if CardState.FAILED in states:
        return CardState.FAILED
    if is_over(states[0]) and not all(map(is_over, states)):
        return CardState.RUNNING
    return states[0]


def _before(first: int) -> str:
    start = max(first - PAGE_SIZE, 1)
    return "" if start == 1 else f"item-{start}"


def _see(
    run: DagRunRow,
    group: Group,
    values: Mapping[InstanceKey, Values],
    rules: MediaRules,
    origins: Origins,
) -> None:
    for one in group.members:
        left = values.get(one.key)
        result = read_result(left.xcoms.get("return_value")) if left is not None else None
        if left is None or not isinstance(result, RunResult | TransferResult):
            continue
        files = result.files if isinstance(result, TransferResult) else result.landed
        for file in files:
            reader = reader_of(one, left.rendered, file.uri)
            landing = Landing(run.dag_id, one, left.rendered)
            if reader is not None and not why_not_shown(file, landing, rules):
                origins.see(without_connection(file.uri), reader.conn_id)
