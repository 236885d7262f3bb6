"""By which connection outputs are read: what a DAG's author and a worker say, and never an XCom."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.gallery.cards.connections import (
    Reader,
    manifest_reader_of,
    reader_of,
    without_connection,
)
from airflow_provider_wiro.gallery.left.rows import Kind
from tests.gallery.cards.made import instance, transfer

URI = "s3://bucket/key"


@pytest.mark.parametrize("conn_id", ["aws_default", "to_s3", None])
def test_it_is_the_one_that_the_worker_rendered(conn_id: str | None) -> None:
    assert reader_of(transfer(), {"aws_conn_id": conn_id}, URI) == Reader(conn_id)


def test_without_rendered_fields_it_is_the_one_of_the_dag_file() -> None:
    assert reader_of(transfer(arguments={"aws_conn_id": "to_s3"}), None, URI) == Reader("to_s3")
    assert reader_of(transfer(arguments={"aws_conn_id": None}), None, URI) == Reader(None)


def test_what_was_rendered_counts_even_where_the_dag_file_has_another_by_now() -> None:
    assert reader_of(transfer(arguments={"aws_conn_id": "new"}), {"aws_conn_id": "old"}, URI) == Reader("old")


@pytest.mark.parametrize(
    "rendered", [None, {}, {"aws_conn_id": "***"}, {"aws_conn_id": 7}, {"aws_conn_id": ["a"]}]
)
def test_it_is_not_guessed(rendered: Any) -> None:
    assert reader_of(transfer(), rendered, URI) is None


def test_the_connection_in_a_result_s_uri_counts_for_nothing() -> None:
    rendered = {"aws_conn_id": "to_s3"}

    assert reader_of(transfer(), rendered, "s3://admin@bucket/key") == Reader("to_s3")
    assert without_connection("s3://admin@bucket/a@b") == "s3://bucket/a@b"
    assert reader_of(transfer(), rendered, "gs://admin@bucket/key") is None
    assert reader_of(transfer(), rendered, "file:///etc/passwd") is None


def test_a_transfer_to_object_storage_reads_its_own_bucket_by_its_own_connection() -> None:
    rendered = {"path": "gs://google_default@bucket/{wiro_task_id}/{name}"}

    assert reader_of(transfer(), rendered, "gs://bucket/1/a.png") == Reader("google_default")
    assert reader_of(transfer(), rendered, "gcs://other@bucket/1/a.png") == Reader("google_default")
    assert reader_of(transfer(), rendered, "gs://other/1/a.png") is None
    assert reader_of(transfer(), rendered, "s3://bucket/1/a.png") is None


def test_a_manifest_is_read_by_the_connection_of_the_place_that_the_arguments_name() -> None:
    batch = instance("batch", Kind.BATCH)
    named = {"manifest_uri": "s3://manifests@lists/a.jsonl", "aws_conn_id": "to_s3"}

    assert manifest_reader_of(batch, named, "s3://lists/a.jsonl") == Reader("manifests")
    assert manifest_reader_of(batch, named, "s3://elsewhere/a.jsonl") is None
    assert manifest_reader_of(batch, {"aws_conn_id": "to_s3"}, "s3://admin@bucket/a.jsonl") == Reader("to_s3")


@pytest.mark.parametrize("named", ["/shared/night.jsonl", "file:///shared/night.jsonl", "~/night.jsonl"])
def test_a_manifest_on_a_disk_takes_no_connection(named: str) -> None:
    batch = instance("batch", Kind.BATCH)

    assert manifest_reader_of(batch, {"manifest_uri": named}, "/shared/night.jsonl") == Reader(None)
