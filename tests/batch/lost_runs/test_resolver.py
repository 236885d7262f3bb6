"""Items whose Runs are lost: each gets its own task or none. A deferrable batch waits without a worker."""

from __future__ import annotations

import asyncio
import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch import run_sender, submission
from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger
from tests.batch.batch_work import TINY, prompts
from tests.operators.fakes import CANCELLED, DONE, RETRO

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork


def edits(tmp_path: Path, kind: str) -> tuple[str, list[dict[str, Any]]]:
    """Return a model that takes a picture, and two items that differ only in theirs."""
    items = []
    for name in ("cat", "dog"):
        path = tmp_path / f"{name}.png"
        path.write_bytes(name.encode() * (1 if name == "cat" else 2))
        file = str(path) if kind == "contents" else f"https://pictures.example.com/{name}.png"
        items.append({"parameters": {"prompt": "as a cartoon"}, "files": {"inputImage": file}})
    return "wiro/image-edit-general", items


@pytest.mark.parametrize("kind", ["contents", "urls"])
def test_items_that_differ_only_in_files_never_get_each_others_tasks(
    work: BatchWork, tmp_path: Path, kind: str
) -> None:
    """The first item's Run is answered 502 and not carried out; the second's is, and its answer is lost."""
    model, items = edits(tmp_path, kind)
    work.wiro.inject(Fault("server_error", endpoint="Run", status=502), Fault("drop_after", endpoint="Run"))

    summary = work.run(items, model=model, parameters={}, max_active=1)

    def picture(task: Any) -> Any:
        url = task.parameters.get("inputImageUrl")
        return url.rpartition("/")[2] if kind == "urls" else task.files[0].size

    by_id = {task.id: picture(task) for task in work.wiro.tasks}
    assert (summary["succeeded"], len(by_id)) == (2, 2)
    expected = ["cat.png", "dog.png"] if kind == "urls" else [len(b"cat"), len(b"dogdog")]
    assert [by_id[line["wiro_task_id"]] for line in work.manifest] == expected


def test_an_item_that_is_lost_while_anothers_files_are_read_is_looked_for_as_well(
    work: BatchWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, items = edits(tmp_path, "contents")
    work.wiro.inject(Fault("server_error", endpoint="Run", status=502), Fault("drop_after", endpoint="Run"))
    sent_files = run_sender.RunSender.sent_files

    async def until_both_are_lost(sender: run_sender.RunSender, item: Any) -> Any:
        async with asyncio.timeout(20):
            while not all(f"Item {number}: The run was sent" in work.log for number in (0, 1)):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return await sent_files(sender, item)

    monkeypatch.setattr(run_sender.RunSender, "sent_files", until_both_are_lost)

    assert work.run(items, model=model, parameters={}, max_active=2)["succeeded"] == 2
    assert len(work.wiro.tasks) == 2


def test_a_deferrable_batch_waits_for_a_lost_run_without_a_worker(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other items end meanwhile; what was lost is looked for at each wake, and sent when that is certain."""
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    work.wiro.inject(Fault("server_error", endpoint="Run", status=504))
    inputs = prompts(1)

    deferred = work.defer(inputs)

    assert isinstance(deferred.trigger, WiroBatchTrigger)
    assert deferred.trigger.wiro_task_ids == []
    assert deferred.trigger.wake_at is not None
    assert 10 < deferred.trigger.wake_at - time.time() < 130
    assert work.started == {}
    [lost] = [entry for entry in work.entries if entry["what"] == "lost"]
    assert lost["loss"] == "timeout"
    WiroHook().run_model(RETRO, {**TINY, **inputs[0]})  # the server gets to it
    event = {"status": "success", "ended": [], "try_number": 1}
    assert work.resume(deferred, inputs, event)["succeeded"] == 1
    assert work.started_once(inputs)


def test_a_lost_run_is_not_sent_again_by_a_retry_before_it_is_certain(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    work.wiro.inject(Fault("server_error", endpoint="Run", status=504))
    inputs = prompts(2)
    work.defer(inputs, max_active=1)
    work.retry()

    deferred = work.defer(inputs, max_active=1)

    assert work.wiro.counts.requests["Run"] == 1
    assert isinstance(deferred.trigger, WiroBatchTrigger)


def test_the_log_says_what_a_batch_waits_for_when_a_run_is_in_doubt(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    work.wiro.inject(Fault("server_error", endpoint="Run", status=504))

    work.defer(prompts(1))

    [line] = [line for line in work.log.lines if "still start one" in line]
    assert line.startswith("It isn't known whether the Run of item 0 has started a task.")
    assert re.search(r"until \d\d:\d\d:\d\d UTC at most, and sends nothing for it again before", line)


@pytest.mark.parametrize("is_running", [True, False], ids=["still running", "ended"])
def test_a_task_that_may_be_an_earlier_sendings_is_reported_and_left_alone(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    work.wiro.inject(Fault("drop_before", endpoint="Run"))
    inputs = prompts(3)
    started = BatchRecorder.started

    async def and_the_first_one_too(recorder: BatchRecorder, item: int, wiro_task_id: str) -> None:
        await started(recorder, item, wiro_task_id)
        if recorder.state.lost_sendings.get(item):
            monkeypatch.setattr(BatchRecorder, "started", started)
            import asyncio

            if is_running:
                work.wiro.inject(Fault("stuck_running"))
            await asyncio.to_thread(WiroHook().run_model, RETRO, {**TINY, **inputs[item]})

    monkeypatch.setattr(BatchRecorder, "started", and_the_first_one_too)

    summary = work.run(inputs, max_active=1)

    assert summary["succeeded"] == 3
    results = sum(Decimal(line["cost_usd"]) for line in work.manifest)
    assert Decimal(summary["known_cost_usd"]) + summary["unknown_costs"] > results
    [twice] = [prompt for prompt, count in work.started.items() if count == 2]
    statuses = [task.status for task in work.wiro.tasks if task.parameters["prompt"] == twice]
    assert (statuses[0], statuses[1] == DONE) == (DONE, not is_running)
    assert CANCELLED not in statuses  # it may be an equal run of another Airflow task
    assert "Item 0 was sent more than once, and these Wiro tasks may be of an earlier sending" in work.log
    work.retry()
    work.log.lines.clear()
    work.run(inputs)
    assert "sent more than once" not in work.log


def test_a_run_that_leaves_late_is_confirmed_by_the_journal_first(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "MOMENT_SECONDS", 0.0)
    work.wiro.inject(Fault("rate_limit", endpoint="Run", retry_after=0))

    assert work.run(prompts(2), max_active=1)["succeeded"] == 2

    whats = [entry["what"] for entry in work.entries]
    assert whats.count("leaving") == work.wiro.counts.requests["Run"] == 3


@pytest.mark.parametrize("whose", ["own", "shared"])
def test_a_retry_follows_what_runs_though_its_input_file_is_gone(
    work: BatchWork, tmp_path: Path, whose: str
) -> None:
    model, items = edits(tmp_path, "contents")
    files = None
    if whose == "shared":
        files, items = items[0]["files"], [{"prompt": "a"}, {"prompt": "b"}]
    work.wiro.inject(Fault("stuck_running", times=2))
    work.defer(items, model=model, parameters={}, files=files)
    for path in tmp_path.glob("*.png"):
        path.unlink()
    work.retry()

    deferred = work.defer(items, model=model, parameters={}, files=files)

    assert isinstance(deferred.trigger, WiroBatchTrigger)
    assert sorted(deferred.trigger.wiro_task_ids) == [task.id for task in work.wiro.tasks]
    assert len(work.wiro.tasks) == 2


def test_a_batch_whose_file_is_not_there_starts_nothing(work: BatchWork, tmp_path: Path) -> None:
    items = [{"prompt": "a"}, {"parameters": {}, "files": {"inputImage": str(tmp_path / "not-there.png")}}]

    with pytest.raises(Exception, match=r"Item 1 of inputs: .*not-there\.png"):
        work.run(items)

    assert work.wiro.counts.requests["Run"] == 0
