"""
Which objects a result card may name: those of the stores that the DAG itself names.

Those who can write cards decide what a run returns. So a card leads to no other connection, and to no file of
this machine outside of the folder that has the cards.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.storage.location import Location, local_folder, parse_location, parse_target
from airflow_provider_wiro.storage.object_keys import refuse_parent_folders
from airflow_provider_wiro.storage.s3.location import split_url

_S3 = "s3://"


@dataclass(frozen=True)
class S3Place:
    """An object in S3, and the Airflow connection by which it is read; None takes boto3's own credentials."""

    conn_id: str | None
    bucket: str
    key: str


@dataclass(frozen=True)
class LocalPlace:
    """A file on this machine, symbolic links resolved."""

    path: Path


@dataclass(frozen=True)
class StorePlace:
    """A file in another store of Airflow's, by its URI with the connection."""

    uri: str


Place = S3Place | LocalPlace | StorePlace


@dataclass(frozen=True)
class NamedStores:
    """
    The stores that a DAG names.

    :ivar folder: a folder or file in one of them, as the DAG names it: its connection may be used.
    :ivar aws_conn_id: reads ``s3://bucket/key``.
    """

    folder: str
    aws_conn_id: str | None

    def place_of(self, uri: str) -> Place:
        """
        Return where a URI leads.

        :raises WiroUsageError: it leads out of these stores, or it is none.
        """
        if uri.startswith(_S3):
            return self._in_s3(uri)
        own = parse_location(self.folder, "a folder")
        found = parse_target(uri, "the URI of a landed object")
        if found.is_local:
            return self._local(found, own)
        if (found.scheme, found.conn_id) != (own.scheme, own.conn_id):
            raise self._elsewhere(uri)
        return StorePlace(found.uri)

    @property
    def s3_connections(self) -> set[str | None]:
        """The connections by which objects in S3 may be read."""
        own, at, _ = self.folder.removeprefix(_S3).partition("/")[0].rpartition("@")
        is_named = self.folder.startswith(_S3) and bool(at)
        return {self.aws_conn_id, unquote(own)} if is_named else {self.aws_conn_id}

    def _in_s3(self, uri: str) -> S3Place:
        first, slash, key = uri.removeprefix(_S3).partition("/")
        conn_id, at, _ = first.rpartition("@")
        bucket, key = split_url(
            uri if not at else f"{_S3}{first.rpartition('@')[2]}{slash}{key}", "a landed object"
        )
        refuse_parent_folders(key, argument="a landed object")
        if not key:
            raise self._elsewhere(uri)
        if not at:
            return S3Place(self.aws_conn_id, bucket, key)
        if unquote(conn_id) not in self.s3_connections:
            raise self._elsewhere(uri)
        return S3Place(unquote(conn_id), bucket, key)

    def _local(self, found: Location, own: Location) -> LocalPlace:
        if not own.is_local:
            raise self._elsewhere(found.uri)
        real = Path(os.path.realpath(found.path))
        if Path(os.path.realpath(local_folder(self.folder))) not in real.parents:
            raise self._elsewhere(found.uri)
        return LocalPlace(real)

    def _elsewhere(self, uri: str) -> WiroUsageError:
        return WiroUsageError(
            f"{uri[:200]} is outside of the stores that the task itself names ({self.folder[:200]}, and S3 "
            f"by {self.aws_conn_id!r:.100}), so it is not read."
        )
