"""Which manifests are read: in S3 by the task's own connection, and below the provider's state folder."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.gallery.manifests import UnreadableManifestError, open_manifest
from tests.gallery.manifests.stored_lines import batch
from tests.transfers import gateway as stores
from tests.transfers.gateway import connect_s3
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transfers.gateway import Gateway
    from tests.transfers.s3 import S3

KEY = "wiro/batches/shots/manual__1/generate.jsonl"


def items(uri: str, at: str = "", conn_id: str | None = "aws_default") -> list[int]:
    return [line.value["item"] for line in open_manifest(uri, conn_id).page(at).lines if line.value]


def test_a_manifest_in_s3_is_read_by_ranges(s3: S3, store: Gateway) -> None:
    body = batch(10_000)
    s3.put(KEY, body)
    uri = f"s3://aws_default@{BUCKET}/{KEY}"
    assert items(uri) == list(range(60))
    assert items(uri, "item-7000") == list(range(6999, 7059))
    asked = [request.headers["range"] for request in store.of("GET")]
    assert asked[0] == "bytes=0-262143"
    assert len(store.requests) == len(asked) <= 4
    assert all("if-match" in request.headers for request in store.of("GET")[1:])


@pytest.mark.parametrize("body", [b"", batch(1), batch(100)])
def test_a_small_manifest_in_s3_is_read(s3: S3, body: bytes) -> None:
    s3.put(KEY, body)
    uri = f"s3://{BUCKET}/{KEY}"
    total = body.count(b"\n")
    assert items(uri) == list(range(min(60, total)))
    assert items(uri, f"item-{total}") == ([total - 1] if total else [])


def test_a_manifest_that_is_replaced_in_s3_is_seen_by_its_etag(s3: S3) -> None:
    s3.put(KEY, batch(5000))
    uri = f"s3://{BUCKET}/{KEY}"
    items(uri)
    s3.put(KEY, batch(8000, seed=9))
    assert items(uri, "item-7500") == list(range(7499, 7559))


def test_a_store_that_knows_no_conditions_shows_no_mixture_of_two_manifests(s3: S3, store: Gateway) -> None:
    def knows_no_conditions(request: Any) -> None:
        request.headers.pop("if-match", None)

    store.rules.append(knows_no_conditions)
    s3.put(KEY, batch(5000))
    uri = f"s3://{BUCKET}/{KEY}"
    items(uri)
    s3.put(KEY, batch(8000, seed=9))
    assert items(uri, "item-7500") == list(range(7499, 7559))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (stores.refuses("GET", 403, "AccessDenied", "no"), r"s3:GetObject"),
        (stores.refuses("GET", 404, "NoSuchKey", "no"), "not in its bucket any more"),
        (stores.refuses("GET", 400, "InvalidAccessKeyId", "AKIAX"), "can't be read with the connection"),
    ],
)
def test_why_a_manifest_cant_be_read_is_a_sentence(s3: S3, store: Gateway, rule: Any, words: str) -> None:
    s3.put(KEY, batch(10))
    store.rules.append(rule)
    with pytest.raises(UnreadableManifestError, match=words) as caught:
        items(f"s3://aws_default@{BUCKET}/{KEY}")
    assert f"s3://{BUCKET}/{KEY}" in str(caught.value)
    assert "AKIAX" not in str(caught.value)
    assert "<" not in str(caught.value)


def test_the_connection_in_a_uri_is_never_used(
    s3: S3, store: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put(KEY, batch(3))
    fields = {"conn_type": "aws", "login": "THEIRS", "password": "b", "extra": {"endpoint_url": store.origin}}
    monkeypatch.setenv("AIRFLOW_CONN_THEIRS", json.dumps(fields))
    assert items(f"s3://theirs@{BUCKET}/{KEY}") == [0, 1, 2]
    assert "THEIRS" not in store.requests[0].headers["authorization"]


def test_a_store_that_knows_no_ranges_is_read_whole_if_the_manifest_is_small(s3: S3, store: Gateway) -> None:
    body = batch(100)
    s3.put(KEY, body)

    def knows_no_ranges(request: Any) -> None:
        request.headers.pop("range", None)

    store.rules.append(knows_no_ranges)
    assert items(f"s3://{BUCKET}/{KEY}", "item-50") == list(range(49, 100))


# -- below [wiro] state_path


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    (folder / "shots" / "run").mkdir(parents=True)
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(folder))
    return folder


def test_a_local_manifest_below_the_state_is_read(state: Path) -> None:
    file = state / "shots" / "run" / "x.manifest.jsonl"
    file.write_bytes(batch(200))
    for uri in (str(file), f"file://{file}"):
        assert items(uri, "item-150") == list(range(149, 200))


def test_no_other_file_of_the_machine_is_read(state: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.jsonl"
    outside.write_bytes(batch(3))
    link = state / "link.jsonl"
    link.symlink_to(outside)
    folder = state / "folder"
    folder.symlink_to(tmp_path)
    os.mkfifo(state / "pipe.jsonl")
    beside = tmp_path / "state-2" / "x.jsonl"
    beside.parent.mkdir()
    beside.write_bytes(batch(3))
    for path in (
        outside,
        link,
        folder / "outside.jsonl",
        state / "pipe.jsonl",
        state,
        state / "none.jsonl",
        beside,
        f"{state}/../outside.jsonl",
        f"file://{state}/../outside.jsonl",
        "/etc/passwd",
        "relative.jsonl",
    ):
        with pytest.raises(UnreadableManifestError):
            items(str(path))


@pytest.mark.parametrize(
    "uri",
    [
        "gs://bucket/m.jsonl",
        "https://example.com/m.jsonl",
        "sftp://host/m.jsonl",
        "s3://",
        "s3://b",
        "s3://b/",
        "s3://b/folder/",
        "s3://b/../m.jsonl",
        "abfs://x::file:///etc/passwd",
        "s3://" + "x" * 5000,
        "",
        None,
        17,
        ["s3://b/m.jsonl"],
        "\0",
        "s3://b\n/m",
    ],
)
def test_what_is_no_place_of_a_manifest_is_a_note_and_no_error(uri: Any, state: Path) -> None:
    del state
    with pytest.raises(UnreadableManifestError) as caught:
        open_manifest(uri, "aws_default")
    assert len(str(caught.value)) <= 1100


def test_without_a_state_folder_only_s3_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AIRFLOW__WIRO__STATE_PATH", raising=False)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    file = tmp_path / "m.jsonl"
    file.write_bytes(batch(3))
    with pytest.raises(
        UnreadableManifestError, match=r"manifests in S3, and those below \[wiro\] state_path"
    ):
        items(str(file))


def test_a_state_in_s3_is_read_by_its_own_connection(
    s3: S3, store: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.put("state/x.manifest.jsonl", batch(3))
    fields = {"conn_type": "aws", "login": "STATE", "password": "b", "extra": {"endpoint_url": store.origin}}
    monkeypatch.setenv("AIRFLOW_CONN_STATE", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", f"s3://state@{BUCKET}/state")
    assert items(f"s3://state@{BUCKET}/state/x.manifest.jsonl", conn_id=None) == [0, 1, 2]
    assert "STATE" in store.requests[-1].headers["authorization"]
    connect_s3(monkeypatch, keys=("OTHER", "b"), endpoint_url=store.origin)
    s3.put("elsewhere.jsonl", batch(2))
    assert items(f"s3://state@{BUCKET}/elsewhere.jsonl") == [0, 1]
    assert "STATE" not in store.requests[-1].headers["authorization"]


def test_a_state_in_google_cloud_storage_is_read(google: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    body = batch(3000)
    google.put("state/x.manifest.jsonl", body)
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", google.uri("state"))
    uri = google.uri("state/x.manifest.jsonl")
    assert items(uri) == list(range(60))
    number = random.Random(1).randint(100, 2900)
    assert items(uri, f"item-{number}") == list(range(number - 1, number + 59))
    with pytest.raises(UnreadableManifestError, match="not in its store any more"):
        items(google.uri("state/none.jsonl"))
