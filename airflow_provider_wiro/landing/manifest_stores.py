"""Where a manifest is: in a bucket of S3, or in any store that Airflow reaches."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
from airflow_provider_wiro.landing.object_storage.failures import plain_store_errors

if TYPE_CHECKING:
    from airflow_provider_wiro.landing.object_storage.file import StoredOutput
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.landing.s3.bucket import S3Bucket


class S3ManifestStore:
    """
    One key of a bucket. See :class:`~airflow_provider_wiro.landing.manifest_file.Place`.

    :param s3: with the arguments that go for a manifest.
    """

    def __init__(self, s3: S3Bucket, key: str, origin: Provenance) -> None:
        self.uri = f"s3://{s3.bucket}/{key}"
        self._s3 = s3
        self._key = key
        self._origin = origin

    def read(self) -> bytes | None:
        return self._s3.read(self._key, manifests.MAX_BYTES)

    def put(self, body: bytes, *, only_if_absent: bool) -> None:
        metadata = self._origin.metadata(manifests.OUTPUT, self._s3.arguments.get("Metadata"))
        description = ObjectMetadata(manifests.CONTENT_TYPE, metadata)
        self._s3.put(self._key, body, description=description, only_if_absent=only_if_absent)


class StorageManifestStore:
    """
    One file of a store. See :class:`~airflow_provider_wiro.landing.manifest_file.Place`.

    Stores know no conditional write: of two that write it at once, the last one wins.
    """

    def __init__(self, file: StoredOutput) -> None:
        self.uri = file.uri
        self._file = file

    def read(self) -> bytes | None:
        with plain_store_errors(self.uri, "manifest"):
            if self._file.facts() is None:
                return None
            with self._file.open() as file:
                found: bytes = file.read(manifests.MAX_BYTES)
        return found

    def put(self, body: bytes, *, only_if_absent: bool) -> None:
        with plain_store_errors(self.uri, "manifest"):
            self._file.write(io.BytesIO(body), expected_size=len(body), before=self._file.facts())
