"""Whether what a result card names is still there, unchanged."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.storage.digests import sha256_of
from airflow_provider_wiro.storage.named_stores import LocalPlace, S3Place
from airflow_provider_wiro.storage.object_files import LocalFile, open_object
from airflow_provider_wiro.storage.s3.hooks import client_for, s3_hook
from airflow_provider_wiro.storage.s3.responses import code_and_status, etag_of

if TYPE_CHECKING:
    from airflow_provider_wiro.storage.landed_object import LandedObject
    from airflow_provider_wiro.storage.named_stores import NamedStores, Place, StorePlace

_BLOCK_BYTES = 4 * 1024 * 1024


class LandedObjects:
    """
    Objects in the stores that a DAG names. Usable from several threads.

    In S3 one HEAD compares the size, and the ETag or the SHA-256 in the metadata. In another store, which
    keeps neither, the file is read.

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
        if isinstance(place, S3Place):
            return self._change_in_s3(place, landed)
        return self._change_of_file(place, landed)

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
        if landed.sha256 is None:
            return "was replaced"
        if digest is None and landed.etag is None:
            digest = sha256_of(client.get_object(**where)["Body"])
        return None if digest == landed.sha256 else "was replaced"

    def _change_of_file(self, place: LocalPlace | StorePlace, landed: LandedObject) -> str | None:
        is_local = isinstance(place, LocalPlace)
        file: Any = (
            LocalFile(place.path)
            if isinstance(place, LocalPlace)
            else open_object(place.uri, "a landed object")
        )
        try:
            found = dict(file.stat())
        except FileNotFoundError:
            return "is gone"
        if found.get("type", "file") != "file":
            return f"is a {found['type']}"
        if found.get("size") != landed.size:
            return f"has {found.get('size')} bytes in place of {landed.size}"
        with file.open("rb", **({} if is_local else {"block_size": _BLOCK_BYTES})) as stream:
            return None if sha256_of(stream) == landed.sha256 else "was replaced"
