"""The IAM policy of docs/guides/s3-setup.md is enough, and none of it is too much."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.contract.scripts import chunked
from tests.transfers.fake_wiro import BIG, PNG
from tests.transfers.gateway import connect_s3
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import Calls, land

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

DOCS = Path(__file__).parents[2] / "docs" / "guides" / "s3-setup.md"
POLICY: dict[str, Any] = json.loads(
    re.search(r"```json\n(\{\n  \"Version\".*?)```", DOCS.read_text(), re.DOTALL).group(1)  # type: ignore[union-attr]
)
ACTIONS = {action for statement in POLICY["Statement"] for action in statement["Action"]}

#: The action that AWS's service authorization reference names for each call.
NEEDED = {
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "PutObjectTagging": "s3:PutObjectTagging",
    "GetObjectTagging": "s3:GetObjectTagging",
}


class Try:
    """A task instance in a later try."""

    dag_id, run_id, task_id, map_index, try_number = "nightly", "manual", "to_s3", -1, 2


def land_in_all_ways(wiro: Wiro, s3: S3, **arguments: Any) -> None:
    """Land small and large, skip, replace, fail in the middle, and clean up after a try that was killed."""
    s3.client.create_multipart_upload(Bucket=BUCKET, Key="wiro/2221/1-0.png")
    wiro.shows(wiro.file(PNG), wiro.file(BIG))
    land(manifest=True, ti=Try(), **arguments)
    land(manifest=True, **arguments)
    land(manifest=True, replace=True, **arguments)
    wiro.shows(wiro.file(BIG, chunked(BIG + b"!")))
    with pytest.raises(AirflowFailException, match="more came"):
        land(replace=True, **arguments)


def test_the_calls_of_all_transfers_need_what_the_policy_allows_and_nothing_else(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.landing.s3.incomplete_uploads.QUIET_SECONDS", 0.0)
    calls = Calls(monkeypatch)
    land_in_all_ways(wiro, s3)
    made = {NEEDED[operation] for operation, _ in calls.arguments}
    # No call is ListBucket: with it S3 says 404 of what isn't there, instead of 403.
    assert made == ACTIONS - {"s3:ListBucket"}


@pytest.fixture
def role(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Have ``aws_default`` be a user whose rights moto enforces; yields a function that gives it a policy."""
    iam = boto3.client(
        "iam",
        endpoint_url=s3.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    iam.create_user(UserName="airflow")
    key = iam.create_access_key(UserName="airflow")["AccessKey"]

    def allow(policy: dict[str, Any]) -> None:
        document = json.dumps(policy).replace("my-bucket", BUCKET)
        iam.put_user_policy(UserName="airflow", PolicyName="land", PolicyDocument=document)
        requests.post(f"{s3.endpoint_url}/moto-api/reset-auth", data=b"0", timeout=5).close()

    keys = (key["AccessKeyId"], key["SecretAccessKey"])
    connect_s3(monkeypatch, keys=keys, endpoint_url=s3.endpoint_url)
    yield allow
    requests.post(f"{s3.endpoint_url}/moto-api/reset-auth", data=b"inf", timeout=5).close()


def test_the_policy_is_enough_where_rights_are_enforced(wiro: Wiro, s3: S3, role: Any) -> None:
    role(POLICY)
    wiro.shows(wiro.file(PNG), wiro.file(BIG))
    first = land(manifest=True)
    again = land(manifest=True)
    assert [file["skipped"] for file in (*first["files"], *again["files"])] == [False, False, True, True]


@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
def test_without_the_right_to_put_the_error_names_it(wiro: Wiro, s3: S3, role: Any, body: bytes) -> None:
    statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    role({"Version": "2012-10-17", "Statement": [statement]})
    wiro.shows(wiro.file(body))
    with pytest.raises(AirflowFailException, match=r"AccessDenied.*s3://outputs/wiro.*needs s3:PutObject"):
        land()
