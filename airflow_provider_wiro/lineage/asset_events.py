"""Asset events: what Airflow takes as an asset's URI, as an event's extra, and how much of it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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


def check_asset_events(wanted: object, whole: str = "the whole transfer", part: str = "object") -> None:
    """
    Refuse what ``asset_events`` can't be.

    :param whole: what has one event, and ``part`` what may have one each, for the message.
    :raises WiroUsageError: it is neither "one" nor "each".
    """
    if wanted not in ASSET_EVENTS:
        raise WiroUsageError(
            f"Expected asset_events as 'one' (an event for {whole}) or 'each' (for each {part}), "
            f"found {wanted!r:.200}."
        )


def report_whole(context: Context, outlets: Iterable[Any], uri: str, extra: Mapping[str, Any]) -> None:
    """
    Give each outlet one event for everything that a task has made.

    What Airflow doesn't take is logged: the results are safe, so the task doesn't fail for it.

    :param uri: of an alias's asset.
    :param extra: of the event.
    """
    outlets = list(outlets)
    if not outlets or "outlet_events" not in context:
        return
    from airflow.providers.common.compat.sdk import Asset, AssetAlias

    events: Any = context["outlet_events"]
    for outlet in outlets:
        with logged(outlet):
            if isinstance(outlet, AssetAlias):
                events[outlet].add(Asset(uri=asset_uri(uri)), extra=flat(extra))
            elif isinstance(outlet, Asset):
                events[outlet].extra = dict(extra)


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


def asset_uri(uri: str) -> str:
    """
    Return an object's URI as Airflow takes it on every database: ASCII, not longer than its column.

    It names no connection: by that it is read, but with another one it would be the same.

    :raises ValueError: it is too long.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator:  # a path on this machine
        scheme, rest = "file", uri
    place, slash, key = rest.partition("/")
    uri = f"{scheme}://{place.rpartition('@')[2]}{slash}{key}"
    shown = quote(uri.encode("utf-8", "replace"), safe=":/!$&'()*+,;=@-._~")
    if len(shown) > _MAX_URI:
        raise ValueError(f"The URI has {len(shown)} characters, Airflow takes {_MAX_URI}: {shown[:100]}…")
    return shown


def flat(extra: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the ``extra`` of an alias's event with its lists as JSON text.

    Airflow 2.11 and 3.0 put the values into a set after the task has succeeded, and fail the task, whose
    outputs have landed, for a list among them.
    """
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in extra.items()}


@contextmanager
def logged(outlet: Any) -> Iterator[None]:
    """Log whatever Airflow, depending on its version, raises for a URI, a name or an outlet."""
    try:
        yield
    except Exception:
        log.warning("Airflow takes no event for the outlet %r.", outlet, exc_info=True)


def described(file: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event says of an object beside its URI."""
    return {name: file[name] for name in ("name", "size", "sha256", "content_type", "etag", "skipped")}


def summed_up(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what an event says of several objects: their number and size, and the first of them."""
    return {
        "file_count": len(files),
        "total_bytes": sum(file["size"] for file in files),
        "files": [{"uri": file["uri"], **described(file)} for file in files[:MAX_LISTED]],
    }
