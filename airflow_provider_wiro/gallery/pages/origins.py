"""Origins: where a page's media come from beside the API server, for its Content-Security-Policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.cards.media import origins_of
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_wiro.gallery.page import Section

log = plain_logger(__name__)

#: How many buckets of a page are looked at, each with its connection.
_MOST_BUCKETS = 20


class Origins:
    """
    Collects the buckets of a page, and gives their origins.

    :param origin_of: returns the origin of a bucket by a URI in it and its connection; None: there is none.
    """

    def __init__(self, origin_of: Callable[[str, str | None], str | None]) -> None:
        self._origin_of = origin_of
        self._buckets: dict[tuple[str, str | None], str] = {}

    def see(self, uri: str, conn_id: str | None) -> None:
        """Note where an object is, and by which connection it is read."""
        scheme, _, rest = uri.partition("://")
        bucket = "/".join(rest.split("/")[:2]) if rest.startswith("arn:") else rest.partition("/")[0]
        if len(self._buckets) < _MOST_BUCKETS:
            self._buckets.setdefault((f"{scheme}://{bucket}", conn_id), uri)

    def found(self, sections: Iterable[Section]) -> tuple[str, ...]:
        """
        Return the origins.

        :param sections: of the page: their media may come from Wiro itself.
        """
        origins: set[str] = set()
        for (_, conn_id), uri in self._buckets.items():
            try:
                origin = self._origin_of(uri, conn_id)
            except Exception as error:  # of a connection that is gone, or of boto3
                log.warning("The origin of %.200s can't be known: %r", uri, error)
                continue
            if origin is not None:
                origins.add(origin)
        for section in sections:
            for card in section.cards:
                origins |= origins_of(card.media)
        return tuple(sorted(origins))
