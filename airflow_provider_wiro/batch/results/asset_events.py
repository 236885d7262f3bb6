"""Asset events of a batch that is over: one for all of it, or one for each item that has landed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.inputs.fetched_file import fetched
from airflow_provider_wiro.batch.inputs.json_lines import JsonLines
from airflow_provider_wiro.batch.results.earlier_manifest import MOST_LINE_BYTES
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.lineage.asset_events import (
    asset_uri,
    common_uri,
    flat,
    logged,
    report_whole,
    summed_up,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

#: How many items may have an event each. Airflow records them in the one request that ends the task, to which
#: its client gives 5 s; on a busy machine 1,000 took 40 s.
MOST_EVENTS = 100


def check_event_count(items: int) -> None:
    """
    Refuse an event for each of too many items, before anything is paid for.

    :raises WiroUsageError: there are too many.
    """
    if items > MOST_EVENTS:
        raise WiroUsageError(
            f"asset_events='each' takes up to {MOST_EVENTS} items, found {items:,}: Airflow records all "
            "events in the request that ends the task, which would time out. Nothing was submitted. Use "
            "asset_events='one', whose event names the manifest with all items."
        )


def report_batch(
    context: Context,
    outlets: Iterable[Any],
    summary: Mapping[str, Any],
    *,
    asset_events: str,
    aws_conn_id: str | None,
) -> None:
    """
    Give each outlet its events: an alias one for the whole batch or one for each item, an asset always one.

    :param summary: of the batch.
    :param asset_events: "one" or "each", for aliases.
    :param aws_conn_id: the connection by which the manifest is read.
    :raises WiroError: the manifest can't be read. A later try reports its events.
    """
    outlets = list(outlets)
    if not outlets or "outlet_events" not in context:
        return
    from airflow.providers.common.compat.sdk import AssetAlias

    of_items = [one for one in outlets if asset_events == "each" and isinstance(one, AssetAlias)]
    others = [one for one in outlets if one not in of_items]
    report_whole(context, others, summary["manifest_uri"], _facts(summary))
    if of_items:
        for line in _lines(summary["manifest_uri"], aws_conn_id):
            _report_item(context, of_items, line, summary)


def _facts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the event of the whole batch says: single values only, which every Airflow takes."""
    left = summary["total"] - summary["succeeded"] - summary["failed"]
    return {"not_run": left, "reused": 0, "total_bytes": None, "failed_uri": None, **summary}


def _report_item(
    context: Context, outlets: Sequence[Any], line: Mapping[str, Any], summary: Mapping[str, Any]
) -> None:
    from airflow.providers.common.compat.sdk import Asset

    files = line.get("files")
    if not files:
        return
    names = {"item": line["item"], **({"id": line["id"]} if "id" in line else {})}
    facts = {name: line[name] for name in ("status", "wiro_task_id", "cost_usd")}
    of_batch = {"model": summary["model"], "manifest_uri": summary["manifest_uri"]}
    events: Any = context["outlet_events"]
    for outlet in outlets:
        with logged(outlet):
            asset = Asset(uri=asset_uri(common_uri([file["uri"] for file in files])))
            events[outlet].add(asset, extra=flat({**names, **facts, **of_batch, **summed_up(files)}))


def _lines(manifest: str, aws_conn_id: str | None) -> Iterator[dict[str, Any]]:
    kind = "batch's manifest"
    file = fetched(manifest, aws_conn_id, kind=kind, argument="manifest_uri")
    lines = JsonLines(file, most_bytes=MOST_LINE_BYTES)
    try:
        for number in range(len(lines)):
            yield lines[number]
    finally:
        lines.close()
