"""An S3 server for the tests: moto over real HTTP, and what is in it."""

from __future__ import annotations

from typing import Any

from tests import quick_s3

BUCKET = "outputs"


class S3:
    """A bucket on a moto server."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self.client: Any = quick_s3.client(endpoint_url)
        self.client.create_bucket(Bucket=BUCKET)

    @property
    def keys(self) -> list[str]:
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    @property
    def open_uploads(self) -> list[str]:
        return [item["Key"] for item in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]

    def get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def head(self, key: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.head_object(Bucket=BUCKET, Key=key)
        return found

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body, **more)
