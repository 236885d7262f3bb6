"""A bucket in a store, read and written by another client than the one that is tested."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.programs.stores.azure import Azurite
    from tests.programs.stores.google import GoogleStorage, OtherGoogleStorage


@dataclass(frozen=True)
class Seen:
    """An object as a store shows it; `metadata` with the names that the store keeps."""

    body: bytes
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class Store(ABC):
    kind: str
    scheme: str
    #: Whether the server heeds the conditions of all writes.
    heeds_conditions = True

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket

    def uri(self, key: str) -> str:
        return f"{self.scheme}://{self.bucket}/{key}"

    @property
    @abstractmethod
    def keys(self) -> list[str]: ...

    @abstractmethod
    def get(self, key: str) -> Seen: ...

    @abstractmethod
    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None: ...

    @abstractmethod
    def delete(self, key: str) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def name(self, name: str) -> str:
        """Return the name of a piece of metadata in this store."""
        return name


def attach(scheme: str, fs: Any) -> None:
    try:
        from airflow.sdk.io import attach
    except ImportError:  # Airflow 2
        from airflow.io.store import attach  # type: ignore[no-redef]
    attach(scheme, fs=fs)


class GoogleStore(Store):
    kind, scheme = "google", "gs"

    def __init__(self, server: GoogleStorage | OtherGoogleStorage, bucket: str) -> None:
        import gcsfs

        super().__init__(bucket)
        self.server = server
        self.heeds_conditions = server.heeds_conditions
        self._session = requests.Session()
        self._session.trust_env = False
        self._api = f"{server.url}/storage/v1/b"
        self._session.post(
            self._api, json={"name": bucket}, params={"project": "p"}, timeout=5
        ).raise_for_status()
        self.fs = gcsfs.GCSFileSystem(endpoint_url=server.url, token="anon", skip_instance_cache=True)
        attach("gs", self.fs)

    @property
    def keys(self) -> list[str]:
        found = self._session.get(f"{self._api}/{self.bucket}/o", timeout=5).json()
        return sorted(item["name"] for item in found.get("items", ()))

    def get(self, key: str) -> Seen:
        url = f"{self._api}/{self.bucket}/o/{quote(key, safe='')}"
        facts = self._session.get(url, timeout=5).json()
        body = self._session.get(url, params={"alt": "media"}, timeout=5).content
        return Seen(body, facts.get("contentType", ""), facts.get("metadata") or {})

    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None:
        url = f"{self.server.url}/upload/storage/v1/b/{self.bucket}/o"
        params = {"uploadType": "media", "name": key}
        self._session.post(url, params=params, data=body, timeout=5).raise_for_status()
        if metadata:
            url = f"{self._api}/{self.bucket}/o/{quote(key, safe='')}"
            self._session.patch(url, json={"metadata": dict(metadata)}, timeout=5).raise_for_status()

    def delete(self, key: str) -> None:
        url = f"{self._api}/{self.bucket}/o/{quote(key, safe='')}"
        self._session.delete(url, timeout=5).raise_for_status()

    def close(self) -> None:
        self._session.close()

    @property
    def requests(self) -> list[str]:
        """The requests that concerned this bucket."""
        return [line for line in self.server.requests if self.bucket in line]


class AzureStore(Store):
    kind, scheme = "azure", "abfs"

    def __init__(self, server: Azurite, bucket: str) -> None:
        import adlfs
        from azure.storage.blob import BlobServiceClient

        super().__init__(bucket)
        self._service = BlobServiceClient.from_connection_string(server.connection_string)
        self._container = self._service.create_container(bucket)
        self.fs = adlfs.AzureBlobFileSystem(
            connection_string=server.connection_string, skip_instance_cache=True
        )
        attach("abfs", self.fs)

    @property
    def keys(self) -> list[str]:
        return sorted(self._container.list_blob_names())

    def get(self, key: str) -> Seen:
        found = self._container.download_blob(key)
        facts = found.properties
        return Seen(found.readall(), facts.content_settings.content_type, facts.metadata)

    def put(self, key: str, body: bytes, metadata: Mapping[str, str] | None = None) -> None:
        named = {self.name(name): value for name, value in (metadata or {}).items()}
        self._container.upload_blob(key, body, overwrite=True, metadata=named)

    def delete(self, key: str) -> None:
        self._container.delete_blob(key)

    def close(self) -> None:
        self._service.close()

    def name(self, name: str) -> str:
        return name.replace("-", "_")
