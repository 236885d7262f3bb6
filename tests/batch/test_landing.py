"""A batch that lands its outputs in S3: an item is done when they are verified there."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.awsrequest import AWSResponse

from airflow_provider_wiro.batch.preflight import storage_probe
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.emulator.http import task_json as emulated
from airflow_provider_wiro.landing.s3 import destination
from tests.batch.batch_work import prompts
from tests.operators.fakes import DONE
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


def lands(work: BatchWork, **settings: Any) -> None:
    work.settings = {"s3_bucket": BUCKET, "s3_key": "night/{item}/{name}", "manifest_uri": None, **settings}


def manifest_in(s3: S3, uri: str) -> list[dict[str, Any]]:
    key = uri.removeprefix(f"s3://aws_default@{BUCKET}/")
    return [json.loads(line) for line in s3.get(key).decode().splitlines()]


@BOTH
def test_outputs_land_by_item_and_the_manifest_beside_them(work: BatchWork, s3: S3, deferrable: bool) -> None:
    lands(work)

    summary = work.run(prompts(8), max_active=4, deferrable=deferrable)

    uri = f"s3://aws_default@{BUCKET}/wiro/batches/dag/manual__2026-11-23/generate.jsonl"
    assert summary["manifest_uri"] == uri
    lines = manifest_in(s3, uri)
    assert [line["item"] for line in lines] == list(range(8))
    for line in lines:
        [file] = line["files"]
        assert file["uri"] == f"s3://{BUCKET}/night/{line['item']}/0.png"
        assert file["sha256"] == hashlib.sha256(s3.get(f"night/{line['item']}/0.png")).hexdigest()
    assert summary["total_bytes"] == sum(file["size"] for line in lines for file in line["files"])
    assert sorted(s3.keys) == sorted(
        [f"night/{n}/0.png" for n in range(8)] + [uri.partition(f"{BUCKET}/")[2]]
    )


def test_an_output_that_cannot_be_had_is_fetched_again_and_the_run_is_not_paid_for_twice(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    lands(work)
    inputs = prompts(2)
    with monkeypatch.context() as short:
        short.setattr("airflow_provider_wiro.downloads.ranges.PATIENCE_SECONDS", 0.1)
        work.wiro.inject(Fault("wrong_size", times=None))
        with pytest.raises(AirflowException):
            work.run(inputs, max_item_retries=0)
    paid = len(work.wiro.tasks)
    work.wiro.clear_faults()
    work.retry()

    summary = work.run(inputs)

    assert summary["succeeded"] == 2
    assert work.started_once(inputs)
    assert paid <= 2


def test_another_object_in_the_way_fails_the_item_and_nothing_is_overwritten(work: BatchWork, s3: S3) -> None:
    lands(work)
    s3.put("night/1/0.png", b"somebody else's")

    with pytest.raises(AirflowFailException, match=r"item 1: s3://outputs/night/1/0.png is there already"):
        work.run(prompts(3))

    assert s3.get("night/1/0.png") == b"somebody else's"
    work.clear()
    assert work.run(prompts(3), replace=True)["succeeded"] == 3
    assert work.started_once(prompts(3))


def test_a_bucket_that_is_not_there_is_told_before_anything_is_paid(work: BatchWork, s3: S3) -> None:
    lands(work, s3_bucket="nowhere", manifest_uri=str(work.folder / "manifest.jsonl"))

    with pytest.raises(AirflowFailException, match=r"Expected a bucket 'nowhere' .*404.* Correct s3_bucket"):
        work.run(prompts(6))

    assert work.wiro.counts.requests["Run"] == 0


class Empty(io.BytesIO):
    """The body of an answer to HEAD, as urllib3 has it."""

    def stream(self, *_: object) -> Iterator[bytes]:
        return iter(())


@pytest.mark.parametrize("status", [403, 400])
def test_a_bucket_that_may_not_be_asked_for_is_landed_into(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """To put objects, nobody needs s3:ListBucket."""
    lands(work)
    asked: list[str] = []

    def refuse(request: Any, **_: Any) -> Any:
        asked.append(request.url)
        return AWSResponse(request.url, status, {}, Empty())

    opened = destination.open_s3

    def open_s3(*arguments: Any, **settings: Any) -> Any:
        found = opened(*arguments, **settings)
        found.client.meta.events.register("before-send.s3.HeadBucket", refuse)
        return found

    monkeypatch.setattr(destination, "open_s3", open_s3)

    assert work.run(prompts(2))["succeeded"] == 2
    assert asked


def test_a_batch_that_was_done_returns_its_result_though_its_bucket_is_gone(work: BatchWork, s3: S3) -> None:
    lands(work, manifest_uri=str(work.folder / "manifest.jsonl"))
    first = work.run(prompts(2))
    for key in s3.keys:
        s3.client.delete_object(Bucket=BUCKET, Key=key)
    s3.client.delete_bucket(Bucket=BUCKET)
    work.retry()

    assert work.run(prompts(2)) == first


def test_a_bucket_that_goes_away_stops_the_batch_and_a_retry_lands_what_was_paid(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    lands(work, s3_bucket="nowhere", manifest_uri=str(work.folder / "manifest.jsonl"))
    monkeypatch.setattr(storage_probe, "check_bucket", lambda _: None)  # it was there then
    inputs = prompts(6)
    with pytest.raises(Exception, match=r"NoSuchBucket|Not Found|404"):
        work.run(inputs, max_active=2)
    paid = len(work.wiro.tasks)
    assert paid <= 4
    assert all(task.status == DONE for task in work.wiro.tasks)
    work.retry()

    assert work.run(inputs, max_active=2, s3_bucket=BUCKET)["succeeded"] == 6
    assert work.started_once(inputs)


def test_a_file_of_json_lines_in_s3_is_run_line_by_line(work: BatchWork, s3: S3) -> None:
    lands(work)
    body = "\n".join(json.dumps(item) for item in prompts(30))
    s3.put("in/tonight.jsonl", f"\ufeff{body}\n\n".encode())

    summary = work.run(f"s3://aws_default@{BUCKET}/in/tonight.jsonl", max_active=10)

    assert (summary["total"], summary["succeeded"]) == (30, 30)
    assert work.started_once(prompts(30))


def test_a_bad_line_is_named_before_anything_is_submitted(work: BatchWork, s3: S3) -> None:
    s3.put("in/tonight.jsonl", b'{"prompt": "a"}\n{"prompt": \n{"prompt": "c"}\n')

    with pytest.raises(AirflowFailException, match=r"Line 2 of s3://.*tonight.jsonl is not JSON"):
        work.run(f"s3://aws_default@{BUCKET}/in/tonight.jsonl")

    assert work.wiro.counts.requests["Run"] == 0


def test_the_journal_can_be_in_s3(work: BatchWork, s3: S3) -> None:
    inputs = prompts(6)
    work.wiro.inject(Fault("exit_code", skip=3, times=1))
    with pytest.raises(AirflowException):
        work.run(inputs, state_path=f"s3://aws_default@{BUCKET}/state", max_active=2, max_item_retries=0)
    work.retry()

    summary = work.run(inputs, state_path=f"s3://aws_default@{BUCKET}/state", max_item_retries=0)

    assert summary["succeeded"] == 6
    assert len(work.wiro.tasks) == 7
    assert any(key.startswith("state/dag/manual__2026-11-23/generate/-1.batch/") for key in s3.keys)


def test_links_that_come_late_are_waited_for(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task's first Detail after its end shows no link yet, and a size of 0."""
    lands(work)
    shown, seen = emulated.outputs_json, set[str]()

    def late(task: Any, *args: Any) -> Any:
        outputs = shown(task, *args)
        if outputs and task.id not in seen:
            seen.add(task.id)
            return [{**output, "url": "", "size": "0"} for output in outputs]
        return outputs

    monkeypatch.setattr(emulated, "outputs_json", late)

    summary = work.run(prompts(3))

    assert (summary["succeeded"], len(seen)) == (3, 3)
    assert [key for key in s3.keys if key.startswith("night/")] == [f"night/{n}/0.png" for n in range(3)]
    assert summary["total_bytes"] > 0
    assert work.started_once(prompts(3))
