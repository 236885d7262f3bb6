"""Under which keys outputs land, whatever their names, and what happens if something is there already."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import (
    WiroError,
    WiroUsageError,
)
from tests.contract.scripts import (
    chunked,
    respond,
    truncated,
)
from tests.transfers.fake_wiro import BIG, LLM, PNG, transfer
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")


# -- keys


def test_placeholders_are_filled_for_each_output(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG, name="a b.tar.gz"), LLM)
    transfer(s3_key="x/{model}/{wiro_task_id}/{index}/{stem}{suffix}/{name}")
    assert s3.keys == [
        "x/retroAIx/Retro-Cartoons/2221/0/a-b.tar.gz/a-b.tar.gz",
        "x/retroAIx/Retro-Cartoons/2221/1/answer.json/answer.json",
        "x/retroAIx/Retro-Cartoons/2221/1/answer.txt/answer.txt",
    ]


def test_the_model_is_named_as_the_run_operator_named_it(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    transfer({"wiro_task_id": "2221", "model": " wiro/Animated Logo "}, s3_key="{model}/{name}")
    assert s3.keys == ["wiro/Animated-Logo/0.png"]


def test_a_full_url_names_the_bucket(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    assert transfer(s3_key=f"s3://{BUCKET}/a/{{name}}")["files"][0]["uri"] == f"s3://{BUCKET}/a/0.png"


def test_the_bucket_of_the_connection_is_the_default(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {
        "endpoint_url": s3.endpoint_url,
        "region_name": "us-east-1",
        "service_config": {"s3": {"bucket_name": BUCKET}},
    }
    fields = {"conn_type": "aws", "login": "a", "password": "b", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))
    wiro.shows(wiro.file(PNG))
    assert transfer(s3_bucket=None)["files"][0]["uri"] == f"s3://{BUCKET}/wiro/2221/0-0.png"


@pytest.mark.parametrize(
    "arguments",
    [
        {"s3_key": f"s3://{BUCKET}/a/{{name}}", "s3_bucket": BUCKET},
        {"s3_key": "s3:///a/{name}"},
        {"s3_key": f"s3://{BUCKET}"},
        {"s3_key": ""},
        {"s3_key": "/"},
        {"s3_key": "{unknown}"},
        {"s3_key": "{}"},
        {"s3_key": "{name!r}"},
        {"s3_bucket": None},
        {"extra_args": {"NoSuchThing": 1}},
        {"extra_args": {"ChecksumSHA256": "x"}},
        {"extra_args": {"MpuObjectSize": 1}},
        {"extra_args": {"Metadata": "text"}},
        {"wiro_task_id": None},
        {"wiro_task_id": ""},
        {"wiro_task_id": {"id": "2221"}},
        {"wiro_task_id": ["2221"]},
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_asked(
    server: HostileServer, s3: S3, arguments: dict[str, Any]
) -> None:
    with pytest.raises((AirflowFailException, WiroUsageError)):
        transfer(**arguments)
    assert server.connections == 0


@pytest.mark.parametrize("template", ["same.png", "{stem}{suffix}", "{wiro_task_id}/{name}"])
def test_outputs_that_would_meet_in_one_key_are_refused_before_any_moves(
    wiro: Wiro, s3: S3, cdn: HostileServer, template: str
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(PNG + b"2"))
    with pytest.raises(AirflowFailException, match="would both land"):
        transfer(s3_key=template)
    assert cdn.requests == []
    assert s3.keys == []


@pytest.mark.parametrize("template", ["{stem}{suffix}", "{wiro_task_id}/{name}"])
def test_names_that_are_equal_are_not_advised_as_what_tells_outputs_apart(
    wiro: Wiro, s3: S3, template: str
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(PNG + b"2"))
    with pytest.raises(AirflowFailException, match=r"Put \{index\} into s3_key"):
        transfer(s3_key=template)


@pytest.mark.parametrize(
    ("shown", "key"),
    [
        ({"name": "output"}, "wiro/2221/0-output.png"),
        ({"name": "0.png?Expires=1764&Signature=a/b"}, "wiro/2221/0-0.png"),
        ({"name": "", "contenttype": ""}, "wiro/2221/0-output.png"),  # the link's path ends in .png
        ({"name": "v1.5", "contenttype": "image/jpeg"}, "wiro/2221/0-v1.5.jpg"),
        ({"name": "CON.png"}, "wiro/2221/0-CON_.png"),
    ],
)
def test_a_key_has_the_suffix_of_its_type_and_no_query(
    wiro: Wiro, s3: S3, shown: dict[str, Any], key: str
) -> None:
    wiro.shows(wiro.file(PNG, **shown))
    landed = transfer()["files"][0]
    assert s3.keys == [key]
    assert landed["name"] == key.removeprefix("wiro/2221/0-")
    assert transfer()["files"][0]["skipped"]  # a retry finds it under the same key


NAMES = [
    "../../x",
    "..\\..\\x",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/../../b",
    "x" * 300 + ".png",
    "\u0000\u0001\n\r\t.png",
    "%2e%2e%2fx",
    "{model}{name}",
    "gün doğdu 日本語 🎨.png",
    "\u202egnp.exe",
    "\ud800.png",
    "a?b#c&d=e+f.png",
    "CON.png ",
    "-rf",
    "~",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leaves_its_prefix(wiro: Wiro, s3: S3, name: str) -> None:
    wiro.shows(wiro.file(PNG, name=name))
    (file,) = transfer(s3_key="safe/{index}/{name}")["files"]
    (key,) = s3.keys
    assert key.startswith("safe/0/")
    last = key.removeprefix("safe/0/")
    assert last
    assert "/" not in last
    assert last not in {".", ".."}
    assert last.isprintable()
    assert len(last.encode()) <= 255
    assert file["uri"] == f"s3://{BUCKET}/{key}"
    assert s3.get(key) == PNG


def test_a_hostile_model_name_stays_below_its_prefix(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG), modelslugowner="../..", modelslugproject="a/../../b")
    transfer(s3_key="safe/{model}/{name}")
    assert all(part not in {".", ".."} for part in s3.keys[0].split("/"))
    assert s3.keys[0].startswith("safe/")


# -- what is there already


def test_without_replace_an_identical_object_is_skipped_unread(
    wiro: Wiro, s3: S3, cdn: HostileServer
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(BIG), LLM)
    first = transfer()
    cdn.requests.clear()
    again = transfer()
    assert [file["skipped"] for file in again["files"]] == [True] * 4
    # The digest of the large one would have to be read; a manifest remembers it (test_manifest.py).
    assert [{**file, "skipped": False} for file in again["files"]] == [
        {**file, "sha256": file["sha256"] if file["size"] < len(BIG) else None} for file in first["files"]
    ]
    assert cdn.requests == []


@pytest.mark.parametrize("other", [b"other", PNG[:-1] + b"!"])
def test_without_replace_a_different_object_is_an_error(wiro: Wiro, s3: S3, other: bytes) -> None:
    s3.put("wiro/2221/0-0.png", other)
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="is there already"):
        transfer()
    assert s3.get("wiro/2221/0-0.png") == other


@pytest.mark.parametrize("body", [PNG, BIG])
def test_without_replace_the_same_bytes_of_another_origin_are_skipped(
    wiro: Wiro, s3: S3, body: bytes
) -> None:
    metadata = {"wiro-task-id": "1", "wiro-output": "0"}
    s3.put("wiro/2221/0-0.png", body, Metadata=metadata)
    wiro.shows(wiro.file(body))
    (file,) = transfer()["files"]
    assert file["skipped"]
    assert file["sha256"] == hashlib.sha256(body).hexdigest()
    assert s3.head("wiro/2221/0-0.png")["Metadata"] == metadata


def test_with_replace_it_is_overwritten(wiro: Wiro, s3: S3) -> None:
    s3.put("wiro/2221/0-0.png", b"other")
    wiro.shows(wiro.file(PNG))
    assert not transfer(replace=True)["files"][0]["skipped"]
    assert s3.get("wiro/2221/0-0.png") == PNG


@pytest.mark.parametrize("script", [truncated(PNG[:-5]), chunked(PNG + b"!"), respond(b"", 404)])
def test_with_replace_a_failed_transfer_leaves_the_old_object(wiro: Wiro, s3: S3, script: Script) -> None:
    s3.put("wiro/2221/0-0.png", b"old")
    wiro.shows(wiro.file(PNG, script))
    with pytest.raises((AirflowFailException, WiroError)):
        transfer(replace=True)
    assert s3.get("wiro/2221/0-0.png") == b"old"


@pytest.mark.parametrize(
    "s3_key",
    ["a/../b/{name}", "{model}/../../{name}", "a/%2e%2e/{name}", "a\\..\\{name}", "a\0/{name}", "a\n/{name}"],
)
@pytest.mark.parametrize("as_manifest", [False, True])
def test_a_key_that_leaves_its_folder_is_refused_before_anything_is_read(
    wiro: Wiro, s3: S3, cdn: HostileServer, s3_key: str, as_manifest: bool
) -> None:
    wiro.shows(wiro.file(PNG))
    arguments = {"manifest": s3_key.replace("{name}", "m")} if as_manifest else {"s3_key": s3_key}
    with pytest.raises((WiroUsageError, AirflowFailException), match=r"Expected (s3_key|manifest) without"):
        transfer(**arguments)
    assert (cdn.requests, s3.keys) == ([], [])


@pytest.mark.parametrize("manifest", ["a//0.png", "a/./0.png", "/a/0.png"])
def test_a_manifest_in_an_outputs_place_is_refused_however_it_is_spelled(
    wiro: Wiro, s3: S3, cdn: HostileServer, manifest: str
) -> None:
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="would both land in"):
        transfer(s3_key="a/{name}", manifest=manifest)
    assert (cdn.requests, s3.keys) == ([], [])
