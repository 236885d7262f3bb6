"""An S3 server that keeps other bytes, forbids to delete them, or leaves out what others say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import ClientError

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.landing.s3 import incomplete_uploads
from tests.transfers.fake_wiro import BIG, PNG, transfer
from tests.transfers.s3_calls import TASK_INSTANCE, Calls, land
from tests.transfers.test_flipped_bits import WHEN_REQUIRED, connect_s3, flip, flip_on_the_way

if TYPE_CHECKING:
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
RETRY = SimpleNamespace(**{**vars(TASK_INSTANCE), "try_number": 2})


def forbid_deletions(operation: str, arguments: dict[str, Any]) -> None:
    if operation == "DeleteObject":
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, operation)


def test_a_damaged_object_that_could_not_be_deleted_is_not_believed_by_the_retry(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the task and the output, and has the size: only its ETag shows what became of it."""
    connect_s3(s3, monkeypatch, WHEN_REQUIRED)
    wiro.shows(wiro.file(PNG))
    with monkeypatch.context() as damaging:
        Calls(damaging).before = forbid_deletions
        flip_on_the_way(damaging, WHEN_REQUIRED)
        with pytest.raises(WiroOutputUnavailableError, match=r"could not be deleted \(s3:DeleteObject\)"):
            transfer()
    assert s3.get(KEY) == flip(PNG)
    (line,) = [line for line in caplog.messages if "damaged" in line]
    assert "AccessDenied" in line
    with pytest.raises(AirflowFailException, match=r"is damaged.*replace=True"):
        land(ti=RETRY)
    (file,) = land(replace=True, ti=RETRY)["files"]
    assert s3.get(KEY) == PNG
    assert file["skipped"] is False


@pytest.mark.parametrize("length", [0, 1850])
def test_an_object_in_one_part_names_its_md5(wiro: Wiro, s3: S3, length: int) -> None:
    """Also where the user's own metadata leaves no room for what is only for people."""
    wiro.shows(wiro.file(PNG))
    land(extra_args={"Metadata": {"mine": "x" * length}})
    head = s3.head(KEY)
    assert head["Metadata"]["wiro-md5"] == head["ETag"].strip('"')


def test_an_object_without_a_size_is_an_error_in_words(wiro: Wiro, s3: S3, calls: Calls) -> None:
    wiro.shows(wiro.file(PNG))
    transfer()

    def without_size(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        if operation == "HeadObject":
            del answer["ContentLength"]

    calls.after = without_size
    with pytest.raises(WiroOutputUnavailableError, match="expected a Content-Length"):
        transfer()


def test_a_part_without_an_etag_is_an_error_in_words_and_leaves_nothing(
    wiro: Wiro, s3: S3, calls: Calls
) -> None:
    def without_etag(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        if operation == "UploadPart":
            del answer["ETag"]

    calls.after = without_etag
    wiro.shows(wiro.file(BIG))
    with pytest.raises(WiroOutputUnavailableError, match="without naming its ETag"):
        transfer()
    assert s3.keys == s3.open_uploads == []


def test_uploads_of_which_the_store_states_no_times_are_watched(
    wiro: Wiro, s3: S3, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incomplete_uploads, "QUIET_SECONDS", 0.3)
    left = s3.client.create_multipart_upload(Bucket="outputs", Key=KEY)["UploadId"]
    s3.client.upload_part(Bucket="outputs", Key=KEY, UploadId=left, PartNumber=1, Body=b"x")

    def without_times(operation: str, arguments: dict[str, Any], answer: Any) -> None:
        for found in [*answer.get("Uploads", ()), *answer.get("Parts", ())]:
            found.pop("Initiated", None)
            found.pop("LastModified", None)

    calls.after = without_times
    wiro.shows(wiro.file(BIG))
    land(ti=RETRY)
    assert s3.get(KEY) == BIG
    assert s3.open_uploads == []
