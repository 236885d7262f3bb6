"""
Folders that outlive a worker: on this machine, in S3, or wherever Airflow's ObjectStoragePath leads.

S3 is spoken to with boto3, which the package needs anyway; ObjectStoragePath would need s3fs.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import unquote

from airflow_provider_wiro.exceptions import WiroMissingConnectionError, WiroRecordError, WiroUsageError
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.object_files import check_known, open_object
from airflow_provider_wiro.storage.object_keys import refuse_parent_folders
from airflow_provider_wiro.storage.private_files import replacing
from airflow_provider_wiro.storage.s3.conditional_writes import ObjectExistsError, put_if_unchanged
from airflow_provider_wiro.storage.s3.hooks import s3_hook
from airflow_provider_wiro.storage.s3.location import split_url
from airflow_provider_wiro.storage.s3.put_object import JSON_LINES, OwnObjects, put_whole
from airflow_provider_wiro.storage.s3.responses import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import IO

T = TypeVar("T")

_COPIED_BYTES = 1024 * 1024
#: A file of at most this many bytes is put into S3 by one call, as boto3's own transfers do.
_SINGLE_PUT_BYTES = 8 * 1024 * 1024


class Folder(Protocol):
    """
    A folder. Names are of files right in it; each file is written as a whole.

    Opened where Airflow may be asked for a connection; used from one other thread as well.
    """

    uri: str

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, None if there certainly is none."""

    def write(self, name: str, body: bytes) -> None:
        """Put a file in place of the one before."""

    def compare_and_swap(self, name: str, body: bytes, before: bytes | None) -> bool:
        """
        Put a file in place of this very one, or of none.

        Where that can't be told to the store, of two at the very same moment the last one wins.

        :return: whether it is there now; False if another was.
        """

    def upload(self, name: str, file: Path) -> None:
        """Put a local file, of any size, in place of the one before."""

    def download(self, name: str, file: Path) -> None:
        """Fetch a file of any size; raises FileNotFoundError if there is none."""

    def names(self, most: int | None = None) -> set[str]:
        """
        Return the names of all files and folders; at most so many files, the first by name, where the store
        sorts them.
        """

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""


def split_uri(uri: str) -> tuple[str, str]:
    """Return folder and name of a file's URI or path."""
    folder, _, name = uri.rpartition("/")
    if not name or folder.endswith(":/"):
        raise WiroUsageError(f"Expected the path or URI of a file, found {uri!r}.")
    return folder or "/", name


def open_folder(uri: str, own: OwnObjects | None = None) -> Folder:
    """
    Return a folder; an object store's connection is read from Airflow here.

    :param uri: a local path, ``file://``, ``s3://conn_id@bucket/key``, or what ObjectStoragePath takes.
    :param own: how a batch's own objects are put into S3; default: as boto3 does.
    :raises WiroUsageError: it is relative, or would be read as another place than the one it shows.
    :raises WiroRecordError: the store can't be opened.
    """
    location = parse_location(uri, "a folder")
    if location.is_local:
        return LocalFolder(location.path)
    refuse_parent_folders(location.path, argument="a folder")
    if location.scheme == "s3" and location.path.startswith("/"):
        raise WiroUsageError(f"Expected a key without a slash at its beginning, found {uri[:200]!r}.")
    if location.scheme != "s3" and "//" in f"{location.path}/":
        raise WiroUsageError(
            f"Expected a folder without '//', found {uri[:200]!r}: some stores take it for '/', others "
            "don't. Is a templated piece empty?"
        )
    try:
        return S3Folder(location.uri, own) if location.scheme == "s3" else ObjectStorageFolder(location.uri)
    except WiroUsageError:
        raise
    except WiroMissingConnectionError as error:  # also while Airflow's secrets backend is out
        raise WiroRecordError(str(error)) from error
    except ImportError as error:
        raise WiroUsageError(f"Can't open {uri}: {error}. Its provider has to be installed.") from error
    except Exception as error:
        raise WiroRecordError(f"Can't open {uri}: {type(error).__name__}: {error}") from error


def check_then_write(
    read: Callable[[str], T | None], write: Callable[[str, T], None], name: str, new: T, before: T | None
) -> bool:
    """Swap where a store knows no condition: of two at the very same moment the last one wins."""
    found = read(name)
    if found == before:
        write(name, new)
    return found in {before, new}


class LocalFolder:
    """A folder on this machine. A crash leaves the file before or the new one, never half of one."""

    def __init__(self, path: str) -> None:
        self.uri = path
        self.path = Path(path)

    def read(self, name: str) -> bytes | None:
        """See :class:`Folder`."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, body: bytes) -> None:
        """See :class:`Folder`."""
        self._replace(name, lambda file: file.write(body))

    def compare_and_swap(self, name: str, body: bytes, before: bytes | None) -> bool:
        """See :class:`Folder`."""
        return check_then_write(self.read, self.write, name, body, before)

    def upload(self, name: str, file: Path) -> None:
        """See :class:`Folder`."""
        with file.open("rb") as source:
            self._replace(name, lambda target: shutil.copyfileobj(source, target, _COPIED_BYTES))

    def download(self, name: str, file: Path) -> None:
        """See :class:`Folder`."""
        shutil.copyfile(self.path / name, file)

    def names(self, most: int | None = None) -> set[str]:
        """See :class:`Folder`."""
        return {entry.name for entry in self.path.iterdir()} if self.path.is_dir() else set()

    def delete(self, name: str) -> None:
        """See :class:`Folder`."""
        (self.path / name).unlink(missing_ok=True)

    def _replace(self, name: str, fill: Callable[[IO[bytes]], object]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with replacing(self.path / name) as file:
            fill(file)


class S3Folder:
    """A prefix in a bucket."""

    def __init__(self, uri: str, own: OwnObjects | None = None) -> None:
        own = OwnObjects() if own is None else own
        first, slash, rest = uri.removeprefix("s3://").partition("/")
        conn_id, at, first = first.rpartition("@")
        bucket, prefix = split_url(f"s3://{first}{slash}{rest}", "a folder")
        self.uri = uri
        self._bucket = bucket
        # S3 takes `in//x` for another object than `in/x`: a slash at the end is a folder without a name.
        self._prefix = f"{prefix}/" if prefix else ""
        self._working = own.to_put(bucket, is_result=False)
        self._result = {**own.to_put(bucket, is_result=True), "ContentType": JSON_LINES}
        self._reading, self._managing = own.to_read(bucket), own.to_manage(bucket)
        if at:
            check_known(unquote(conn_id), uri)
        self._client: Any = s3_hook(unquote(conn_id) if at else None, own.verify).get_conn()

    def read(self, name: str) -> bytes | None:
        """See :class:`Folder`."""
        body = self._get(name)
        if body is None:
            return None
        with body:
            read: bytes = body.read()
        return read

    def write(self, name: str, body: bytes) -> None:
        """See :class:`Folder`."""
        self._put(self._client.put_object, name, body, self._typed(name))

    def compare_and_swap(self, name: str, body: bytes, before: bytes | None) -> bool:
        """See :class:`Folder`."""
        found = self._find(name)
        etag = None
        if found is not None:
            etag = found["ETag"]
            with found["Body"] as stream:
                current = stream.read()
            if current != before:
                return bool(current == body)
        elif before is not None:
            return False
        try:
            self._put(partial(put_if_unchanged, self._client, etag), name, body, self._typed(name))
        except ObjectExistsError:
            # Or it is ours: boto3 repeats a put whose answer was lost, and then that is in its own way.
            return self.read(name) == body
        return True

    def upload(self, name: str, file: Path) -> None:
        """See :class:`Folder`."""
        if file.stat().st_size <= _SINGLE_PUT_BYTES:
            self._put(self._client.put_object, name, file.read_bytes(), self._result)
        else:
            self._client.upload_file(
                str(file), self._bucket, self._prefix + name, ExtraArgs=dict(self._result)
            )

    def download(self, name: str, file: Path) -> None:
        """See :class:`Folder`."""
        body = self._get(name)
        if body is None:
            raise FileNotFoundError(name)
        with body, file.open("wb") as target:
            for piece in body.iter_chunks(_COPIED_BYTES):
                target.write(piece)

    def names(self, most: int | None = None) -> set[str]:
        """See :class:`Folder`."""
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
        """See :class:`Folder`."""
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name, **self._managing)

    def _typed(self, name: str) -> dict[str, Any]:
        content_type = "application/json" if name.endswith(".json") else JSON_LINES
        return {**self._working, "ContentType": content_type}

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
            if "NoSuchKey" in answer_of(error):
                return None
            raise


class ObjectStorageFolder:
    """A folder in any other store that Airflow knows."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        self._path: Any = open_object(self.uri, "a folder")
        self._path.fs  # noqa: B018  reads the connection, which only this thread may

    def read(self, name: str) -> bytes | None:
        """See :class:`Folder`."""
        try:
            body: bytes = (self._path / name).read_bytes()
        except FileNotFoundError:
            return None
        return body

    def write(self, name: str, body: bytes) -> None:
        """See :class:`Folder`."""
        with self._open_for_writing(name) as target:
            target.write(body)

    def compare_and_swap(self, name: str, body: bytes, before: bytes | None) -> bool:
        """See :class:`Folder`."""
        return check_then_write(self.read, self.write, name, body, before)

    def upload(self, name: str, file: Path) -> None:
        """See :class:`Folder`."""
        with file.open("rb") as source, self._open_for_writing(name) as target:
            shutil.copyfileobj(source, target, _COPIED_BYTES)

    def download(self, name: str, file: Path) -> None:
        """See :class:`Folder`."""
        with (self._path / name).open("rb") as source, file.open("wb") as target:
            shutil.copyfileobj(source, target, _COPIED_BYTES)

    def names(self, most: int | None = None) -> set[str]:
        """See :class:`Folder`."""
        try:
            return {str(found).rstrip("/").rpartition("/")[2] for found in self._path.iterdir()}
        except FileNotFoundError:
            return set()

    def delete(self, name: str) -> None:
        """See :class:`Folder`."""
        (self._path / name).unlink(missing_ok=True)

    def _open_for_writing(self, name: str) -> Any:
        try:
            return (self._path / name).open("wb")
        except FileNotFoundError:  # no object store but a file system, such as sftp://
            self._path.mkdir(parents=True, exist_ok=True)
            return (self._path / name).open("wb")
