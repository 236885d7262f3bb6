"""Two Airflow deployments that run one batch and keep their state in one place, without an environment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.batch.results.item_result import item_result
from airflow_provider_wiro.batch.results.shards import ResultShards
from airflow_provider_wiro.emulator import Fault
from tests.batch.batch_work import prompts
from tests.batch.test_landing import manifest_in
from tests.operators.fakes import FakeDagRun, FakeTi
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

START = datetime(2026, 11, 23, 2, 0, 1, tzinfo=UTC)


def two(work: BatchWork, **settings: object) -> tuple[BatchWork, BatchWork]:
    """Return the batch in each deployment."""
    work.ti.dag_run = FakeDagRun(start_date=START)
    work.settings = {"manifest_uri": None, "max_item_retries": 0, **settings}
    other = FakeTi(dag_run=FakeDagRun(start_date=START + timedelta(seconds=0.3)))
    return work, replace(work, ti=other)


def fail_partly(work: BatchWork) -> None:
    """Run a batch whose third item fails, and ends it."""
    work.wiro.inject(Fault("exit_code", skip=2, times=1))
    with pytest.raises(AirflowException, match="1 of 4 items failed"):
        work.run(prompts(4), max_active=1)
    work.wiro.clear_faults()


@pytest.mark.parametrize("place", ["local", "S3", "Airflow's store"])
def test_each_goes_on_with_its_own_journal_and_its_own_results(work: BatchWork, s3: S3, place: str) -> None:
    work.has_state_store = place == "Airflow's store"
    settings = {} if place == "local" else {"s3_bucket": BUCKET, "s3_key": "night/{wiro_task_id}/{name}"}
    if place == "S3":
        settings["state_path"] = f"s3://aws_default@{BUCKET}/state"
    one, other = two(work, **settings)
    other.store = type(other.store)()
    fail_partly(one)
    fail_partly(other)
    one.retry()
    other.retry()

    summaries = [one.run(prompts(4)), other.run(prompts(4))]

    assert [summary["succeeded"] for summary in summaries] == [4, 4]
    assert len(work.wiro.tasks) == 2 * 5
    uris = [summary["manifest_uri"] for summary in summaries]
    if place != "local":
        ids = [{line["wiro_task_id"] for line in manifest_in(s3, uri)} for uri in uris]
        assert ids[0].isdisjoint(ids[1])
        assert not [key for key in s3.keys if ".parts/" in key]
    assert uris[0] != uris[1]


@pytest.mark.parametrize("place", ["local", "S3"])
def test_a_clear_of_a_failed_dag_run_goes_on_with_its_batch(work: BatchWork, s3: S3, place: str) -> None:
    one, _ = two(work, **({"state_path": f"s3://aws_default@{BUCKET}/state"} if place == "S3" else {}))
    fail_partly(one)
    one.ti.dag_run = FakeDagRun(1, START + timedelta(hours=7))
    one.clear()
    asked = one.wiro.counts.requests["Task/Detail"]

    assert one.run(prompts(4))["succeeded"] == 4
    assert len(one.wiro.tasks) == 5
    followed = one.wiro.counts.requests["Task/Detail"] - asked
    assert followed < 40  # the results that were there were not asked for again


def test_a_journal_without_a_start_in_its_name_is_continued(work: BatchWork) -> None:
    one, _ = two(work)
    fail_partly(one)
    one.journal.rename(one.journal.with_name("-1.batch"))
    one.retry()

    assert one.run(prompts(4))["succeeded"] == 4
    assert one.journal.name == "-1.batch"
    assert len(one.wiro.tasks) == 5


def test_only_parts_of_the_own_results_are_deleted(tmp_path: Path) -> None:
    mine, theirs = ResultShards(str(tmp_path)), ResultShards(str(tmp_path))
    numbers = {parts: parts.take_number() for parts in (mine, theirs)}
    for parts, number in numbers.items():
        parts.write(number, [item_result("succeeded", 1, None)])

    retry = ResultShards(str(tmp_path))
    retry.delete({numbers[mine]})

    assert ResultShards(str(tmp_path)).numbers == {numbers[theirs]}
