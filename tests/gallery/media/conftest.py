from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gallery.media.media_server import MediaServer, running_media_server
from tests.gallery.stores import as_a_new_process, bucket, quick_boto3, s3, seaweedfs, store

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["as_a_new_process", "bucket", "quick_boto3", "s3", "seaweedfs", "store"]


@pytest.fixture(scope="session")
def media_server() -> Iterator[MediaServer]:
    with running_media_server() as server:
        yield server


@pytest.fixture
def media(media_server: MediaServer) -> MediaServer:
    """A server of outputs; a test begins with none."""
    media_server.outputs.clear()
    media_server.may_see_dag = lambda _: False
    return media_server
