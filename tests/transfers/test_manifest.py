"""The manifest tells where each object comes from, as surely as the objects themselves are there."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.exceptions import ClientError

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError
from tests.contract.scripts import respond
from tests.transfers.fake_wiro import BIG, LLM, PNG
from tests.transfers.s3 import BUCKET
from tests.transfers.s3_calls import TASK_INSTANCE, Calls, land

if TYPE_CHECKING:
    from tests.contract.hostile import HostileServer
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

MANIFEST = "wiro/2221/manifest.json"
TIMES = {"createtime": "1734513807", "starttime": "1734513809", "endtime": "1734513813"}
PARAMETERS = {"prompt": "bir robot 🤖", "seed": "123456", "samples": 2, "hfToken": "hf-secret-123456"}


def read(s3: S3, key: str = MANIFEST) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(s3.get(key))
    return found


def test_one_of_the_version_before_is_kept_where_it_says_the_same(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), **TIMES)
    land(manifest=True)
    earlier = {
        name: value for name, value in read(s3).items() if name not in {"finish_reason", "usage", "api"}
    }
    s3.put(MANIFEST, json.dumps(earlier).encode())

    land(manifest=True)
    assert read(s3) == earlier


def test_it_says_what_was_asked_for_what_it_cost_and_what_became_of_it(
    wiro: Wiro, s3: S3, server: HostileServer
) -> None:
    wiro.shows(wiro.file(PNG), LLM, parameters=PARAMETERS, elapsedseconds="6.0000", **TIMES)
    landed = land(manifest=True)
    assert landed["manifest"] == f"s3://{BUCKET}/{MANIFEST}"
    found = read(s3)
    outputs = found.pop("outputs")
    assert found == {
        "kind": "airflow-provider-wiro/manifest",
        "schema_version": 1,
        "wiro_task_id": "2221",
        "api": f"127.0.0.1:{server.port}",
        "model": "retroAIx/Retro-Cartoons",
        "parameters": {**PARAMETERS, "hfToken": "***"},
        "seed": "123456",
        "finish_reason": None,
        "usage": None,
        "status": "task_postprocess_end",
        "state": "succeeded",
        "cost_usd": "0.00351",
        "elapsed_seconds": 6.0,
        "created_at": "2024-12-18T09:23:27+00:00",
        "started_at": "2024-12-18T09:23:29+00:00",
        "ended_at": "2024-12-18T09:23:33+00:00",
        "airflow": {
            "dag_id": "nightly",
            "run_id": "manual__2026-11-23",
            "task_id": "to_s3",
            "map_index": None,
            "try_number": 1,
        },
        "total_bytes": landed["total_bytes"],
    }
    assert outputs[0] == {
        "key": "wiro/2221/0-0.png",
        "uri": f"s3://{BUCKET}/wiro/2221/0-0.png",
        "name": "0.png",
        "size": len(PNG),
        "sha256": hashlib.sha256(PNG).hexdigest(),
        "content_type": "image/png",
        "etag": landed["files"][0]["etag"],
        "source": {
            "output": 0,
            "part": None,
            "name": "0.png",
            "content_type": "image/png",
            "host": "127.0.0.1",
        },
    }
    assert [output["source"]["part"] for output in outputs] == [None, "json", "txt"]
    assert [output["sha256"] for output in outputs] == [file["sha256"] for file in landed["files"]]


def test_that_of_another_apis_task_of_the_same_id_is_not_overwritten(wiro: Wiro, s3: S3) -> None:
    """An emulator's task 2221 is not Wiro's."""
    wiro.shows(wiro.file(PNG))
    land(manifest=True)
    theirs = json.dumps({**read(s3), "api": "api.wiro.ai"}).encode()
    s3.put(MANIFEST, theirs)
    with pytest.raises(AirflowFailException, match="is not the manifest of Wiro task 2221"):
        land(manifest=True)
    assert s3.get(MANIFEST) == theirs


def test_without_it_nothing_is_there_and_the_return_value_is_as_ever(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    assert set(land()) == {"wiro_task_id", "files", "total_bytes", "cost_usd"}
    assert s3.keys == ["wiro/2221/0-0.png"]


@pytest.mark.parametrize(
    ("wanted", "template", "key"),
    [
        (True, "{name}", "manifest.json"),
        (True, "a/{index}/{name}", "a/0/manifest.json"),
        (True, "a/{model}/{wiro_task_id}/{name}", "a/retroAIx/Retro-Cartoons/2221/manifest.json"),
        (True, f"s3://{BUCKET}/b/{{name}}", "b/manifest.json"),
        ("about/{model}/{wiro_task_id}.json", "{name}", "about/retroAIx/Retro-Cartoons/2221.json"),
        ("/about.json", "{name}", "about.json"),
    ],
)
def test_it_lies_beside_the_first_output_or_where_it_is_wanted(
    wiro: Wiro, s3: S3, wanted: bool | str, template: str, key: str
) -> None:
    wiro.shows(wiro.file(PNG))
    bucket = None if template.startswith("s3://") else BUCKET
    landed = land(s3_bucket=bucket, s3_key=template, manifest=wanted)
    assert landed["manifest"] == f"s3://{BUCKET}/{key}"
    assert read(s3, key)["wiro_task_id"] == "2221"


@pytest.mark.parametrize("wanted", ["{name}.json", "{index}", "s3://b/k", "  ", "{unknown}"])
def test_a_key_that_makes_no_sense_is_refused_before_anything_moves(
    wiro: Wiro, s3: S3, cdn: HostileServer, wanted: str
) -> None:
    wiro.shows(wiro.file(PNG))
    with pytest.raises(WiroUsageError, match="manifest"):
        land(manifest=wanted)
    assert cdn.requests == []
    assert s3.keys == []


def test_an_output_that_is_called_like_it_is_refused_before_anything_moves(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG, name="manifest.json"))
    with pytest.raises(AirflowFailException, match="would both land"):
        land(s3_key="a/{name}", manifest=True)
    assert s3.keys == []


def test_it_is_written_only_when_everything_else_is_there(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(PNG, respond(b"", 404)))
    with pytest.raises(WiroOutputUnavailableError):
        land(manifest=True)
    assert MANIFEST not in s3.keys


# -- again


def test_a_second_run_leaves_it_as_it_is_and_has_the_digests_from_it(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG), parameters=PARAMETERS, **TIMES)
    first = land(manifest=True)
    before = s3.get(MANIFEST)
    calls = Calls(monkeypatch)
    again = land(manifest=True, ti=SimpleNamespace(**{**vars(TASK_INSTANCE), "try_number": 2}))
    assert sorted(calls.made) == [
        ("GetObject", MANIFEST),
        ("HeadObject", "wiro/2221/0-0.png"),
        ("HeadObject", "wiro/2221/1-0.png"),
    ]
    assert [{**file, "skipped": False} for file in again["files"]] == first["files"]
    assert again["manifest"] == first["manifest"]
    assert s3.get(MANIFEST) == before


def test_the_digest_of_an_object_that_changed_is_not_taken_from_it(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(BIG))
    land(manifest=True)
    identity = s3.head("wiro/2221/0-0.png")["Metadata"]
    other = BIG[:-1] + b"!"
    s3.put("wiro/2221/0-0.png", other, Metadata=identity)
    (file,) = land(manifest=True)["files"]
    assert file["sha256"] in {None, hashlib.sha256(other).hexdigest()}


def test_a_manifest_that_would_say_more_is_written_again(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    land(manifest=True)
    wiro.shows(wiro.file(PNG), wiro.file(PNG + b"2"))
    land(manifest=True)
    assert len(read(s3)["outputs"]) == 2


def test_the_same_facts_are_the_same_bytes(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), parameters={"b": 1, "a": {"d": 1, "c": 2}})
    land(manifest=True)
    first = s3.get(MANIFEST)
    wiro.shows(wiro.file(PNG), parameters={"a": {"c": 2, "d": 1}, "b": 1})
    land(manifest=True, replace=True)
    assert read(s3) | {"outputs": []} == json.loads(first) | {"outputs": []}
    s3.client.delete_object(Bucket=BUCKET, Key=MANIFEST)
    land(manifest=True)
    assert len(s3.get(MANIFEST)) == len(first)


@pytest.mark.parametrize(
    "there", [b"not ours", b"{}", b"[" * 100_000, b'{"kind": "airflow-provider-wiro/manifest"}']
)
def test_something_else_in_its_place_is_not_overwritten(
    wiro: Wiro, s3: S3, cdn: HostileServer, there: bytes
) -> None:
    s3.put(MANIFEST, there)
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="is not the manifest of Wiro task 2221"):
        land(manifest=True)
    assert cdn.requests == []
    assert s3.get(MANIFEST) == there
    land(manifest=True, replace=True)
    assert read(s3)["wiro_task_id"] == "2221"


def test_another_tasks_manifest_that_came_meanwhile_is_not_overwritten(wiro: Wiro, s3: S3) -> None:
    def meanwhile(wire: Any) -> None:
        s3.put("about.json", b"theirs")
        respond(PNG, content_type="image/png")(wire)

    wiro.shows(wiro.file(PNG, meanwhile))
    with pytest.raises(AirflowFailException, match="is not the manifest"):
        land(manifest="about.json")
    assert s3.get("about.json") == b"theirs"


# -- how it is stored


@pytest.mark.parametrize(
    "public",
    [
        {"ACL": "public-read"},
        {"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'},
    ],
)
def test_it_is_kept_as_safely_as_the_outputs_but_not_shown_as_they_are(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, public: dict[str, str]
) -> None:
    calls = Calls(monkeypatch)
    wiro.shows(wiro.file(PNG))
    extra = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "key",
        "ContentType": "image/x-mine",
        "CacheControl": "immutable",
        "ContentDisposition": "attachment",
    }
    land(manifest=True, extra_args={**extra, **public})
    (creation,) = [made for made in calls.of("PutObject") if made["Key"] == MANIFEST]
    assert (creation["ServerSideEncryption"], creation["SSEKMSKeyId"]) == ("aws:kms", "key")
    assert creation["ContentType"] == "application/json"
    assert not {"ACL", "GrantRead", "CacheControl", "ContentDisposition"} & set(creation)
    assert creation["Metadata"]["wiro-output"] == "manifest"


def test_an_acl_that_shows_nothing_to_the_public_goes_for_it_too(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    wiro.shows(wiro.file(PNG))
    land(manifest=True, acl_policy="bucket-owner-full-control")
    assert [made["ACL"] for made in calls.of("PutObject")] == ["bucket-owner-full-control"] * 2


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        [],
        "text",
        {"nan": "x", "deep": [[[[["x"]]]]], "": None},
        {"\ud800": "\ud800"},
        {"p": "x" * 500_000},
    ],
)
def test_whatever_wiro_says_of_the_parameters_it_is_written(wiro: Wiro, s3: S3, parameters: Any) -> None:
    wiro.shows(wiro.file(PNG, name="\ud800.png"), parameters=parameters, createtime="-1", totalcost="NaN")
    land(manifest=True)
    assert len(s3.get(MANIFEST)) < 100_000
    assert read(s3)["schema_version"] == 1


def test_no_link_to_the_cdn_is_in_it(wiro: Wiro, s3: S3) -> None:
    """Whoever holds a link can fetch the file from Wiro, bucket policy or not."""
    output = wiro.file(PNG)
    wiro.shows(output)
    land(manifest=True)
    assert output["url"] not in s3.get(MANIFEST).decode()


def test_a_manifest_that_another_run_is_putting_at_this_moment_is_not_overwritten(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 answers 409 and shows nothing yet: the second put has the condition, too."""

    def busy(operation: str, arguments: dict[str, Any]) -> None:
        if operation == "PutObject" and arguments["Key"].endswith("manifest.json"):
            assert arguments["IfNoneMatch"] == "*"
            answer = {"Error": {"Code": "ConditionalRequestConflict"}}
            raise ClientError({**answer, "ResponseMetadata": {"HTTPStatusCode": 409}}, operation)

    Calls(monkeypatch).before = busy
    wiro.shows(wiro.file(PNG))
    with pytest.raises(WiroOutputUnavailableError, match=r"writes s3://.*manifest.json at this moment"):
        land(manifest=True)
