"""A bucket on SeaweedFS, and what is in it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.programs.system.seaweedfs import SeaweedFS


class Bucket:
    """What is in the bucket; a test begins with nothing in it."""

    def __init__(self, server: SeaweedFS) -> None:
        self.client: Any = server.client()
        for key in self.keys:
            self.client.delete_object(Bucket=BUCKET, Key=key)

    @property
    def keys(self) -> list[str]:
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    @property
    def open_uploads(self) -> list[str]:
        return [item["Key"] for item in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]

    def head(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.head_object(Bucket=BUCKET, Key=key)
        return found

    def sha256(self, key: str) -> str:
        body: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return hashlib.sha256(body).hexdigest()
