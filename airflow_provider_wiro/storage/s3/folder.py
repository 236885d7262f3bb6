"""A folder in S3, accessed with boto3."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.folder import COPIED_BYTES, JSON_LINES, content_type_of
from airflow_provider_wiro.storage.object_files import check_known
from airflow_provider_wiro.storage.s3.conditional_writes import put_if_unchanged
from airflow_provider_wiro.storage.s3.hooks import client_for, s3_hook
from airflow_provider_wiro.storage.s3.location import split_url
from airflow_provider_wiro.storage.s3.put_object import OwnObjects, put_whole
from airflow_provider_wiro.storage.s3.responses import code_and_status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

#: A file of at most this many bytes is put into S3 by one call, as boto3's own transfers do.
_SINGLE_PUT_BYTES = 8 * 1024 * 1024


class S3Folder:
    """
    A prefix in a bucket, as a :class:`~airflow_provider_wiro.storage.folder.Folder`.

    :param uri: ``s3://conn_id@bucket/prefix``; without a connection's id, boto3 finds credentials itself.
    :param own: how objects are put; default: as boto3 does.
    :param max_connections: how many threads use it at once.
    """

    def __init__(self, uri: str, own: OwnObjects | None = None, *, max_connections: int = 1) -> None:
        own = OwnObjects() if own is None else own
        first, slash, rest = uri.removeprefix("s3://").partition("/")
        conn_id, at, first = first.rpartition("@")
        bucket, prefix = split_url(f"s3://{first}{slash}{rest}", "a folder")
        self.uri = uri
        self.has_conditional_writes = True
        self._bucket = bucket
        # To S3 `in//x` is another object than `in/x`: a slash at the end is a folder without a name.
        self._prefix = f"{prefix}/" if prefix else ""
        self._working = own.to_put(bucket, is_result=False)
        self._result = {**own.to_put(bucket, is_result=True), "ContentType": JSON_LINES}
        self._reading, self._managing = own.to_read(bucket), own.to_manage(bucket)
        if at:
            check_known(unquote(conn_id), uri)
        hook = s3_hook(unquote(conn_id) if at else None, own.verify)
        self._client: Any = client_for(hook, max_connections)

    def read(self, name: str, most: int | None = None) -> bytes | None:
        """See :meth:`Folder.read`."""
        body = self._get(name)
        if body is None:
            return None
        with body:
            read: bytes = body.read(most)
        return read

    def write(self, name: str, body: bytes) -> None:
        """See :meth:`Folder.write`."""
        self._put(self._client.put_object, name, body, self._typed(name))

    def compare_and_swap(self, name: str, body: bytes, expected: bytes | None) -> bool:
        """See :meth:`Folder.compare_and_swap`."""
        found = self._find(name)
        etag = None
        if found is not None:
            etag = found["ETag"]
            with found["Body"] as stream:
                current = stream.read()
            if current != expected:
                return bool(current == body)
        elif expected is not None:
            return False
        try:
            put = partial(put_if_unchanged, self._client, etag, on_unknown=self._note_unknown_condition)
            self._put(put, name, body, self._typed(name))
        except ObjectExistsError:
            # Or this call wrote it: boto3 repeats a put whose response was lost, which the first one refuses.
            return self.read(name) == body
        return True

    def upload(self, name: str, file: Path) -> None:
        """See :meth:`Folder.upload`."""
        if file.stat().st_size <= _SINGLE_PUT_BYTES:
            self._put(self._client.put_object, name, file.read_bytes(), self._result)
        else:
            self._client.upload_file(
                str(file), self._bucket, self._prefix + name, ExtraArgs=dict(self._result)
            )

    def download(self, name: str, file: Path) -> None:
        """See :meth:`Folder.download`."""
        body = self._get(name)
        if body is None:
            raise FileNotFoundError(name)
        with body, file.open("wb") as target:
            for chunk in body.iter_chunks(COPIED_BYTES):
                target.write(chunk)

    def names(self, most: int | None = None) -> set[str]:
        """See :meth:`Folder.names`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=self._prefix,
            Delimiter="/",
            PaginationConfig={"MaxItems": most},
            **self._managing,
        )
        found: set[str] = set()
        for page in pages:
            found |= {item["Key"].removeprefix(self._prefix) for item in page.get("Contents", ())}
            folders = page.get("CommonPrefixes", ())
            found |= {item["Prefix"].removeprefix(self._prefix).rstrip("/") for item in folders}
        return found

    def delete(self, name: str) -> None:
        """See :meth:`Folder.delete`."""
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name, **self._managing)

    def _note_unknown_condition(self) -> None:
        self.has_conditional_writes = False

    def _typed(self, name: str) -> dict[str, Any]:
        return {**self._working, "ContentType": content_type_of(name)}

    def _put(self, call: Callable[..., Any], name: str, body: bytes, arguments: Mapping[str, Any]) -> None:
        put_whole(self._client, call, body, {"Bucket": self._bucket, "Key": self._prefix + name, **arguments})

    def _get(self, name: str) -> Any:
        found = self._find(name)
        return None if found is None else found["Body"]

    def _find(self, name: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._client.get_object(Bucket=self._bucket, Key=self._prefix + name, **self._reading)
        except ClientError as error:
            if "NoSuchKey" in code_and_status(error):
                return None
            raise
