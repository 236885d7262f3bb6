"""Pages of a list: the fields `start` and `limit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.emulator.envelope import invalid_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.emulator.generation.inputs import RequestBody

DEFAULT_LIMIT = 20
LARGEST_LIMIT = 100

Item = TypeVar("Item")


def page_of(items: Sequence[Item], body: RequestBody) -> Sequence[Item]:
    """Return the items from `start` on, at most `limit`; a limit above 100 counts as 100."""
    start, limit = body.text("start") or "0", body.text("limit") or str(DEFAULT_LIMIT)
    if not (start.isdigit() and limit.isdigit()):
        raise invalid_parameters()
    first = int(start)
    return items[first : first + min(int(limit), LARGEST_LIMIT)]
