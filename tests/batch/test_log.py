"""A batch's log: what somebody reads who is woken by it, and no more of it the more items there are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.batch import log as batch_log
from airflow_provider_wiro.batch.inputs.shown_input import MOST_CHARACTERS, shown_input
from airflow_provider_wiro.batch.log import ItemLog, Progress, RunTimes
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.items import Attempt
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.recovery.sending import Sending
from tests.batch.batch_work import prompts
from tests.operators.fakes import FakeLog

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork


def recorder_of(total: int) -> Any:
    return SimpleNamespace(state=BatchState(total, try_number=1), unkept=[])


def ended(seconds: float) -> Any:
    begin = datetime(2026, 11, 27, tzinfo=UTC)
    return SimpleNamespace(
        created_at=begin, started_at=None, ended_at=begin + timedelta(seconds=seconds), elapsed_seconds=None
    )


def test_a_failed_item_is_logged_with_its_input(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", skip=2, times=1))

    with pytest.raises(AirflowException) as failure:
        work.run(prompts(4), max_active=1, max_item_retries=0)

    [line] = [line for line in work.log.lines if line.startswith("Item 2 failed: Wiro task ")]
    assert line.endswith(' Input: {"prompt": "robot 2"}')
    assert str(failure.value).endswith(' Input: {"prompt": "robot 2"}')


def test_a_batch_says_how_far_it_is_each_time_before_it_waits(work: BatchWork) -> None:
    inputs = prompts(6)

    work.run(inputs, max_active=3, deferrable=True)

    lines = [line for line in work.log.lines if " of 6 done" in line]
    assert len(lines) == len(work.events) + 1, "a line a wave, and one at the end"
    waits = [line for line in work.log.lines if "Deferring until some have ended." in line]
    assert len(waits) == len(work.events)
    assert waits[0].startswith("0 of 6 done, 0 failed, 3 running, 0 USD so far.")
    assert " left." in waits[-1]
    assert "earlier try" not in work.log


def test_an_earlier_try_is_named_where_there_was_one(work: BatchWork) -> None:
    inputs = prompts(3)
    work.wiro.inject(Fault("exit_code", skip=2, times=1))
    with pytest.raises(AirflowException):
        work.run(inputs, max_active=1, max_item_retries=0)
    assert "earlier try" not in work.log
    work.retry()

    work.run(inputs, deferrable=True)

    assert [line for line in work.log.lines if "earlier try" in line] == [
        "Continuing an earlier try's batch: 2 of 3 done, 0 running, 0 whose Run may have started a task."
    ]


@pytest.mark.parametrize("hours", [1, 10])
def test_the_log_of_a_long_batch_stays_short(hours: int) -> None:
    task_log, found = FakeLog(), recorder_of(10_000)
    progress = Progress(found, task_log, 0.0, RunTimes())
    for second in range(hours * 3600):
        if second % (hours * 36) == 0:
            found.unkept.append({"status": "succeeded", "cost_usd": "0.1"})
        progress.log(float(second), running=20)

    assert 10 <= len(task_log.lines) <= 80


def test_of_thousands_of_failures_the_first_are_logged() -> None:
    task_log, found = FakeLog(), recorder_of(10_000)
    inputs: Any = SimpleNamespace(name="Item {}".format, shown=str)
    for log in (ItemLog(task_log, inputs, found), ItemLog(task_log, inputs, found)):  # as after a deferral
        for item in range(500):
            log.failed(item, ValueError("the model failed"))
            found.state.apply(entries.run_intended(item, Attempt("digest", Sending(1_795_756_205.0), 1)))
            found.state.apply(entries.item_failed(item, (1, item), 1, may_retry=True))
            log.is_run_again(item, ValueError("the model failed"))

    assert 20 < len(task_log.lines) <= 63
    assert "Further failures, all of which the manifest has, are not logged one by one." in task_log


def test_the_time_that_is_left_goes_by_how_long_runs_take_and_how_many_run_at_once() -> None:
    times = RunTimes()
    assert times.left_seconds(pending=10, running=2) is None
    times.note(ended(60))
    times.note(ended(120))

    assert times.left_seconds(pending=20, running=2) == pytest.approx(90 * 10.5)
    assert times.left_seconds(pending=0, running=2) == pytest.approx(45)
    assert times.left_seconds(pending=5, running=0) is None


@pytest.mark.parametrize(("left", "shown"), [(0.2, "1 s"), (59, "59 s"), (600, "10 min"), (9000, "2.5 h")])
def test_the_time_that_is_left_is_said_as_people_do(left: float, shown: str) -> None:
    times = RunTimes()
    times.note(ended(2 * left))
    progress = Progress(recorder_of(1), FakeLog(), 0.0, times)

    assert progress.line(running=1) == f"0 of 1 done, 0 failed, 1 running, 0 USD so far, about {shown} left."


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "x" * 10_000},
        {f"name {number}": "value" for number in range(10_000)},
        {"parameters": {"prompt": ["y" * 100] * 500}, "files": {"inputImage": "z" * 500}},
    ],
)
def test_an_input_is_shown_in_at_most_two_hundred_characters(given: Any) -> None:
    assert len(shown_input(given)) <= MOST_CHARACTERS == 200


def test_no_secret_and_no_control_character_of_an_input_is_shown() -> None:
    token = "Zm9vYmFyMTIzNDU2Nzg5MA"
    shown = shown_input(
        {
            "previousTaskToken": token,
            "prompt": f"as {token} said\n[ERROR] forged \x1b[31m\u202e",
            "image": "https://user:pw@host/a.png?X-Amz-Signature=abc",
        }
    )

    assert token not in shown
    assert "abc" not in shown
    assert "pw@" not in shown
    assert shown.isprintable()
    assert json.loads(shown)["previousTaskToken"] == "***"


def test_kinds_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_log, "LOGGED_OF_A_KIND", 1)
    task_log = FakeLog()
    log = ItemLog(task_log, SimpleNamespace(name=str, shown=str), recorder_of(3))  # type: ignore[arg-type]
    for item in range(3):
        log.warn(item, "a warning")
    log.is_run_again(0, ValueError("why"))

    assert task_log.lines == [
        "0: a warning. Input: 0",
        "Further warnings are not logged one by one.",
        "0 failed and is tried again: why. Input: 0",
    ]
