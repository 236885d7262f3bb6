"""What a store refuses for good is a permanent error in plain words; what a retry may mend is not."""

from __future__ import annotations

import errno
from contextlib import nullcontext
from http import HTTPStatus
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.landing.object_storage.store_errors import plain_store_errors
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.object_stores.azure import AzureBlob
from airflow_provider_wiro.storage.object_stores.google import GoogleObject

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

GOOGLE = "gs://google_prod@Bucket/0.png"
AZURE = "abfs://azure_prod@container/0.png"


def said_by_google(error: Exception) -> str:
    return said(error, GoogleObject(None, GOOGLE, "Bucket", "0.png")._plain_errors(), GOOGLE)


def said_by_azure(code: str, status: HTTPStatus) -> str:
    exceptions = pytest.importorskip("azure.core.exceptions")
    response = SimpleNamespace(status_code=status, reason=status.phrase, headers={}, content_type="")
    error = exceptions.HttpResponseError("<?xml version='1.0'?>", response=response)
    error.error_code = code
    return said(error, AzureBlob(None, AZURE, "container", "0.png").plain_errors(), AZURE)


def said(error: Exception, by_store: AbstractContextManager[None], uri: str) -> str:
    with (
        pytest.raises((WiroUsageError, WiroOutputUnavailableError)) as refused,
        plain_store_errors(uri, "path"),
        by_store,
    ):
        raise error
    is_permanent = isinstance(refused.value, WiroUsageError)
    return f"{'permanent' if is_permanent else 'passing'}: {refused.value}"


def bad_request_of_gcsfs(words: str) -> Exception:
    retry = pytest.importorskip("gcsfs.retry")
    with pytest.raises(Exception, match=words[:10]) as made:
        retry.validate_response(
            400, f'{{"error": {{"code": 400, "message": "{words}"}}}}', "b/Bucket/o/0.png"
        )
    return made.value


@pytest.mark.parametrize(
    "words", ["Invalid bucket name: 'Bucket'", "User project specified in the request is invalid."]
)
def test_a_name_that_google_never_takes_is_a_permanent_error(words: str) -> None:
    shown = said_by_google(bad_request_of_gcsfs(words))

    assert shown.startswith(f"permanent: Can't read or write {GOOGLE}: {words.rstrip('.')}")


def test_bytes_that_google_got_damaged_may_arrive_whole_the_next_time() -> None:
    shown = said_by_google(bad_request_of_gcsfs("Provided MD5 hash is invalid."))

    assert shown == f"passing: Can't read or write {GOOGLE}: Provided MD5 hash is invalid."


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidResourceName", HTTPStatus.BAD_REQUEST),
        ("OutOfRangeInput", HTTPStatus.BAD_REQUEST),
        ("InvalidBlobType", HTTPStatus.CONFLICT),
        ("BlobImmutableDueToPolicy", HTTPStatus.CONFLICT),
        ("LeaseIdMissing", HTTPStatus.PRECONDITION_FAILED),
    ],
)
def test_what_azure_never_takes_is_a_permanent_error(code: str, status: HTTPStatus) -> None:
    assert said_by_azure(code, status).startswith(
        f"permanent: Can't read or write {AZURE}: {code}: {status.phrase}. "
    )


def test_a_block_list_that_azure_does_not_know_stays_what_it_is() -> None:
    assert said_by_azure("InvalidBlockList", HTTPStatus.BAD_REQUEST).startswith("passing: ")


def test_a_blob_that_is_there_is_no_refusal() -> None:
    exceptions = pytest.importorskip("azure.core.exceptions")
    error = exceptions.ResourceModifiedError("")
    error.error_code, error.status_code = "ConditionNotMet", 412

    with (
        pytest.raises(ObjectExistsError),
        AzureBlob(None, AZURE, "container", "0.png").plain_errors(),
    ):
        raise error


def test_a_page_of_a_proxy_is_not_taken_for_a_blob(monkeypatch: pytest.MonkeyPatch) -> None:
    page = SimpleNamespace(etag=None, size=None, metadata=None, content_settings=None)
    monkeypatch.setattr(AzureBlob, "call", lambda blob, method: page)

    with (
        pytest.raises(WiroOutputUnavailableError, match="What answers is not Azure's store"),
        plain_store_errors(AZURE, "path"),
    ):
        AzureBlob(None, AZURE, "container", "0.png").facts()


def test_a_name_that_a_disk_never_takes_is_a_permanent_error() -> None:
    refusal = OSError(errno.EINVAL, "Invalid argument")

    assert said(refusal, nullcontext(), "file:///x").startswith("permanent: ")
