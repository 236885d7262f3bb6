"""`start` and `limit`, which all lists share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.emulator.envelope import invalid_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.emulator.http.request_body import Body

LARGEST_LIMIT = 100

Item = TypeVar("Item")


def page_of(items: Sequence[Item], body: Body, *, default_limit: int) -> Sequence[Item]:
    """Return the part of `items` that a body asks for; a limit above 100 counts as 100."""
    start, limit = body.text("start") or "0", body.text("limit") or str(default_limit)
    if not (start.isdigit() and limit.isdigit()):
        raise invalid_parameters()
    first = int(start)
    return items[first : first + min(int(limit), LARGEST_LIMIT)]
