"""What each run of a batch brought and cost: missing outputs, answers cut off, costs that come late."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.api.responses import LARGE_BODY_BYTES
from airflow_provider_wiro.batch import late_costs, worker
from airflow_provider_wiro.batch.journal.interface import to_line
from airflow_provider_wiro.batch.results import manifest
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.emulator.http import task_json as emulated
from tests.batch.batch_work import prompts
from tests.operators.fakes import GPT

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
FILTERED = "Potential NSFW content was detected"


def test_an_item_without_outputs_succeeds_with_a_warning(work: BatchWork) -> None:
    work.wiro.inject(Fault("no_outputs", debug_output=FILTERED))

    summary = work.run(prompts(2), max_active=1)

    assert summary["succeeded"] == 2
    assert [len(line["outputs"]) for line in work.manifest] == [0, 1]
    assert "Item 0" in next(line for line in work.log.lines if FILTERED in line)


@BOTH
def test_with_min_outputs_it_is_run_again_and_both_runs_are_on_the_bill(
    work: BatchWork, deferrable: bool
) -> None:
    work.wiro.inject(Fault("no_outputs", debug_output=FILTERED))

    summary = work.run(prompts(1), min_outputs=1, deferrable=deferrable)

    first, second = work.wiro.tasks
    [line] = work.manifest
    assert (line["status"], line["attempts"], line["wiro_task_id"]) == ("succeeded", 2, second.id)
    assert Decimal(summary["cost_usd"]) == 2 * Decimal(line["cost_usd"])
    assert f"Wiro task {first.id} succeeded, and is billed, with no outputs" in work.log


def test_one_that_stays_without_outputs_fails_for_good_and_the_next_try_runs_it_again(
    work: BatchWork,
) -> None:
    work.wiro.inject(Fault("no_outputs", times=2, debug_output=FILTERED))

    with pytest.raises(AirflowException, match=FILTERED):
        work.run(prompts(1), min_outputs=1)
    assert work.statuses == ["failed"]
    work.retry()
    summary = work.run(prompts(1), min_outputs=1)

    assert (len(work.wiro.tasks), summary["succeeded"]) == (3, 1)
    [line] = work.manifest
    assert Decimal(summary["cost_usd"]) == 3 * Decimal(line["cost_usd"])


@pytest.fixture
def asks() -> Counter[str]:
    """Return which requests asked for costs once more."""
    return Counter()


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch, work: BatchWork, asks: Counter[str]) -> list[int]:
    """Have Wiro know no costs until the batch asks for them once more; return of how many tasks it asks."""
    asked: list[int] = []
    read, amount = late_costs.read_costs, emulated._amount

    async def charge(hook: Any, ids: Any) -> dict[str, str]:
        asked.append(len(ids))
        before = Counter(work.wiro.counts.requests)
        found = await read(hook, ids)
        asks.update(Counter(work.wiro.counts.requests) - before)
        return found

    monkeypatch.setattr(worker, "read_costs", charge)
    monkeypatch.setattr(emulated, "_amount", lambda usd: amount(usd) if asked else "0")
    return asked


@BOTH
def test_costs_that_come_late_are_in_the_sum_and_in_the_manifest(
    work: BatchWork, late: list[int], deferrable: bool
) -> None:
    summary = work.run(prompts(3), deferrable=deferrable)

    assert late == [3]
    costs = [Decimal(line["cost_usd"]) for line in work.manifest]
    assert Decimal(summary["cost_usd"]) == sum(costs) > 0
    assert (summary["known_cost_usd"], summary["unknown_costs"]) == (summary["cost_usd"], 0)
    assert "(that of 3 not known yet)" in work.log


def test_many_late_costs_are_read_from_a_few_pages(
    work: BatchWork, late: list[int], asks: Counter[str]
) -> None:
    summary = work.run(prompts(230), max_active=100)

    assert late == [230]
    assert summary["unknown_costs"] == 0
    assert asks == {"Task/List": 3}


def test_a_cost_that_stays_unknown_is_counted_and_not_guessed(work: BatchWork) -> None:
    work.wiro.inject(Fault("missing_fields", fields=("totalcost",)))

    summary = work.run(prompts(2), max_active=1)

    known = [line["cost_usd"] for line in work.manifest]
    assert known[0] is None
    assert (summary["cost_usd"], summary["known_cost_usd"], summary["unknown_costs"]) == (None, known[1], 1)


def test_a_retry_knows_the_costs_that_were_learned(work: BatchWork, late: list[int]) -> None:
    first = work.run(prompts(2))
    entries = [entry for entry in work.entries if entry["what"] == "cost"]
    assert len(entries) == 2

    work.ti.try_number += 1
    work.leave_journal([to_line(entry) for entry in work.entries if entry["what"] != "spent"])
    (work.folder / "manifest.jsonl").unlink()
    again = work.run(prompts(2))
    assert again["cost_usd"] == first["cost_usd"]


def test_an_answer_too_large_to_be_read_fails_its_item_alone_and_is_not_paid_for_twice(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = emulated.outputs_json

    def oversized(task: Any, *args: Any) -> Any:
        size = LARGE_BODY_BYTES if task.parameters["prompt"] == "robot 0" else 10
        return [{**output, "content": {"answer": "x" * size}} for output in shown(task, *args)]

    monkeypatch.setattr(emulated, "outputs_json", oversized)

    for _ in range(2):
        with pytest.raises(
            AirflowException, match="has ended and is paid; its response has more than 16 MiB"
        ):
            work.run(prompts(2), model=GPT, parameters={})
        work.retry()
    assert work.started_once(prompts(2))
    assert work.statuses == ["failed", "succeeded"]
    summary = work.run(prompts(2), model=GPT, parameters={}, on_item_failure="continue")
    [read] = [line["cost_usd"] for line in work.manifest if line["status"] == "succeeded"]
    costs = (summary["cost_usd"], summary["known_cost_usd"], summary["unknown_costs"])
    assert costs == (None, read, 1)


def test_large_results_are_put_into_the_manifest_a_few_at_a_time(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest, "WINDOW_BYTES", 2000)
    held: list[int] = []
    lines = manifest._lines

    def watched(items: range, record: Any, found: dict[int, bytes]) -> Any:
        held.append(sum(map(len, found.values())))
        return lines(items, record, found)

    monkeypatch.setattr(manifest, "_lines", watched)

    work.run(prompts(40))

    assert [line["item"] for line in work.manifest] == list(range(40))
    assert 1 < len(held) <= 40
    assert max(held) <= 2000
