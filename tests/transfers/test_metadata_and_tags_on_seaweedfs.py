"""The same on a real S3 server, which checks what moto believes: descriptions, repeats, two at once."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.contract.scripts import respond
from tests.transfers.fake_wiro import BIG, LLM, PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import Calls, land

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs.system.seaweedfs import SeaweedFS
    from tests.transfers.fake_wiro import Wiro

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("connect")]

KEY = "wiro/2221/0-0.png"
BOTH = pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])


@pytest.fixture
def client(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, to which the connection ``aws_default`` leads."""
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", seaweedfs.airflow_connection())
    client: Any = seaweedfs.client()
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    yield client
    assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET)
    client.close()


@BOTH
def test_an_object_carries_its_description(wiro: Wiro, client: Any, body: bytes) -> None:
    wiro.shows(wiro.file(body))
    extra = {
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="robot.png"',
        "Metadata": {"team": "art"},
    }
    (file,) = land(tags={"team": "art dept"}, encrypt=True, extra_args=extra)["files"]
    found = client.head_object(Bucket=BUCKET, Key=KEY)
    assert (found["CacheControl"], found["ContentDisposition"]) == ("max-age=60", extra["ContentDisposition"])
    assert found["ContentType"] == file["content_type"] == "image/png"
    assert found["ServerSideEncryption"] == "AES256"
    assert found["Metadata"]["team"] == "art"
    assert found["Metadata"]["wiro-task-id"] == "2221"
    assert found["Metadata"]["airflow-dag-id"] == "nightly"
    tagged = client.get_object_tagging(Bucket=BUCKET, Key=KEY)["TagSet"]
    tags = {tag["Key"]: tag["Value"] for tag in tagged}
    assert tags["team"] == "art dept"
    assert tags["wiro-model"] == "retroAIx/Retro-Cartoons"
    assert tags["sha256"] == file["sha256"] == hashlib.sha256(body).hexdigest()
    assert client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == body


def test_a_second_run_costs_one_head_an_object(
    wiro: Wiro, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG), LLM)
    first = land(manifest=True)
    manifest = json.loads(client.get_object(Bucket=BUCKET, Key="wiro/2221/manifest.json")["Body"].read())
    assert [output["sha256"] for output in manifest["outputs"]] == [file["sha256"] for file in first["files"]]
    calls = Calls(monkeypatch)
    again = land(manifest=True)
    assert [{**file, "skipped": False} for file in again["files"]] == first["files"]
    assert sorted(operation for operation, _ in calls.made) == ["GetObject"] + ["HeadObject"] * 4


@BOTH
def test_an_object_that_came_meanwhile_is_not_overwritten(wiro: Wiro, client: Any, body: bytes) -> None:
    def meanwhile(wire: Any) -> None:
        client.put_object(Bucket=BUCKET, Key=KEY, Body=b"theirs")
        respond(body, content_type="image/png")(wire)

    wiro.shows(wiro.file(body, meanwhile))
    with pytest.raises(AirflowFailException, match="is there already"):
        land()
    assert client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == b"theirs"
