"""ListedObjects: verifies many objects of S3 by listing them, where a page has many of them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.named_stores import S3Place
from airflow_provider_wiro.storage.s3.responses import etag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_provider_wiro.reuse.unchanged import LandedObjects
    from airflow_provider_wiro.storage.landed_object import LandedObject

log = plain_logger(__name__)

#: A page of a listing has up to 1,000 objects and takes as long as some 40 HEADs. Less is not worth a page.
_OBJECTS_A_PAGE = 40


class ListedObjects:
    """
    Knows the size and ETag of objects that it has listed; any other is asked for by itself.

    :param check: called between two pages; raises what is to end this.
    """

    def __init__(self, objects: LandedObjects, check: Callable[[], None]) -> None:
        self._objects = objects
        self._check = check
        self._seen: dict[S3Place, tuple[int, str]] = {}

    def learn(self, landed: Iterable[LandedObject]) -> None:
        """
        List the ranges of keys in which these objects are, as long as the pages bring some of them.

        What is known from before is forgotten, so that memory doesn't grow.
        """
        self._seen.clear()
        by_bucket: dict[tuple[str | None, str], set[str]] = defaultdict(set)
        for one in landed:
            try:
                place = self._objects.place_of(one)
            except WiroUsageError:
                continue  # reported when it is its turn
            if isinstance(place, S3Place) and one.etag:
                by_bucket[place.conn_id, place.bucket].add(place.key)
        for (conn_id, bucket), keys in by_bucket.items():
            if len(keys) >= _OBJECTS_A_PAGE:
                try:
                    self._list(conn_id, bucket, sorted(keys))
                except Exception as error:  # a role may not be allowed to list
                    self._check()
                    log.info("Could not list s3://%s, so objects are asked for one by one: %s", bucket, error)

    def _list(self, conn_id: str | None, bucket: str, keys: list[str]) -> None:
        client, wanted = self._objects.client(conn_id), set(keys)
        # `StartAfter` leaves out the key itself, so begin right before it.
        arguments: dict[str, Any] = {"Bucket": bucket, "StartAfter": keys[0][:-1]}
        for _ in range(2 + len(keys) // _OBJECTS_A_PAGE):
            self._check()
            page = client.list_objects_v2(**arguments)
            for found in page.get("Contents", ()):
                if found["Key"] in wanted:
                    place = S3Place(conn_id, bucket, found["Key"])
                    self._seen[place] = found.get("Size", -1), etag_of(found)
            last = max((found["Key"] for found in page.get("Contents", ())), default="")
            token = page.get("NextContinuationToken")
            if not token or last >= keys[-1]:
                return
            arguments = {"Bucket": bucket, "ContinuationToken": token}

    def change_of(self, landed: LandedObject) -> str | None:
        """See :meth:`LandedObjects.change_of`."""
        place = self._objects.place_of(landed)
        seen = self._seen.get(place) if isinstance(place, S3Place) else None
        if seen is not None and landed.etag and seen == (landed.size, landed.etag):
            return None
        return self._objects.change_of(landed)
