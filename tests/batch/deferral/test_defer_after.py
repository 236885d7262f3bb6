"""`defer_after` of a batch: the worker waits for its runs a while before it defers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import Fault
from tests.batch.batch_work import prompts
from tests.operators.fakes import rebuild

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.batch.batch_work import BatchWork

LONG = 600


def test_a_batch_of_short_runs_is_done_without_a_deferral(work: BatchWork, wiro: WiroEmulator) -> None:
    inputs = prompts(12)

    summary = work.operator(inputs, deferrable=True, defer_after=LONG, max_active=3).execute(work.context)

    assert (summary["succeeded"], work.events) == (12, [])
    assert work.started_once(inputs)


def test_it_defers_when_no_run_has_ended_for_that_long(work: BatchWork, wiro: WiroEmulator) -> None:
    wiro.inject(Fault("stuck_running"))
    began = time.monotonic()

    deferred = work.defer(prompts(6), defer_after=0.5, max_active=3)

    # The other five ended in the worker, one after the other.
    assert len(rebuild(deferred).wiro_task_ids) == 1
    assert sum(task.is_terminal for task in wiro.tasks) == 5
    assert time.monotonic() - began >= 0.5
    assert wiro.counts.tasks_stopped == 0


@pytest.mark.parametrize("defer_after", [0, 0.2])
def test_a_batch_that_defers_is_resumed_to_its_end(work: BatchWork, defer_after: float) -> None:
    inputs = prompts(6)

    summary = work.run(inputs, deferrable=True, defer_after=defer_after, max_active=3)

    assert summary["succeeded"] == 6
    assert work.started_once(inputs)


def test_a_deadline_before_a_deferral_may_end_is_waited_for_in_the_worker(
    work: BatchWork, wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__SHORTEST_DEFERRAL", "15")
    wiro.inject(Fault("stuck_running"))
    batch = work.operator(
        prompts(2), deferrable=True, timeout=1.5, max_item_retries=0, on_item_failure="continue"
    )

    summary = batch.execute(work.context)

    assert (summary["succeeded"], summary["failed"], work.events) == (1, 1, [])
    assert wiro.counts.tasks_stopped == 1
