from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.gallery.media.media_server import MediaServer, running_media_server
from tests.gallery.stores import as_a_new_process
from tests.transfers.conftest import _quick_boto3, bucket, moto_url, s3, seaweedfs, store

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["_quick_boto3", "as_a_new_process", "bucket", "moto_url", "s3", "seaweedfs", "store"]


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
