"""What a reading of Wiro's list, and of open tasks, changes in the state. Done twice, it changes no more."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.export.state import VANISHED, with_more
from airflow_provider_wiro.task_history.position import Position

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_wiro.export.state import ExportState
    from airflow_provider_wiro.task_history.changes import Changes
    from airflow_provider_wiro.task_history.open_tasks import OpenTasks

#: An open task that Wiro doesn't know for so long has vanished.
VANISHED_SECONDS = 24 * 3600.0
#: Of how many open tasks a run reads the Detail.
MAX_ASKED = 500


def with_changes(
    state: ExportState, changes: Changes, since: float | None = None
) -> tuple[ExportState, bool]:
    """
    Return the state with what the list has shown, and whether it has that.

    Not so if this was a first reading, and another run has made one meanwhile: what a first reading leaves
    out is new after that one. The list has to be read again.

    :param since: of a first reading: Unix time before which tasks are left out; None: there is no such limit.
    """
    if changes.is_first and state.position is not None:
        return state, False
    position = state.position or Position()
    known = _claimed(state) | set(state.pending)
    open_tasks = dict(state.open)
    ended: set[int] = set()
    unclear = set(state.unclear)
    for number in changes.ended:
        if number in open_tasks:
            if open_tasks[number] is not None:  # Detail doesn't know it, and only Detail is believed
                continue
            del open_tasks[number]
        elif number in known or not position.is_new(number):
            continue
        elif number in changes.unclear:
            unclear.add(number)
        ended.add(number)
    for number in changes.started:
        if number not in known and number not in open_tasks and position.is_new(number):
            open_tasks[number] = None
            if number in changes.unclear:
                unclear.add(number)
    changed = replace(
        state,
        position=position.merged(changes.position),
        since=since if changes.is_first else state.since,
        pending=with_more(state.pending, ended),
        open=open_tasks,
        unclear=frozenset(unclear),
    )
    return changed, True


def to_ask(
    state: ExportState, started: Collection[int], running: Collection[int], most: int = MAX_ASKED
) -> list[int]:
    """
    Return the open tasks whose Detail is to be read.

    Where there are more than a run may read, the next run continues where this one ends.

    :param started: those that the list has just shown for the first time, running: they need no question.
    :param running: those that it has shown running again. They come last: a list can lag behind Detail.
    """
    unlisted: list[int] = []
    listed: list[int] = []
    for number, unknown_since in sorted(state.open.items()):
        if unknown_since is None and number in started:
            continue
        (listed if unknown_since is None and number in running else unlisted).append(number)
    return [*_continued(unlisted, state.asked), *_continued(listed, state.asked)][:most]


def _continued(numbers: list[int], after: int) -> list[int]:
    """Return sorted numbers in turn: those above one first, and then those up to it."""
    start = bisect_right(numbers, after)
    return [*numbers[start:], *numbers[:start]]


def with_open_tasks(
    state: ExportState, found: OpenTasks, token: str, now: float
) -> tuple[ExportState, tuple[int, ...]]:
    """
    Return the state with what Detail has shown of open tasks, and which of them have vanished.

    :param token: of the run that reports these.
    """
    open_tasks = dict(state.open)
    ended = {number for number in found.ended if number in open_tasks}
    for number in ended:
        del open_tasks[number]
    vanished = []
    for number in found.running & open_tasks.keys():
        open_tasks[number] = None
    for number in sorted(found.unknown & open_tasks.keys()):
        unknown_since = open_tasks[number]
        if unknown_since is None:
            open_tasks[number] = now
        elif now - unknown_since >= VANISHED_SECONDS:
            del open_tasks[number]
            vanished.append(number)
    runs = dict(state.runs)
    if vanished:
        run = runs[token]
        runs[token] = replace(
            run,
            vanished=(*run.vanished, *vanished),
            tally=run.tally.plus({VANISHED: len(vanished)}),
        )
    changed = replace(
        state,
        pending=with_more(state.pending, ended),
        open=open_tasks,
        asked=state.asked if found.last is None else found.last,
        unclear=state.unclear.difference(vanished),
        runs=runs,
    )
    return changed, tuple(vanished)


def _claimed(state: ExportState) -> set[int]:
    return {number for run in state.runs.values() for number in run.claimed}
