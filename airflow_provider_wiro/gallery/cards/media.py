"""The outputs of a card: landed files, and what has not landed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_provider_wiro.gallery.cards.connections import reader_of, without_connection
from airflow_provider_wiro.gallery.cards.links import link_at_wiro, media_url
from airflow_provider_wiro.gallery.cards.texts import LONGEST_URI, line
from airflow_provider_wiro.gallery.page import Media

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from airflow_provider_wiro.gallery.cards.results import LandedFile, UnlandedOutput
    from airflow_provider_wiro.gallery.left.rows import Instance
    from airflow_provider_wiro.gallery.page import MediaKind

_NO_CONNECTION = "It isn't shown: Airflow no longer knows by which connection the task landed it."
_NO_METADATA = "It isn't shown: it was written without metadata that name its Wiro task."
_NOT_LANDED = "It has not landed yet. Wiro keeps it for a limited time."


@dataclass(frozen=True)
class MediaRules:
    """
    What may be shown, and how.

    :ivar kind_of: how an output of a media type and name is shown.
    :ivar why_not_served: why the bytes at a URI can't be had, a sentence; empty if they can.
    :ivar shows_unlanded: whether Wiro's own links may be shown.
    """

    kind_of: Callable[[str | None, str], MediaKind]
    why_not_served: Callable[[str], str]
    shows_unlanded: bool = False


@dataclass(frozen=True)
class Landing:
    """
    The result that landed files are in.

    :ivar place: what names the run in it, as in a media's URL.
    """

    dag_id: str
    instance: Instance
    rendered: Mapping[str, Any] | None
    place: str = "-"


def landed_media(files: Iterable[LandedFile], landing: Landing, rules: MediaRules) -> tuple[Media, ...]:
    """Return the files of a result."""
    return tuple(_landed(file, landing, rules) for file in files)


def _landed(file: LandedFile, landing: Landing, rules: MediaRules) -> Media:
    uri = without_connection(file.uri)
    name = file.name or line(uri.rpartition("/")[2]) or ""
    note = why_not_shown(file, landing, rules)
    return Media(
        kind=rules.kind_of(file.content_type, name),
        name=name,
        content_type=file.content_type,
        size=file.size,
        url=None if note else media_url(landing.dag_id, landing.instance.key, landing.place, file.index),
        uri=line(uri, LONGEST_URI),
        note=note,
    )


def why_not_shown(file: LandedFile, landing: Landing, rules: MediaRules) -> str:
    """Return why a file's bytes can't be had, a sentence; empty if they may be."""
    note = rules.why_not_served(without_connection(file.uri))
    if note:
        return note
    if reader_of(landing.instance, landing.rendered, file.uri) is None:
        return _NO_CONNECTION
    return _NO_METADATA if file.etag is None else ""


def unlanded_media(outputs: Iterable[UnlandedOutput], rules: MediaRules) -> tuple[Media, ...]:
    """Return outputs that are only at Wiro: their names, and their links only if they may be shown."""
    found = []
    for output in outputs:
        url = link_at_wiro(output.url) if rules.shows_unlanded else None
        found.append(
            Media(
                kind=rules.kind_of(output.content_type, output.name),
                name=output.name or f"output {output.index}",
                content_type=output.content_type,
                size=output.size,
                url=url,
                uri=None,
                note=_NOT_LANDED if url is None else "",
            )
        )
    return tuple(found)


def origins_of(media: Iterable[Media]) -> set[str]:
    """Return the origins of media that come from Wiro itself."""
    found = set()
    for one in media:
        if one.url is not None and one.url.startswith("https://"):
            found.add(f"https://{urlsplit(one.url).netloc}")
    return found
