"""Airflow's states and Wiro's, as the states of cards."""

from __future__ import annotations

from airflow_provider_wiro.gallery.page import CardState

#: Of task instances that won't change by themselves.
_ENDED = {
    "success": CardState.SUCCEEDED,
    "failed": CardState.FAILED,
    "upstream_failed": CardState.NOT_RUN,
    "skipped": CardState.SKIPPED,
    "removed": CardState.NOT_RUN,
}
_WAITING = frozenset({None, "none", "scheduled", "queued", "up_for_retry"})
#: Of the lines of a batch's manifest.
_OF_ITEMS = {
    "succeeded": CardState.SUCCEEDED,
    "reused": CardState.REUSED,
    "failed": CardState.FAILED,
    "not_run": CardState.NOT_RUN,
}
#: Of Wiro tasks.
_OF_RUNS = {
    "queued": CardState.QUEUED,
    "running": CardState.RUNNING,
    "succeeded": CardState.SUCCEEDED,
    "failed": CardState.FAILED,
    "cancelled": CardState.CANCELLED,
}


def instance_state(state: str | None, *, is_on_its_way: bool) -> CardState:
    """
    Return the state of a task instance.

    :param is_on_its_way: whether its DAG run is: otherwise what has not run won't.
    """
    if state in _ENDED:
        return _ENDED[state]
    if not is_on_its_way:
        return CardState.NOT_RUN
    return CardState.QUEUED if state in _WAITING else CardState.RUNNING


def item_state(status: object) -> CardState:
    """Return the state of an item, by its line in a batch's manifest."""
    return _OF_ITEMS.get(status, CardState.NOT_RUN) if isinstance(status, str) else CardState.NOT_RUN


def run_state(state: str | None) -> CardState | None:
    """Return the state of a Wiro task; None if its word isn't known."""
    return _OF_RUNS.get(state or "")


def is_over(state: CardState) -> bool:
    """Whether nothing more comes."""
    return state not in {CardState.QUEUED, CardState.RUNNING}
