"""Asset events for what landed, which start the DAGs that are scheduled on it."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.lineage.asset_events import (
    ASSET_EVENTS,
    MAX_LISTED,
    asset_uri,
    check_asset_events,
    common_uri,
    described,
    flat,
    logged,
    summed_up,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context


__all__ = [
    "ASSET_EVENTS",
    "MAX_LISTED",
    "asset_uri",
    "check_asset_events",
    "common_uri",
    "report",
    "shares",
]

_SMALLEST_SHARE = Decimal("1e-12")


def report(
    context: Context,
    outlets: Iterable[Any],
    files: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Any],
    *,
    asset_events: str = "one",
) -> None:
    """
    Give each outlet its events: an alias one for all objects or one for each, an asset always one.

    What can't be reported is logged. The objects are safe, so the task doesn't fail for it.

    :param files: as the operator returns them.
    :param facts: of the task: ``wiro_task_id``, ``model``, ``cost_usd``.
    :param asset_events: "one" or "each", for aliases.
    """
    outlets = list(outlets)
    if not outlets or not files or "outlet_events" not in context:
        return
    from airflow.providers.common.compat.sdk import Asset, AssetAlias

    events: Any = context["outlet_events"]
    for outlet in outlets:
        if isinstance(outlet, AssetAlias) and asset_events == "each":
            costs = shares(facts["cost_usd"], len(files))
            for file, cost in zip(files, costs, strict=True):
                with logged(outlet):
                    asset = Asset(uri=asset_uri(file["uri"]))
                    events[outlet].add(asset, extra={**facts, "cost_usd": cost, **described(file)})
        elif isinstance(outlet, AssetAlias):
            with logged(outlet):
                asset = Asset(uri=asset_uri(common_uri([file["uri"] for file in files])))
                events[outlet].add(asset, extra=flat({**facts, **summed_up(files)}))
        elif isinstance(outlet, Asset):
            with logged(outlet):
                events[outlet].extra = {**facts, **summed_up(files)}


def shares(cost_usd: str | None, count: int) -> list[str | None]:
    """
    Return each object's equal share of a task's cost, so that the shares of all are the cost exactly.

    What can't be divided evenly, at 12 decimals as Wiro's, is in the first one's.
    """
    if cost_usd is None:
        return [None] * count
    total = Decimal(cost_usd)
    share = (total / count).quantize(_SMALLEST_SHARE, ROUND_DOWN)
    return [plain_usd(total - share * (count - 1)), *[plain_usd(share)] * (count - 1)]
