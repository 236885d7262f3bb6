"""Whose manifest is read: the task's own, whatever its result names."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.gallery.pages.manifest_place import is_own_manifest, likely_manifest
from tests.gallery.cards.made import ENDED, RUN_ID, instance, left

BATCH = instance("generate", Kind.BATCH)
LANDS: dict[str, Any] = {
    "manifest_uri": None,
    "s3_bucket": "bucket",
    "s3_key": "a/{name}",
    "aws_conn_id": "c",
}
BESIDE = f"wiro/batches/shots/{RUN_ID}/generate"


def is_own(uri: str, rendered: Any, one: Any = BATCH) -> bool:
    return is_own_manifest(uri, "shots", one, left(rendered=rendered))


@pytest.mark.parametrize(
    "uri",
    [
        f"s3://c@bucket/{BESIDE}.jsonl",
        f"s3://bucket/{BESIDE}.jsonl",
        f"s3://bucket/{BESIDE}~20261127T100000000000.jsonl",
        f"s3://bucket/wiro/batches/prod/shots/{RUN_ID}/generate.jsonl",
    ],
)
def test_the_place_that_the_operator_chooses_is_its_own(uri: str) -> None:
    assert is_own(uri, LANDS)


@pytest.mark.parametrize(
    "uri",
    [
        f"s3://bucket/wiro/batches/other_dag/{RUN_ID}/generate.jsonl",
        f"s3://bucket/wiro/batches/not_shots/{RUN_ID}/generate.jsonl",
        "s3://bucket/wiro/batches/shots/another_run/generate.jsonl",
        f"s3://bucket/wiro/batches/shots/{RUN_ID}/another.jsonl",
        f"s3://bucket/{BESIDE}-3.jsonl",
        f"s3://elsewhere/{BESIDE}.jsonl",
        f"s3://bucket/{BESIDE}.jsonl/../../secret.jsonl",
        f"file:///{BESIDE}.jsonl",
        "file:///etc/passwd",
        "https://example.com/a.jsonl",
        "",
        "a\nb",
    ],
)
def test_another_place_is_not(uri: str) -> None:
    assert not is_own(uri, LANDS)


def test_a_mapped_batch_has_a_place_for_each_index() -> None:
    mapped = instance("generate", Kind.BATCH, map_index=3)

    assert is_own(f"s3://bucket/{BESIDE}-3.jsonl", LANDS, mapped)
    assert not is_own(f"s3://bucket/{BESIDE}.jsonl", LANDS, mapped)


def test_the_place_that_the_arguments_name_is_the_only_one() -> None:
    named = {**LANDS, "manifest_uri": "s3://c@lists/night.jsonl"}

    assert is_own("s3://c@lists/night.jsonl", named)
    assert is_own("s3://lists/night.jsonl", named)
    assert not is_own(f"s3://bucket/{BESIDE}.jsonl", named)


def test_a_batch_that_lands_nothing_has_its_place_in_the_state_folder() -> None:
    nowhere = {"manifest_uri": None, "s3_bucket": None, "s3_key": None}
    run_id = "manual__2026-11-27T10%3A00%3A00%2B00%3A00"

    assert is_own(f"/state/shots/{run_id}/generate/-1.manifest.jsonl", nowhere)
    assert is_own(f"s3://c@state/wiro/shots/{run_id}/generate/-1~x1.manifest.jsonl", nowhere)
    assert not is_own(f"/state/other/{run_id}/generate/-1.manifest.jsonl", nowhere)
    assert not is_own(f"/state/shots/{run_id}/generate/-1.manifest.jsonl", LANDS)


def test_an_export_has_its_place_beside_the_export() -> None:
    export = instance("export", Kind.EXPORT)

    assert is_own(f"s3://bucket/wiro/_wiro_export/manifests/shots/{RUN_ID}/export.jsonl", LANDS, export)
    assert not is_own(f"s3://bucket/wiro/_wiro_export/manifests/other/{RUN_ID}/export.jsonl", LANDS, export)


def test_the_manifest_of_a_batch_that_failed_is_looked_for_where_it_writes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", "/state")
    named = {**LANDS, "manifest_uri": "s3://c@lists/night.jsonl"}
    nowhere = {"manifest_uri": None, "s3_bucket": None, "s3_key": None}

    def likely(rendered: Any, one: Any = BATCH) -> str | None:
        return likely_manifest(ENDED, one, left(rendered=rendered))

    assert likely(LANDS) == f"s3://bucket/{BESIDE}.jsonl"
    assert likely({**LANDS, "s3_bucket": None, "s3_key": "s3://other/{name}"}) == f"s3://other/{BESIDE}.jsonl"
    assert likely(named) == "s3://c@lists/night.jsonl"
    place = likely(nowhere)
    assert place is not None
    assert place.startswith("/state/shots/manual__2026-11-27T10%3A00%3A00%2B00%3A00/generate/-1")
    assert is_own(place, nowhere)
    assert likely(None) is None
    assert likely(LANDS, instance("export", Kind.EXPORT)) is None
