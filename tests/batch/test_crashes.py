"""A worker that dies at any moment: what Wiro has started is found again, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch import execution
from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.emulator import Fault
from tests.airflow_home import ROOT
from tests.batch.batch_work import TINY, prompts
from tests.operators.fakes import DONE, RETRO
from tests.warm_python import WarmPython

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.batch.batch_work import BatchWork


def test_a_journal_that_ends_at_any_entry_costs_nothing_but_a_request(work: BatchWork) -> None:
    """
    Each length that a crash can leave, from the first task's id on, is resumed: no item is started again.

    Wiro may have started the run of an intent, but it has not started one without an intent: so those runs
    that lost their intent are left out.
    """
    inputs = prompts(3)
    work.run(inputs, max_active=3)
    lines, results = work.journal_lines, work.manifest
    first_id = [entry["what"] for entry in work.entries].index("id")
    for length in range(first_id, len(lines) + 1):
        work.leave_journal(lines[:length])

        summary = work.run(inputs, max_active=3)

        assert summary["succeeded"] == 3, length
        assert work.started_once(inputs), length
        assert [line["wiro_task_id"] for line in work.manifest] == [line["wiro_task_id"] for line in results]


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_a_batch_is_not_over_while_it_writes_down_what_became_of_a_lost_run(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    """A journal can be slow: all other items may be over before the last id is durable."""
    inputs = prompts(3)
    work.run(inputs, max_active=3)
    work.leave_journal(work.journal_lines[: [entry["what"] for entry in work.entries].index("id")])
    started = BatchRecorder.started

    async def started_last(recorder: BatchRecorder, item: int, wiro_task_id: str) -> None:
        await started(recorder, item, wiro_task_id)
        for _ in range(1000):
            if len(recorder._ended) + recorder.state.count(ItemState.DONE) == item:
                break
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)  # until that is noticed

    monkeypatch.setattr(BatchRecorder, "started", started_last)

    summary = work.run(inputs, max_active=3, deferrable=deferrable)

    assert summary["succeeded"] == 3
    assert work.started_once(inputs)


def test_without_a_journal_a_batch_starts_from_the_beginning(work: BatchWork) -> None:
    inputs = prompts(2)
    work.run(inputs)
    work.remove_journal()
    assert work.run(inputs)["succeeded"] == 2
    assert len(work.wiro.tasks) == 4


def test_a_damaged_journal_starts_nothing(work: BatchWork, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.common.compat.sdk import AirflowFailException

    monkeypatch.setattr("airflow_provider_wiro.batch.cancellation.deadline._UNHURRIED_SECONDS", 0.5)
    inputs = prompts(2)
    work.run(inputs)
    lines = work.journal_lines
    damages = [
        (2, [lines[0], "?" * len(lines[1]) + "\n", *lines[2:]]),
        (1, [*lines[1:]]),
        (2, [lines[0], '{"what":"id","item":7,"id":"1"}\n', *lines[1:]]),
        (1, [lines[0].replace('"version":1', '"version":2'), *lines[1:]]),
    ]
    for entry, damage in damages:
        file = work.leave_journal(damage)
        names = f"Expected an entry of a batch's journal, .* at line {entry + 1} of {file}, found .*paid"
        with pytest.raises(AirflowFailException, match=names):
            work.run(inputs)

    assert len(work.wiro.tasks) == 2


@pytest.mark.parametrize("kept_in", ["file", "task state"])
def test_a_try_that_dies_after_success_returns_the_same_summary_again(work: BatchWork, kept_in: str) -> None:
    work.has_state_store = kept_in == "task state"
    inputs = prompts(4)
    first = work.run(inputs)
    work.retry()

    assert work.run(inputs) == first
    assert work.started_once(inputs)


@pytest.mark.parametrize("kept_in", ["file", "task state"])
def test_after_a_clear_a_batch_that_succeeded_is_run_anew(work: BatchWork, kept_in: str) -> None:
    work.has_state_store = kept_in == "task state"
    inputs = prompts(4)
    work.run(inputs)
    work.clear()

    assert work.run(inputs)["succeeded"] == 4
    assert set(work.started.values()) == {2}
    work.retry()
    work.run(inputs)
    assert set(work.started.values()) == {2}


def test_after_a_clear_with_other_inputs_what_is_the_same_goes_on(work: BatchWork) -> None:
    """A line was corrected, one was put before all others, and one is gone."""
    from airflow.providers.common.compat.sdk import AirflowException

    work.wiro.inject(Fault("exit_code", skip=4, times=1))
    with pytest.raises(AirflowException):
        work.run(prompts(6), max_active=1, max_item_retries=0)
    assert len(work.wiro.tasks) == 5
    work.clear()
    inputs = [{"prompt": "new"}, *prompts(6)[1:4], {"prompt": "corrected"}, prompts(6)[5]]

    summary = work.run(inputs, max_item_retries=0)

    assert summary["succeeded"] == 6
    assert work.started == dict.fromkeys([f"robot {n}" for n in range(6)] + ["new", "corrected"], 1)
    by_id = {task.id: task.parameters["prompt"] for task in work.wiro.tasks}
    assert [by_id[line["wiro_task_id"]] for line in work.manifest] == [item["prompt"] for item in inputs]


def test_tasks_that_no_item_follows_any_more_are_named(work: BatchWork) -> None:
    work.wiro.inject(Fault("stuck_running", times=1))
    work.defer(prompts(2))
    lost = [task.id for task in work.wiro.tasks if task.parameters["prompt"] == "robot 0"]
    work.retry()

    assert work.run([{"prompt": "corrected"}, prompts(2)[1]])["succeeded"] == 2

    assert f"Wiro tasks of other inputs are left to end, and are billed: {lost[0]}." in work.log
    assert work.started == {"robot 0": 1, "robot 1": 1, "corrected": 1}


def test_results_that_a_crash_lost_are_read_from_wiro_again(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = prompts(5)
    with monkeypatch.context() as patch:
        patch.setattr(execution, "return_result", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            work.run(inputs)
    for part in work.folder.rglob("*.parts/*/*.jsonl"):
        part.unlink()
    work.retry()

    assert work.run(inputs)["succeeded"] == 5
    assert work.started_once(inputs)
    assert all(line["outputs"] for line in work.manifest)


PROGRAM = """
import json, sys
sys.path.insert(0, {root!r})
from tests.airflow_home import isolate_airflow
import os
connection = os.environ["AIRFLOW_CONN_WIRO_DEFAULT"]
isolate_airflow()
os.environ["AIRFLOW_CONN_WIRO_DEFAULT"] = connection
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from tests.operators.fakes import FakeTi
settings = json.loads({settings!r})
operator = WiroBatchRunOperator(task_id="generate", **settings)
print("begins", flush=True)
print(json.dumps(operator.execute({{"ti": FakeTi(try_number=int(sys.argv[1]))}})))
"""


def _numbers(twice: set[str]) -> set[int]:
    return {int(prompt.split()[1]) for prompt in twice}


def settings_of(work: BatchWork, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "model": RETRO,
        "inputs": inputs,
        "parameters": TINY,
        "max_active": 12,
        "poll_interval": 0.05,
        "state_path": str(work.folder / "state"),
        "manifest_uri": str(work.folder / "manifest.jsonl"),
    }


def kill_after(tasks: int, program: str, try_number: int, wiro: WiroEmulator) -> None:
    """
    Run a try in a process of its own, and end it with SIGKILL once Wiro has this number of tasks.

    Return when they have ended, as they have before another worker is up.
    """
    with WarmPython(program, str(try_number)) as process:
        until = time.monotonic() + 120
        while len(wiro.tasks) < tasks and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        process.kill()
    while any(task.status != DONE for task in wiro.tasks) and time.monotonic() < until:
        time.sleep(0.02)


@pytest.mark.timeout(300)
def test_a_process_that_is_killed_in_the_middle_is_resumed_and_each_item_is_paid_for_once(
    work: BatchWork, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL, again and again at different moments; then in peace. Some answers are lost as well."""
    # A Run of the dead process can still be on its way: long enough for a loaded machine.
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "5")
    inputs = prompts(120)
    wiro.inject(Fault("drop_after", endpoint="Run", skip=15, times=1))
    program = PROGRAM.format(root=str(ROOT), settings=json.dumps(settings_of(work, inputs)))
    for number, after in enumerate((3, 20, 50), start=1):
        kill_after(after, program, number, wiro)
    work.ti.try_number = 4

    summary = work.run(inputs, max_active=12)

    assert summary["succeeded"] == 120
    twice = {prompt for prompt, count in work.started.items() if count > 1}
    assert not twice, [entry for entry in work.entries if entry.get("item") in _numbers(twice)]
    assert work.started_once(inputs)
    assert all(task.status == DONE for task in wiro.tasks)
    assert [line["item"] for line in work.manifest] == list(range(120))
    assert Path(summary["manifest_uri"]).is_file()
