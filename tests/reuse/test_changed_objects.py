"""A result is reused only if its bytes are those that landed, whatever the objects say of themselves."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.operators.fakes import SMALL
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import land

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operators.fakes import Work
    from tests.transfers.s3 import S3

KEY = "wiro/2221/0-0.png"


def made(work: Work, **settings: Any) -> dict[str, Any]:
    """Run the model and land what it made, as yesterday's DAG run did."""
    summary: dict[str, Any] = work.run(**settings)
    land(summary)
    work.clear()
    return summary


def edit(s3: S3) -> None:
    """Replace an object's bytes, and keep its size and metadata, as an image tool does."""
    there = s3.head(KEY)
    body = b"x" * there["ContentLength"]
    s3.client.put_object(Bucket=BUCKET, Key=KEY, Body=body, Metadata=there["Metadata"])


def test_edited_bytes_under_the_same_metadata_are_a_miss(work: Work, s3: S3) -> None:
    made(work)
    edit(s3)
    assert not work.run().get("reused")
    assert work.started == 2


def test_the_same_bytes_under_another_etag_are_a_hit(work: Work, s3: S3) -> None:
    made(work)
    body, there = s3.get(KEY), s3.head(KEY)
    where = {"Bucket": BUCKET, "Key": KEY}
    upload = s3.client.create_multipart_upload(**where, Metadata=there["Metadata"])["UploadId"]
    etag = s3.client.upload_part(**where, UploadId=upload, PartNumber=1, Body=body)["ETag"]
    parts: Any = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    assert s3.head(KEY)["ETag"] != there["ETag"]
    assert work.run()["reused"] is True


@pytest.mark.parametrize("key", [KEY, "today/0.png"], ids=["same key", "other key"])
@pytest.mark.parametrize("replace", [False, True])
def test_bytes_that_were_edited_after_the_look_up_are_not_taken(
    work: Work, s3: S3, key: str, replace: bool
) -> None:
    made(work)
    again = work.run()
    assert again["reused"] is True
    edit(s3)
    with pytest.raises(Exception, match="is gone or has changed") as caught:
        land(again, s3_key=key, replace=replace)
    assert "Clear the task of the run" in str(caught.value)
    assert "today/0.png" not in s3.keys


def test_objects_are_found_by_the_connection_of_reuse_results_too(
    work: Work, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MINIO", os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    elsewhere = json.dumps(
        {
            "conn_type": "aws",
            "login": "nobody",
            "password": "knows",
            "extra": {
                "region_name": "us-east-1",
                "endpoint_url": "http://127.0.0.1:9",
                "config_kwargs": {"retries": {"max_attempts": 1}},
            },
        }
    )
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", elsewhere)
    cards = f"s3://minio@{BUCKET}/cards"
    land(work.run(reuse_results=cards), aws_conn_id="minio")
    work.clear()
    again = work.run(reuse_results=cards)
    assert again["reused"] is True
    assert land(again, aws_conn_id="minio")["files"][0]["skipped"] is True


def test_a_transfer_to_where_no_run_looks_does_not_replace_the_card(
    work: Work, s3: S3, tmp_path: Path
) -> None:
    from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator

    summary = work.run(parameters=SMALL)
    land(summary)
    WiroToObjectStorageOperator(task_id="store", wiro_task_id=summary, path=f"{tmp_path}/{{name}}").execute(
        {}
    )  # type: ignore[typeddict-item]
    work.clear()
    assert work.run(parameters=SMALL)["reused"] is True
