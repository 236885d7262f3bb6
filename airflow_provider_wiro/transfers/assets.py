"""What landed, told to Airflow as asset events."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)

#: Airflow's own limit for an asset's name and URI.
_MAX_URI = 1500
#: An outlet that is an asset has one event for all objects; so many of them are listed in it.
MAX_LISTED = 100


def report(
    context: Context, outlets: Iterable[Any], files: Sequence[Mapping[str, Any]], facts: Mapping[str, Any]
) -> None:
    """
    Give each outlet its events: an alias one for each object, an asset (it can have but one) one for all.

    What can't be reported is logged. The objects are safe, and failing now would help nobody.

    :param files: as the operator returns them.
    :param facts: of the task: ``wiro_task_id``, ``model``, ``cost_usd``.
    """
    outlets = list(outlets)
    if not outlets or "outlet_events" not in context:
        return
    from airflow.providers.common.compat.sdk import Asset, AssetAlias

    events: Any = context["outlet_events"]
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            for file in files:
                with _logged(outlet):
                    asset = Asset(uri=asset_uri(file["uri"]))
                    events[outlet].add(asset, extra={**facts, **_described(file)})
        elif isinstance(outlet, Asset):
            with _logged(outlet):
                events[outlet].extra = {**facts, **_summed_up(files)}


@contextmanager
def _logged(outlet: Any) -> Iterator[None]:
    """Let nothing fail of what Airflow, by version, makes of a URI, a name or an outlet."""
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
