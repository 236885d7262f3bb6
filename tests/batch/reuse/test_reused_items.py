"""A batch pays for what wasn't made before; the rest is in its manifest with a cost of 0."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from tests.batch.batch_work import TINY, prompts
from tests.operators.fakes import GPT
from tests.transfers.conftest import calls
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3
    from tests.transfers.s3_calls import Calls

__all__ = ["calls"]

CARDS = "s3://aws_default@outputs/cards"
KEY = "wiro/{wiro_task_id}/{index}-{name}"


@pytest.fixture
def batch(work: BatchWork, s3: S3) -> BatchWork:
    work.settings = {"reuse_results": CARDS, "s3_bucket": BUCKET, "s3_key": KEY}
    return work


def another_run(work: BatchWork) -> None:
    """Have the next batch be another DAG run's: with a journal and a manifest of its own."""
    work.ti.run_id += "+1"
    work.ti.xcoms.clear()
    work.store.values.clear()


def test_what_was_made_yesterday_is_not_run_again(batch: BatchWork, wiro: WiroEmulator) -> None:
    batch.run(prompts(5))
    another_run(batch)
    before = {line["wiro_task_id"] for line in batch.manifest}
    summary = batch.run(prompts(7))
    assert wiro.counts.tasks_started == 7
    assert batch.statuses == ["reused"] * 5 + ["succeeded"] * 2
    assert (summary["total"], summary["succeeded"], summary["failed"], summary["reused"]) == (7, 7, 0, 5)
    lines = batch.manifest
    assert {line["wiro_task_id"] for line in lines[:5]} == before
    for line in lines[:5]:
        assert (line["cost_usd"], line["attempts"], line["reused"]) == ("0", 0, True)
        assert [file["skipped"] for file in line["files"]] == [True]
        assert line["outputs"][0]["uri"] == line["files"][0]["uri"]
        assert line["reuse"]["cost_usd"] is None or float(line["reuse"]["cost_usd"]) > 0
    assert "reused" not in lines[5]
    assert sum(float(line["cost_usd"] or 0) for line in lines) == float(summary["known_cost_usd"])
    assert "5 of 7 items were made before" in batch.log


def test_a_batch_and_a_single_run_reuse_each_others_results(batch: BatchWork, wiro: WiroEmulator) -> None:
    from airflow_provider_wiro.operators.wiro import WiroRunOperator
    from tests.operators.fakes import RETRO, FakeTi
    from tests.transfers.s3_calls import land

    run = WiroRunOperator(
        task_id="single",
        model=RETRO,
        parameters={**TINY, "prompt": "robot 0"},
        poll_interval=0.02,
        durable=False,
        reuse_results=CARDS,
        deferrable=False,
    )
    context: Any = FakeTi(task_id="single").context
    land(run.execute(context))
    batch.run(prompts(2))
    assert batch.statuses == ["reused", "succeeded"]
    assert wiro.counts.tasks_started == 2
    other = WiroRunOperator(
        task_id="single",
        model=RETRO,
        parameters={**TINY, "prompt": "robot 1"},
        durable=False,
        reuse_results=CARDS,
        deferrable=False,
    )
    assert other.execute(context)["reused"] is True


def test_outputs_land_where_this_batch_says(batch: BatchWork, s3: S3, wiro: WiroEmulator) -> None:
    batch.run(prompts(3))
    another_run(batch)
    batch.run(prompts(3), s3_key="today/{item}{suffix}")
    assert batch.statuses == ["reused"] * 3
    assert wiro.counts.tasks_started == 3
    for number, line in enumerate(batch.manifest):
        [file] = line["files"]
        assert (file["uri"], file["skipped"]) == (f"s3://{BUCKET}/today/{number}.png", False)
        assert s3.get(f"today/{number}.png") == s3.get(
            line["outputs"][0]["uri"].removeprefix(f"s3://{BUCKET}/")
        )


def test_an_object_in_the_way_fails_its_item_before_it_is_paid_for(
    batch: BatchWork, s3: S3, wiro: WiroEmulator
) -> None:
    batch.run(prompts(2))
    another_run(batch)
    s3.put("today/1.png", b"theirs")
    summary = batch.run(prompts(2), s3_key="today/{item}{suffix}", on_item_failure="continue")
    assert batch.statuses == ["reused", "failed"]
    assert "is there already" in batch.manifest[1]["error"]
    assert (summary["succeeded"], summary["failed"], summary["reused"]) == (1, 1, 1)
    assert wiro.counts.tasks_started == 2
    assert s3.get("today/1.png") == b"theirs"


def test_what_has_changed_is_run_again(batch: BatchWork, s3: S3, wiro: WiroEmulator) -> None:
    batch.run(prompts(3))
    another_run(batch)
    [file] = batch.manifest[1]["files"]
    s3.put(file["uri"].removeprefix(f"s3://{BUCKET}/"), b"other")
    batch.run(prompts(3))
    assert batch.statuses == ["reused", "succeeded", "reused"]
    assert wiro.counts.tasks_started == 4


def test_without_a_bucket_the_result_is_named_and_nothing_is_copied(batch: BatchWork, s3: S3) -> None:
    batch.run(prompts(1))
    another_run(batch)
    keys = s3.keys
    batch.settings = {"reuse_results": CARDS}
    batch.run(prompts(1))
    [line] = batch.manifest
    assert "files" not in line
    assert line["outputs"][0]["uri"].startswith(f"s3://{BUCKET}/wiro/")
    assert s3.keys == keys


def test_a_batch_that_lands_nothing_keeps_cards_of_answers_alone(
    batch: BatchWork, s3: S3, wiro: WiroEmulator
) -> None:
    batch.settings = {"reuse_results": CARDS}
    batch.run(prompts(1))
    assert [key for key in s3.keys if key.startswith("cards/")] == []
    another_run(batch)
    asked = [{"prompt": "why?"}, {"prompt": "how?"}]
    batch.run(asked, model=GPT, parameters={})
    texts = [line["text"] for line in batch.manifest]
    another_run(batch)
    batch.run(asked, model=GPT, parameters={})
    assert batch.statuses == ["reused", "reused"]
    assert [line["text"] for line in batch.manifest] == texts
    assert wiro.counts.tasks_started == 3


def test_an_answer_that_never_landed_lands_from_wiro(batch: BatchWork, s3: S3, wiro: WiroEmulator) -> None:
    batch.settings = {"reuse_results": CARDS}
    batch.run([{"prompt": "why?"}], model=GPT, parameters={})
    another_run(batch)
    batch.settings |= {"s3_bucket": BUCKET, "s3_key": KEY}
    batch.run([{"prompt": "why?"}], model=GPT, parameters={})
    [line] = batch.manifest
    assert line["status"] == "reused"
    assert [file["name"].rpartition(".")[2] for file in line["files"]] == ["json", "txt"]
    assert wiro.counts.tasks_started == 1


def test_equal_items_of_one_batch_are_each_run(batch: BatchWork, wiro: WiroEmulator) -> None:
    batch.run(prompts(1) * 2)
    assert batch.statuses == ["succeeded", "succeeded"]
    assert wiro.counts.tasks_started == 2


def test_a_retry_does_not_look_up_again_what_is_settled(
    batch: BatchWork, s3: S3, calls: Calls, wiro: WiroEmulator
) -> None:
    from airflow_provider_wiro.batch.runner import BatchRunner

    batch.run(prompts(3))
    another_run(batch)

    async def die(*_: Any, **__: Any) -> None:
        raise AirflowException("the worker is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BatchRunner, "work", die)
        with pytest.raises(AirflowException):
            batch.run(prompts(4))
    batch.retry()
    calls.clear()
    summary = batch.run(prompts(4))
    cards = [arguments["Key"] for arguments in calls.of("GetObject") if arguments["Key"].startswith("cards/")]
    assert len(cards) == 1
    assert (summary["succeeded"], summary["reused"]) == (4, 3)
    assert wiro.counts.tasks_started == 4


def test_a_run_that_an_earlier_try_has_sent_is_followed_and_not_looked_up(
    batch: BatchWork, wiro: WiroEmulator, calls: Calls
) -> None:
    from airflow_provider_wiro.batch.follower import RunFollower

    async def die(*_: Any, **__: Any) -> None:
        raise SystemExit("SIGKILL")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFollower, "follow", die)
        patch.setattr("airflow_provider_wiro.batch.worker.stop_all", lambda *_: _nothing())
        with pytest.raises(SystemExit):
            batch.run(prompts(1))
    batch.retry()
    calls.clear()
    batch.run(prompts(1))
    assert [a for a in calls.of("GetObject") if a["Key"].startswith("cards/")] == []
    assert wiro.counts.tasks_started == 1


async def _nothing() -> None:
    """Stop nothing: the process was killed outright."""


def test_deferred_batches_reuse_too(batch: BatchWork, wiro: WiroEmulator) -> None:
    batch.run(prompts(2), deferrable=True)
    another_run(batch)
    batch.run(prompts(3), deferrable=True)
    assert batch.statuses == ["reused", "reused", "succeeded"]
    assert wiro.counts.tasks_started == 3


def test_cards_that_cannot_be_read_cost_a_warning_and_the_runs(
    batch: BatchWork, calls: Calls, wiro: WiroEmulator
) -> None:
    from botocore.exceptions import ClientError

    batch.run(prompts(2))
    another_run(batch)

    def deny(operation: str, arguments: dict[str, Any]) -> None:
        if arguments.get("Key", "").startswith("cards/"):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)

    calls.before = deny
    assert batch.run(prompts(2))["reused"] == 0
    assert wiro.counts.tasks_started == 4
    assert "AccessDenied" in batch.log


def test_many_objects_are_verified_by_listing_them(
    batch: BatchWork, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_wiro.batch.reuse import listed_objects

    monkeypatch.setattr(listed_objects, "_OBJECTS_A_PAGE", 4)
    batch.run(prompts(9))
    another_run(batch)
    calls.clear()
    batch.run(prompts(9))
    assert batch.statuses == ["reused"] * 9
    assert calls.of("HeadObject") == []
    assert 1 <= len([a for a in calls.of("ListObjectsV2") if "StartAfter" in a]) <= 3


def test_local_cards_serve_a_batch_whose_files_they_can_reach(work: BatchWork, wiro: WiroEmulator) -> None:
    asked = [{"prompt": "why?"}]
    work.settings = {"reuse_results": str(work.folder / "cards"), "model": GPT, "parameters": {}}
    work.run(asked)
    another_run(work)
    work.run(asked)
    assert work.statuses == ["reused"]
    assert json.dumps(work.manifest[0])
    assert wiro.counts.tasks_started == 1


def test_a_reused_item_takes_nothing_from_the_budget(batch: BatchWork, wiro: WiroEmulator) -> None:
    films = {"model": "ByteDance/seedance-pro-v1.5", "max_cost_usd": "0.4", "on_item_failure": "continue"}
    films |= {"parameters": {"resolution": "720p", "duration": "5", "ratio": "16:9"}}  # 0.13 USD each
    batch.run(prompts(3), **films)
    another_run(batch)
    summary = batch.run(prompts(7), **films)
    assert batch.statuses == ["reused"] * 3 + ["succeeded"] * 3 + ["not_run"]
    assert (summary["reused"], summary["succeeded"], summary["not_run"]) == (3, 6, 1)
    assert (summary["cost_usd"], summary["spent_usd"]) == ("0.39", "0.39")


def test_a_refused_batch_is_refused_before_anything_is_looked_up(
    batch: BatchWork, s3: S3, calls: Calls, wiro: WiroEmulator
) -> None:
    with pytest.raises(AirflowException, match="steps"):
        batch.run([{"prompt": "a", "steps": "many"}])
    assert [a for a in calls.of("GetObject") if a["Key"].startswith("cards/")] == []
    assert wiro.counts.tasks_started == 0
