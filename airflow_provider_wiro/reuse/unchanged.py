"""Whether what a result card names is still there, unchanged."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.digests import sha256_of
from airflow_provider_wiro.storage.named_stores import LocalPlace, S3Place
from airflow_provider_wiro.storage.object_files import LocalFile
from airflow_provider_wiro.storage.object_stores.opening import open_file
from airflow_provider_wiro.storage.object_stores.store_object import ObjectReader
from airflow_provider_wiro.storage.s3.hooks import client_for, s3_hook
from airflow_provider_wiro.storage.s3.responses import code_and_status, etag_of

if TYPE_CHECKING:
    from airflow_provider_wiro.storage.landed_object import LandedObject
    from airflow_provider_wiro.storage.named_stores import NamedStores, Place, StorePlace

log = plain_logger(__name__)

_BLOCK_BYTES = 4 * 1024 * 1024


class LandedObjects:
    """
    Objects in the stores that a DAG names. Usable from several threads.

    In S3 one HEAD compares the size and the ETag. An object with another ETag, or of which none is known, is
    read, and so is a file in a store that keeps none. Google's generation and Azure's ETag are as good.

    :param max_connections: how many threads use it at once.
    """

    def __init__(self, stores: NamedStores, *, max_connections: int = 1) -> None:
        self._stores = stores
        self._max_connections = max_connections
        self._clients: dict[str | None, Any] = {}
        self._opening = threading.Lock()

    def place_of(self, landed: LandedObject) -> Place:
        """
        Return where an object is.

        :raises WiroUsageError: outside of the stores that the DAG names.
        """
        return self._stores.place_of(landed.uri)

    def change_of(self, landed: LandedObject) -> str | None:
        """
        Return what has become of an object, None if it is unchanged.

        :raises WiroUsageError: it is outside of the stores that the DAG names.
        :raises Exception: its store can't be asked.
        """
        place = self.place_of(landed)
        if not isinstance(place, S3Place):
            return self._change_of_file(place, landed)
        try:
            change = self._change_in_s3(place, landed)
        except Exception:
            if not self._is_elsewhere(place, landed):
                raise
            return None
        return None if change is None or self._is_elsewhere(place, landed) else change

    def _is_elsewhere(self, place: S3Place, landed: LandedObject) -> bool:
        """Whether an object is unchanged where the other connection leads that the DAG names."""
        if place.conn_id != self._stores.aws_conn_id:
            return False  # the object's URI names the connection
        for conn_id in self._stores.s3_connections - {place.conn_id}:
            try:
                if self._change_in_s3(replace(place, conn_id=conn_id), landed) is None:
                    return True
            except Exception as error:  # each store has its own
                log.info("%s can't be looked at by %r either: %s", landed.uri, conn_id, error)
        return False

    def client(self, conn_id: str | None) -> Any:
        """
        Return boto3's client for a connection.

        The first call for a connection asks Airflow, so it belongs where Airflow may be asked.
        """
        with self._opening:
            if conn_id not in self._clients:
                self._clients[conn_id] = client_for(s3_hook(conn_id), self._max_connections)
            return self._clients[conn_id]

    def _change_in_s3(self, place: S3Place, landed: LandedObject) -> str | None:
        from botocore.exceptions import ClientError

        where = {"Bucket": place.bucket, "Key": place.key}
        client = self.client(place.conn_id)
        try:
            found = client.head_object(**where)
        except ClientError as error:
            if "404" in code_and_status(error):
                return "is gone"
            raise
        if found.get("ContentLength") != landed.size:
            return f"has {found.get('ContentLength')} bytes in place of {landed.size}"
        digest = found.get("Metadata", {}).get("sha256")
        if landed.etag and etag_of(found) == landed.etag:
            # An ETag that is no MD5 doesn't change with the bytes in every store; the digest does.
            return None if digest in {None, landed.sha256} or landed.sha256 is None else "was replaced"
        if landed.sha256 is None or digest not in {None, landed.sha256}:
            return "was replaced"
        # Metadata can be copied to other bytes, so what has another ETag is read.
        return None if sha256_of(client.get_object(**where)["Body"]) == landed.sha256 else "was replaced"

    def _change_of_file(self, place: LocalPlace | StorePlace, landed: LandedObject) -> str | None:
        if isinstance(place, LocalPlace):
            return _change_of_file(LocalFile(place.path), landed)
        path, known = open_file(place.uri, "a landed object")
        if known is None:
            return _change_of_file(path, landed, block_size=_BLOCK_BYTES)
        facts = known.facts()
        if facts is None:
            return "is gone"
        if facts.size != landed.size:
            return f"has {facts.size} bytes in place of {landed.size}"
        if landed.etag and facts.etag == landed.etag:
            return None
        is_same = sha256_of(ObjectReader(known, facts)) == landed.sha256
        return None if is_same else "was replaced"


def _change_of_file(file: Any, landed: LandedObject, **reading: Any) -> str | None:
    try:
        found = dict(file.stat())
    except FileNotFoundError:
        return "is gone"
    if found.get("type", "file") != "file":
        return f"is a {found['type']}"
    if found.get("size") != landed.size:
        return f"has {found.get('size')} bytes in place of {landed.size}"
    with file.open("rb", **reading) as stream:
        return None if sha256_of(stream) == landed.sha256 else "was replaced"
