"""Where a card's links lead: pages of Airflow, of Wiro and of stores; and the addresses of media."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_wiro.gallery.left.rows import InstanceKey, Values

_LONGEST = 4_096
#: No part of it is left to what reads URLs: libraries and browsers differ in backslashes.
_AT_WIRO = re.compile(r"https://(?:[a-z0-9-]+\.)*wiro\.ai(?::443)?/")


def part(name: str) -> str:
    """Return a name as one part of a URL's path."""
    return quote(name.encode("utf-8", "replace"), safe="")


def run_page(dag_id: str, run_id: str) -> str:
    """Return Airflow's page of a DAG run, relative to its root."""
    return f"/dags/{part(dag_id)}/runs/{part(run_id)}"


def log_page(dag_id: str, key: InstanceKey) -> str:
    """Return Airflow's page of a task instance, which begins with its log."""
    mapped = f"/mapped/{key.map_index}" if key.map_index >= 0 else ""
    return f"{run_page(dag_id, key.run_id)}/tasks/{part(key.task_id)}{mapped}"


def media_url(dag_id: str, key: InstanceKey, place: str, index: int) -> str:
    """
    Return where the gallery serves an output, relative to the API server's root.

    :param place: what names the run in the task instance's result.
    """
    names = map(part, (dag_id, key.run_id, key.task_id, str(key.map_index), place, str(index)))
    return f"/wiro/media/{'/'.join(names)}"


def web_page(url: object) -> str | None:
    """Return an http(s) URL that a link can lead to; None if it is none."""
    if not isinstance(url, str) or not 0 < len(url) <= _LONGEST or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        return None
    return url.encode("utf-8", "replace").decode() if is_web else None


def link_at_wiro(url: object) -> str | None:
    """
    Return an https URL at Wiro's own domain; None if it is none.

    A page loads media by itself, of each person who looks. So no other host may be named by a result, which
    users can write who write no DAGs.
    """
    page = web_page(url)
    return page if page is not None and _AT_WIRO.match(page) else None


def links_of(log: str, values: Iterable[Values]) -> dict[str, str]:
    """
    Return the links of a card: what it links to → URL.

    :param values: of its task instances; the first that has a link counts.
    """
    found = {"log": log}
    for left in values:
        for name, keys in _KEYS.items():
            for key in keys:
                page = web_page(left.xcoms.get(key))
                if page is not None:
                    found.setdefault(name, page)
    return found


_KEYS = {
    "wiro": ("wiro_task_url",),
    "s3": ("wiro_s3_url", "wiro_storage_url"),
    "manifest": ("wiro_manifest_url",),
}
