"""Two live processes of one task instance: a worker whose heartbeat was lost, and its retry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS
from airflow_provider_wiro.batch import runner, submission, summary
from airflow_provider_wiro.batch.journal import recorder
from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.run_sender import RunSender
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.recovery.sending import CUT_OFF_PATIENCE_SECONDS
from tests.batch.batch_work import prompts
from tests.operators.fakes import FakeTi
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork


@pytest.fixture(params=["file", "task state", "s3"])
def settings(request: pytest.FixtureRequest, work: BatchWork) -> dict[str, Any]:
    """Return settings for each place that a journal can be in."""
    work.has_state_store = request.param == "task state"
    if request.param == "s3":
        request.getfixturevalue("s3")
        return {"state_path": f"s3://aws_default@{BUCKET}/state"}
    return {}


def retries_at(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, run: int, inputs: Any, **settings: Any
) -> list[Any]:
    """Have the next try begin, and end, while an earlier one is about to send a Run; return its result."""
    returned: list[Any] = []
    second = work.operator(inputs, **settings)
    context = {**work.context, "ti": FakeTi(try_number=2)}
    send = RunSender.send
    sent = 0

    async def interrupted(sender: RunSender, *arguments: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == run:
            # To its end, though the one who waits for it here may be left.
            await asyncio.to_thread(lambda: returned.append(second.execute(context)))
        return await send(sender, *arguments)

    monkeypatch.setattr(RunSender, "send", interrupted)
    return returned


@pytest.mark.parametrize(("run", "max_active"), [(2, 1), (5, 3)], ids=["alone", "with others"])
def test_each_item_is_paid_for_once_and_the_earlier_try_says_that_it_was_overtaken(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], run: int, max_active: int
) -> None:
    """Also one whose only Run waits, for a rate limit say, and which has nothing to write meanwhile."""
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "2")
    # What the periodic look would find is found before the Run all the same.
    monkeypatch.setattr(recorder, "CHECK_SECONDS", 1000.0)
    inputs = prompts(12)
    returned = retries_at(work, monkeypatch, run, inputs, **settings)

    with pytest.raises(JournalFencedError, match="Another process writes this batch's journal"):
        work.run(inputs, max_active=max_active, **settings)

    assert returned[0]["succeeded"] == 12
    assert work.started_once(inputs)
    by_id = {task.id: task.parameters["prompt"] for task in work.wiro.tasks}
    assert [by_id[line["wiro_task_id"]] for line in work.manifest] == [item["prompt"] for item in inputs]


def test_a_run_that_leaves_late_is_confirmed_long_before_it_can_count_as_not_started() -> None:
    assert submission.MOMENT_SECONDS < CUT_OFF_PATIENCE_SECONDS / 10 < LOST_RUN_PATIENCE_SECONDS


def test_a_try_that_was_overtaken_while_its_run_was_on_its_way_says_so_at_once(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later try finds the task in Wiro's list, by the intent."""
    inputs = prompts(2)
    started = recorder.BatchRecorder.started

    async def late(self: recorder.BatchRecorder, item: int, wiro_task_id: str) -> None:
        monkeypatch.setattr(recorder.BatchRecorder, "started", started)
        assert list(work.open_journal().read())
        await started(self, item, wiro_task_id)

    monkeypatch.setattr(recorder.BatchRecorder, "started", late)
    with pytest.raises(JournalFencedError):
        work.run(inputs, max_active=1)
    assert "is recorded with the next entry" not in work.log
    work.retry()

    assert work.run(inputs)["succeeded"] == 2
    assert work.started_once(inputs)


def test_an_overtaken_try_leaves_the_manifest_to_the_later_one(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """It was done with everything but the manifest when the later try began."""
    inputs = prompts(3)
    write = summary.write_manifest
    first = work.operator(inputs, **settings)
    context = work.context

    def late(*arguments: Any, **how: Any) -> Any:
        monkeypatch.setattr(summary, "write_manifest", write)
        work.retry()
        assert work.run(inputs, **settings)["succeeded"] == 3
        (work.folder / "manifest.jsonl").write_text("of the later try\n")
        return write(*arguments, **how)

    monkeypatch.setattr(summary, "write_manifest", late)

    with pytest.raises(JournalFencedError) as failure:
        first.execute(context)

    assert not isinstance(failure.value, AirflowFailException)
    assert (work.folder / "manifest.jsonl").read_text() == "of the later try\n"
    assert work.started_once(inputs)


@pytest.mark.parametrize("moment", ["at work", "after it has ended"])
def test_an_overtaken_try_that_is_killed_stops_nothing(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], moment: str
) -> None:
    """Its supervisor has learned that the task isn't its any more. The later try follows what runs."""
    work.wiro.inject(Fault("stuck_running", times=None))
    monkeypatch.setattr(recorder, "CHECK_SECONDS", 1000.0 if moment == "at work" else 0.0)
    operator = work.operator(prompts(3), **settings)
    check_killed = runner.BatchRunner._check_owner

    async def be_overtaken(self: Any) -> None:
        if len(work.wiro.tasks) == 3 and len(self._follower.watched) == 3:
            monkeypatch.setattr(runner.BatchRunner, "_check_owner", check_killed)
            store = operator._open_journal(work.context)
            assert store is not None
            await asyncio.to_thread(lambda: list(store.read()))
            if moment == "at work":
                operator.on_kill()
        await check_killed(self)

    monkeypatch.setattr(runner.BatchRunner, "_check_owner", be_overtaken)
    with pytest.raises(Exception, match=r"was stopped|Another process writes"):
        operator.execute(work.context)
    operator.on_kill()

    assert work.wiro.counts.tasks_stopped == 0
    if moment == "at work":
        assert "Its Wiro tasks are left to that one." in work.log
