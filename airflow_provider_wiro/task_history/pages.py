"""One page of Wiro's task list, by halves where it is too large for one response."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.decoding.fields import number
from airflow_provider_wiro.api.flow import Flow, FlowContext, call
from airflow_provider_wiro.api.oversized import listed_from_beginning
from airflow_provider_wiro.exceptions import WiroNotFoundError, WiroResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.endpoints import ApiCall
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.responses import Envelope


def read_page(
    context: FlowContext,
    start: int,
    limit: int,
    *,
    note_total: Callable[[int | None], None] = lambda _: None,
    **settings: Any,
) -> Flow[tuple[tuple[Task, ...], int]]:
    """
    Return a page of the list, empty after its end, and how many tasks were requested in the end.

    A hundred tasks with long texts can be more than a response may have, and then fewer are requested. Of a
    single task that is more, what the beginning of the response shows is returned.

    :param note_total: is given how many tasks the list has, None if the page doesn't say that.
    :param settings: as :func:`~airflow_provider_wiro.api.flow.call` takes them.
    """
    while True:
        # An unreadable response may have been too large.
        gives_up_on = (WiroResponseError,) if limit > 1 else ()
        one_page = _noting_total(endpoints.list_tasks(start=start, limit=limit), note_total)
        if limit == 1:
            one_page = replace(one_page, read_beginning=listed_from_beginning)
        try:
            page = yield from call(one_page, context, gives_up_on=gives_up_on, **settings)
        except gives_up_on:
            limit //= 2
        except WiroNotFoundError as error:
            if error.http_status == 404:  # a server that isn't Wiro's knows of no tasks either
                raise
            return (), limit  # "There is no task yet."
        else:
            return page, limit


def _noting_total(
    one_page: ApiCall[tuple[Task, ...]], note_total: Callable[[int | None], None]
) -> ApiCall[tuple[Task, ...]]:
    def read(envelope: Envelope) -> tuple[Task, ...]:
        total = number(envelope.get("total"))
        note_total(None if total is None else int(total))
        return one_page.read(envelope)

    return replace(one_page, read=read)
