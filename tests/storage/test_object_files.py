"""What opening a file in an object store brings with it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.storage.object_files import open_object
from tests.input_files.object_storage import forget_stores
from tests.storage.object_stores.object_store import attach

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTION_STRING = (
    "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a;"
)


@pytest.fixture
def azures_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    adlfs = pytest.importorskip("adlfs")
    monkeypatch.delenv("AZURE_HTTP_LOGGING_LEVEL", raising=False)
    logger = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    forget_stores()
    attach("abfs", adlfs.AzureBlobFileSystem(connection_string=CONNECTION_STRING, skip_instance_cache=True))
    yield logger
    forget_stores()
    logger.setLevel(before)


def test_azures_client_does_not_log_each_request(azures_log: logging.Logger) -> None:
    open_object("abfs://container/a.png", "path")

    assert not azures_log.isEnabledFor(logging.INFO)
    assert azures_log.isEnabledFor(logging.WARNING)


def test_azures_client_logs_what_somebody_asked_for(
    azures_log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_HTTP_LOGGING_LEVEL", "INFO")
    open_object("abfs://container/a.png", "path")
    assert azures_log.level == logging.INFO

    azures_log.setLevel(logging.DEBUG)
    open_object("abfs://container/a.png", "path")
    assert azures_log.level == logging.DEBUG
