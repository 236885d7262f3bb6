"""Wiro's copies of an item's files are deleted once its outputs are safe, and its result is recorded."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.batch.deletion.deleter import FileDeleter
from airflow_provider_wiro.batch.results.shards import ResultShards
from airflow_provider_wiro.batch.run_sender import StoppableHook
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from tests.batch.batch_work import prompts
from tests.operators.fakes import DONE
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

DELETE = "Task/InputOutputDelete"
PNG = b"\x89PNG\r\n\x1a\n of the user's"


@pytest.fixture(autouse=True)
def _lands(work: BatchWork, s3: S3) -> None:
    work.settings = {"s3_bucket": BUCKET, "s3_key": "night/{item}/{name}", "delete_after": True}


def deleted(work: BatchWork) -> list[bool]:
    """Return of each task whether Wiro shows its outputs no more."""
    hook = WiroHook()
    return [not hook.get_task(task.id).outputs for task in work.wiro.tasks if task.status == DONE]


def model_with_a_file() -> str:
    hook = WiroHook()
    for model in hook.list_models(limit=100):
        parameters = hook.get_model(model.slug).parameters
        names = {parameter.id for parameter in parameters if parameter.required}
        if "inputImage" in {parameter.id for parameter in parameters} and names <= {"inputImage", "prompt"}:
            return model.slug
    raise LookupError("the emulator has no such model")


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_they_are_deleted_and_the_outputs_are_in_s3(work: BatchWork, s3: S3, deferrable: bool) -> None:
    summary = work.run(prompts(6), max_active=3, deferrable=deferrable)

    assert (summary["deleted"], summary["not_deleted"]) == (6, 0)
    assert deleted(work) == [True] * 6
    for line in work.manifest:
        assert line["deleted"] is True
        [file] = line["files"]
        assert file["sha256"] == hashlib.sha256(s3.get(f"night/{line['item']}/0.png")).hexdigest()
    work.retry()
    assert work.run(prompts(6), max_active=3, deferrable=deferrable) == summary


def test_nothing_is_deleted_before_its_result_is_in_the_journal(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    delete = StoppableHook.delete_task_files

    async def watched(hook: StoppableHook, wiro_task_id: str) -> None:
        kept = work.entries
        [item] = [one["item"] for one in kept if one["what"] == "id" and one["id"] == wiro_task_id]
        is_recorded = any(one["what"] == "done" and one["item"] == item for one in kept)
        found.append(is_recorded and f"night/{item}/0.png" in s3.keys)
        await delete(hook, wiro_task_id)

    monkeypatch.setattr(StoppableHook, "delete_task_files", watched)
    work.run(prompts(5))
    assert found == [True] * 5


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_retry_deletes_what_a_crash_has_left(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    async def die(hook: StoppableHook, wiro_task_id: str) -> None:
        if dies == "after":
            await delete(hook, wiro_task_id)
        raise RuntimeError("the worker dies")

    delete = StoppableHook.delete_task_files
    with monkeypatch.context() as dying:
        dying.setattr(StoppableHook, "delete_task_files", die)
        with pytest.raises(RuntimeError):
            work.run(prompts(3))
    assert any(deleted(work)) == (dies == "after")
    work.retry()

    summary = work.run(prompts(3))

    assert (summary["succeeded"], summary["deleted"]) == (3, 3)
    assert deleted(work) == [True] * 3
    assert work.started_once(prompts(3))
    assert all(line["files"] for line in work.manifest)


def test_a_journal_that_ends_at_any_entry_after_the_results_is_continued(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each length that a crash can leave once a deletion may have begun."""
    monkeypatch.setattr(ResultShards, "delete", lambda *_: None)
    inputs = prompts(3)
    first, manifest = work.run(inputs), work.manifest
    lines = work.journal_lines
    last_done = max(number for number, line in enumerate(lines) if '"what":"done"' in line)
    for length in range(last_done + 1, len(lines)):
        work.leave_journal(lines[:length])

        assert work.run(inputs) == first, length
        assert work.manifest == manifest
        assert work.started_once(inputs), length


def test_an_input_in_wiros_storage_stays_with_its_item_unless_the_author_allows_it(
    work: BatchWork, tmp_path: Path
) -> None:
    picture = tmp_path / "own.png"
    picture.write_bytes(PNG)
    upload = WiroHook().upload_file(str(picture))
    inputs = [
        {"parameters": {"prompt": "by url"}, "files": {"inputImage": upload.url}},
        {"parameters": {"prompt": "by bytes"}, "files": {"inputImage": str(picture)}},
    ]
    settings = {"model": model_with_a_file(), "parameters": {}}

    summary = work.run(inputs, **settings)

    assert (summary["deleted"], summary["not_deleted"]) == (1, 1)
    assert [line["deleted"] for line in work.manifest] == [False, True]
    assert "stay at Wiro: it has inputs in Wiro's storage that other runs may need ('inputImage" in work.log
    work.clear()
    assert work.run(inputs, **settings, delete_shared_inputs=True, replace=True)["deleted"] == 2


def test_a_file_of_all_items_is_sent_with_each_so_that_none_takes_it_from_another(
    work: BatchWork, tmp_path: Path
) -> None:
    picture = tmp_path / "own.png"
    picture.write_bytes(PNG)
    summary = work.run(
        prompts(5),
        model=model_with_a_file(),
        parameters={},
        files={"inputImage": str(picture)},
        max_active=1,
        max_item_retries=0,
    )
    assert (summary["succeeded"], summary["deleted"]) == (5, 5)


def test_while_wiro_cannot_be_reached_the_task_fails_and_a_retry_deletes(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_wiro.exceptions import WiroConnectionError

    async def unreachable(hook: StoppableHook, wiro_task_id: str) -> None:
        raise WiroConnectionError("Wiro can't be reached.")

    with monkeypatch.context() as down:
        down.setattr(StoppableHook, "delete_task_files", unreachable)
        with pytest.raises(AirflowException, match=r"files of 3 Wiro tasks could not be deleted .* A retry"):
            work.run(prompts(3))
    assert deleted(work) == [False] * 3
    work.retry()

    assert work.run(prompts(3))["deleted"] == 3
    assert work.started_once(prompts(3))


def test_a_deletion_that_wiro_refuses_is_counted_and_fails_nothing(work: BatchWork) -> None:
    refusal = Fault("api_error", endpoint=DELETE, code=7, message="This task's files are locked.", times=1)
    work.wiro.inject(refusal)

    summary = work.run(prompts(2), max_active=1)

    assert (summary["succeeded"], summary["deleted"], summary["not_deleted"]) == (2, 1, 1)
    assert "stay at Wiro: " in work.log


def test_a_batch_that_fails_deletes_what_has_landed(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", skip=1, times=1))
    with pytest.raises(AirflowException):
        work.run(prompts(3), max_active=1, max_item_retries=0)
    assert work.wiro.counts.requests[DELETE] == 1
    assert [line.get("deleted") for line in work.manifest] == [True, None, None]
    work.retry()
    assert work.run(prompts(3), max_active=1)["deleted"] == 3


def test_what_was_made_before_is_not_deleted(work: BatchWork) -> None:
    settings = {"reuse_results": str(work.folder / "cards"), "delete_after": False}
    work.run(prompts(2), **settings)
    work.clear()
    summary = work.run(prompts(2), **{**settings, "delete_after": True})
    assert (summary["reused"], summary["deleted"], summary["not_deleted"]) == (2, 0, 0)
    assert deleted(work) == [False] * 2


def test_an_item_with_another_id_keeps_its_result_where_wiro_has_no_files_any_more(
    work: BatchWork, s3: S3
) -> None:
    def named(first: str) -> list[dict[str, Any]]:
        return [{"id": one, "parameters": {"prompt": one[:1]}} for one in (first, "b")]

    settings = {"s3_key": "night/{id}/{name}"}
    work.wiro.inject(Fault("exit_code", skip=1, times=1))
    with pytest.raises(AirflowException):
        work.run(named("a"), max_active=1, max_item_retries=0, **settings)
    work.retry()

    summary = work.run(named("a2"), max_active=1, **settings)

    assert (summary["succeeded"], summary["deleted"]) == (2, 2)
    assert work.manifest[0]["files"][0]["uri"] == f"s3://{BUCKET}/night/a/0.png"
    assert work.started == {"a": 1, "b": 2}


def test_where_the_results_are_lost_after_the_deletion_nothing_is_paid_again(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", skip=1, times=1))
    with pytest.raises(AirflowException):
        work.run(prompts(2), max_active=1, max_item_retries=0)
    [parts] = work.folder.glob("manifest.jsonl.parts/*")
    shutil.rmtree(parts)
    work.retry()

    with pytest.raises(AirflowFailException, match="landed in S3 and were deleted from Wiro"):
        work.run(prompts(2), max_active=1)

    assert work.started["robot 0"] == 1


def test_a_killed_try_deletes_nothing_more(work: BatchWork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state knows what is left."""
    seen: list[str] = []

    async def watch(deleter: FileDeleter, item: int) -> None:
        seen.append(str(item))
        deleter._hook.stop()
        deleter._hook.check()

    monkeypatch.setattr(FileDeleter, "_delete", watch)
    from airflow_provider_wiro.failures import TaskStoppedError

    with pytest.raises((TaskStoppedError, AirflowException)):
        work.run(prompts(1))
    assert seen == ["0"]
    assert work.wiro.counts.requests[DELETE] == 0


@pytest.mark.parametrize("argument", [{"delete_after": True}, {"asset_events": "each"}])
def test_without_landing_it_fails_the_dag_file(argument: dict[str, Any]) -> None:
    with pytest.raises(WiroUsageError, match=r"this batch lands nothing\. Give s3_bucket"):
        WiroBatchRunOperator(task_id="t", model="a/b", inputs=[], **argument)


def test_an_earlier_version_ignores_what_it_does_not_know() -> None:
    """The journal's entry is one of foreign tasks, without any."""
    entry = entries.files_deleted([0])
    assert (entry["what"], entry["ids"]) == ("known", [])
    state = BatchState(1, try_number=1)
    state.apply({"what": "known", "ids": []})
    assert state.known_ids.largest is None
