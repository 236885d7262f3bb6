"""Asset events for what landed, which start the DAGs that are scheduled on it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context


log = plain_logger(__name__)

#: Airflow's own limit for an asset's name and URI.
_MAX_URI = 1500
#: An event for all objects lists this many of them.
MAX_LISTED = 100
ASSET_EVENTS = ("one", "each")
_SMALLEST_SHARE = Decimal("1e-12")


def check_asset_events(wanted: object) -> None:
    """
    Refuse what ``asset_events`` can't be.

    :raises WiroUsageError: it is neither "one" nor "each".
    """
    if wanted not in ASSET_EVENTS:
        raise WiroUsageError(
            "Expected asset_events as 'one' (an event for the whole transfer) or 'each' (for each object), "
            f"found {wanted!r:.200}."
        )


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
                with _logged(outlet):
                    asset = Asset(uri=asset_uri(file["uri"]))
                    events[outlet].add(asset, extra={**facts, "cost_usd": cost, **_described(file)})
        elif isinstance(outlet, AssetAlias):
            with _logged(outlet):
                asset = Asset(uri=asset_uri(common_uri([file["uri"] for file in files])))
                events[outlet].add(asset, extra=_flat({**facts, **_summed_up(files)}))
        elif isinstance(outlet, Asset):
            with _logged(outlet):
                events[outlet].extra = {**facts, **_summed_up(files)}


def common_uri(uris: Sequence[str]) -> str:
    """
    Return the URI of the asset that several objects are together.

    :param uris: of one store.
    :return: of one object its own, of several the folder they share, without a slash at its end.
    """
    if len(uris) == 1:
        return uris[0]
    scheme, _, rest = uris[0].partition("://")
    folders = [uri.partition("://")[2].split("/")[:-1] for uri in uris]
    shared = rest.split("/")[:1]
    for names in zip(*(folder[1:] for folder in folders), strict=False):
        if len(set(names)) > 1:
            break
        shared.append(names[0])
    return f"{scheme}://{'/'.join(shared)}"


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


@contextmanager
def _logged(outlet: Any) -> Iterator[None]:
    """Log whatever Airflow, depending on its version, raises for a URI, a name or an outlet."""
    try:
        yield
    except Exception:
        log.warning("Airflow takes no event for the outlet %r.", outlet, exc_info=True)


def _summed_up(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "file_count": len(files),
        "total_bytes": sum(file["size"] for file in files),
        "files": [{"uri": file["uri"], **_described(file)} for file in files[:MAX_LISTED]],
    }


def _flat(extra: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the ``extra`` of an alias's event with its lists as JSON text.

    Airflow 2.11 and 3.0 put the values into a set after the task has succeeded, and fail the task, whose
    outputs have landed, for a list among them.
    """
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in extra.items()}


def asset_uri(uri: str) -> str:
    """
    Return an object's URI as Airflow takes it on every database: ASCII, not longer than its column.

    It names no connection: by that it is read, but with another one it would be the same.

    :raises ValueError: it is too long.
    """
    scheme, _, rest = uri.partition("://")
    place, slash, key = rest.partition("/")
    uri = f"{scheme}://{place.rpartition('@')[2]}{slash}{key}"
    shown = quote(uri.encode("utf-8", "replace"), safe=":/!$&'()*+,;=@-._~")
    if len(shown) > _MAX_URI:
        raise ValueError(f"The URI has {len(shown)} characters, Airflow takes {_MAX_URI}: {shown[:100]}…")
    return shown


def _described(file: Mapping[str, Any]) -> dict[str, Any]:
    return {name: file[name] for name in ("name", "size", "sha256", "content_type", "etag", "skipped")}
