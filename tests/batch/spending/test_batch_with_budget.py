"""A batch with a budget, against a Wiro that counts what it bills: the bill never exceeds the budget."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.batch.preflight import model_rules
from airflow_provider_wiro.batch.spending import gate
from airflow_provider_wiro.catalog.estimate import Estimate
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.emulator.state.task import Task
from airflow_provider_wiro.exceptions import WiroConnectionError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.metrics.run_metrics import RunMetrics

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork

SEEDANCE = "ByteDance/seedance-pro-v1.5"
#: 0.13 USD each.
FILM = {"resolution": "720p", "duration": "5", "ratio": "16:9"}
BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(gate, "PATIENCE_SECONDS", 0.5)


def films(count: int, **parameters: str) -> list[dict[str, Any]]:
    return [{"prompt": f"film {number}", **parameters} for number in range(count)]


def run(work: BatchWork, inputs: Any, budget: Any, **settings: Any) -> dict[str, Any]:
    defaults = {"model": SEEDANCE, "parameters": FILM, "max_cost_usd": budget, "on_item_failure": "continue"}
    summary: dict[str, Any] = work.run(inputs, **{**defaults, **settings})
    return summary


def billed(work: BatchWork) -> Decimal:
    return Decimal(str(work.wiro.counts.spent_usd)).quantize(Decimal("0.0001"))


@BOTH
def test_what_the_budget_does_not_allow_is_not_run_and_says_why(work: BatchWork, deferrable: bool) -> None:
    summary = run(work, films(10), 0.5, deferrable=deferrable)

    assert (summary["succeeded"], summary["failed"], summary["not_run"]) == (3, 0, 7)
    assert (summary["budget_usd"], summary["spent_usd"], summary["cost_usd"]) == ("0.5", "0.39", "0.39")
    assert billed(work) == Decimal("0.39")
    assert work.started == Counter(f"film {number}" for number in range(3))
    assert work.statuses == ["succeeded"] * 3 + ["not_run"] * 7
    assert work.manifest[9]["error"] == (
        "The budget of 0.5 USD doesn't allow it: 0.39 USD are spent. It may cost 0.13 USD."
    )
    assert "Item 3 is not run: The budget of 0.5 USD doesn't allow it" in work.log
    assert "Estimated cost of the batch: 1.3 USD for 10 items." in work.log


def test_a_cheaper_item_still_fits_after_a_dear_one(work: BatchWork) -> None:
    items = [
        {"prompt": "long", "resolution": "1080p", "duration": "10"},  # 0.58
        {"prompt": "short"},
        {"prompt": "small", "resolution": "480p"},  # 0.06
    ]
    run(work, items, "0.2", max_active=1)

    assert work.started == Counter(["short", "small"])
    assert billed(work) == Decimal("0.19")


def test_without_a_budget_the_summary_has_no_budget(work: BatchWork) -> None:
    summary = run(work, films(1), None)

    assert summary["succeeded"] == 1
    assert not {"budget_usd", "spent_usd", "not_run"} & summary.keys()


@BOTH
def test_where_a_failure_ends_the_batch_the_budget_does_and_a_retry_sends_nothing(
    work: BatchWork, deferrable: bool
) -> None:
    inputs, settings = films(5), {"on_item_failure": "fail", "deferrable": deferrable}
    with pytest.raises(AirflowFailException, match=r"max_cost_usd=0\.3 has ended the batch: 2 of 5 items"):
        run(work, inputs, 0.3, **settings)
    work.retry()
    with pytest.raises(AirflowFailException, match=r"max_cost_usd=0\.3 has ended the batch: 2 of 5"):
        run(work, inputs, 0.3, **settings)
    assert (len(work.wiro.tasks), work.wiro.counts.requests["Run"]) == (2, 2)
    assert work.statuses == ["succeeded"] * 2 + ["not_run"] * 3

    work.retry()
    summary = run(work, inputs, 0.65, **settings)

    assert (summary["succeeded"], summary["spent_usd"]) == (5, "0.65")
    assert work.started_once(inputs)


def test_the_budget_holds_for_all_tries_together(work: BatchWork) -> None:
    """Two runs succeed and two fail; the next try may spend only what is left."""
    work.wiro.inject(Fault("no_outputs", times=2))
    with pytest.raises(AirflowException):
        run(work, films(4), 0.4, min_outputs=1, max_item_retries=0, on_item_failure="fail", max_active=2)
    assert billed(work) == Decimal("0.26")  # too few outputs are paid for
    work.retry()

    with pytest.raises(AirflowFailException, match=r"max_cost_usd=0\.4 has ended the batch: 1 of 4"):
        run(work, films(4), 0.4, min_outputs=1, max_item_retries=0, on_item_failure="fail")

    assert billed(work) == Decimal("0.39")


def test_a_failed_run_is_free_and_another_item_can_have_its_share(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", times=1))

    summary = run(work, films(4), 0.39, max_active=1, max_item_retries=0)

    assert (summary["succeeded"], summary["failed"], summary["not_run"]) == (3, 1, 0)
    assert summary["spent_usd"] == "0.39"


@BOTH
def test_items_wait_for_runs_that_may_cost_less_than_they_could(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    """Each may cost 0.26, and costs 0.13: two fit at once, then one more."""
    estimate = Estimate(Decimal("0.13"), Decimal("0.26"), "cpo")
    monkeypatch.setattr(model_rules, "estimate", lambda *_: estimate)

    summary = run(work, films(6), 0.52, deferrable=deferrable)

    assert (summary["succeeded"], summary["not_run"], summary["spent_usd"]) == (3, 3, "0.39")
    tasks = work.wiro.tasks
    assert tasks[2].created_at >= max(task.history[-1][1] for task in tasks[:2])


def test_costs_that_wiro_records_late_are_read_before_an_item_is_given_up(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimate = Estimate(Decimal("0.13"), Decimal("0.26"), "cpo")
    monkeypatch.setattr(model_rules, "estimate", lambda *_: estimate)
    work.wiro.inject(Fault("late_cost", seconds=0.3, times=10))

    summary = run(work, films(3), 0.4)

    assert (summary["succeeded"], summary["not_run"], summary["spent_usd"]) == (2, 1, "0.26")


def test_a_cost_that_is_never_recorded_counts_with_its_upper_end(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimate = Estimate(Decimal("0.13"), Decimal("0.26"), "cpo")
    monkeypatch.setattr(model_rules, "estimate", lambda *_: estimate)
    work.wiro.inject(Fault("late_cost", seconds=3600, times=10))

    summary = run(work, films(3), 0.5)

    assert (summary["succeeded"], summary["not_run"]) == (1, 2)
    assert (summary["cost_usd"], summary["unknown_costs"], summary["spent_usd"]) == (None, 1, "0.26")


def test_a_batch_whose_prices_are_not_known_is_refused_or_runs_as_asked(work: BatchWork) -> None:
    """This model is paid by the second."""
    own = {"model": "retroAIx/Retro-Cartoons", "parameters": {"samples": 1}}
    with pytest.raises(AirflowFailException, match="3 of 3 items have no known price, so that max_cost_usd"):
        run(work, films(3), 0.5, on_unknown_price="refuse", **own)
    assert work.wiro.counts.requests["Run"] == 0

    summary = run(work, films(3), 0.5, **own)
    assert (summary["succeeded"], summary["not_run"]) == (3, 0)
    assert summary["spent_usd"] == summary["cost_usd"]


def test_unknown_prices_run_only_while_anything_is_left(work: BatchWork) -> None:
    own = {"model": "retroAIx/Retro-Cartoons", "parameters": {"samples": 1}}

    summary = run(work, films(5), 0.000001, max_active=1, **own)

    # The second may be sent when the first has ended and is not recorded yet.
    assert summary["succeeded"] in {1, 2}
    assert summary["succeeded"] + summary["not_run"] == 5


@pytest.mark.parametrize("outputs", [{}, {"min_outputs": 1}], ids=["succeeded", "without outputs"])
def test_an_unknown_price_counts_as_soon_as_its_run_has_ended(
    work: BatchWork, outputs: dict[str, Any]
) -> None:
    """Not only when the end is recorded, some seconds later: nothing more is sent meanwhile."""
    if outputs:
        work.wiro.inject(Fault("no_outputs", times=10))

    summary = run(
        work, films(5), 0.000001, max_active=1, model="retroAIx/Retro-Cartoons", parameters={}, **outputs
    )

    assert len(work.wiro.tasks) == 1
    assert (summary["succeeded"] + summary["failed"], summary["not_run"]) == (1, 4)


def test_an_item_that_failed_and_that_the_budget_does_not_repeat_is_failed_and_says_both(
    work: BatchWork,
) -> None:
    work.wiro.inject(Fault("no_outputs", times=1))

    summary = run(work, films(3), 0.2, max_active=1, min_outputs=1, max_item_retries=1)

    assert (summary["succeeded"], summary["failed"], summary["not_run"]) == (0, 1, 2)
    assert work.statuses == ["failed", "not_run", "not_run"]
    failed = work.manifest[0]
    assert failed["wiro_task_id"] == work.wiro.tasks[0].id
    assert failed["attempts"] == 1
    assert "with no outputs" in failed["error"]
    assert "It is not run again. The budget of 0.2 USD doesn't allow it" in failed["error"]


def test_what_cannot_be_right_is_failed_also_when_nothing_is_left(work: BatchWork) -> None:
    """As the log has said before the first run."""
    items = [*films(1), {"prompt": "", "resolution": "720p", "duration": "many"}, *films(2)]

    summary = run(work, items, 0.13, max_active=1)

    assert "1 of 4 items can't be right, and will fail" in work.log
    assert (summary["succeeded"], summary["failed"], summary["not_run"]) == (1, 1, 2)
    assert work.statuses == ["succeeded", "failed", "not_run", "not_run"]
    assert billed(work) == Decimal("0.13")


def test_such_an_item_is_run_when_the_budget_is_raised(work: BatchWork) -> None:
    work.wiro.inject(Fault("no_outputs", times=1))
    settings = {"max_active": 1, "min_outputs": 1, "max_item_retries": 1, "on_item_failure": "fail"}
    with pytest.raises(AirflowFailException, match=r"It is not run again\. The budget of 0\.2 USD"):
        run(work, films(1), 0.2, **settings)
    work.retry()

    assert run(work, films(1), 0.3, **settings)["succeeded"] == 1
    assert billed(work) == Decimal("0.26")


def test_costs_that_the_budget_reads_late_are_in_the_metrics(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(RunMetrics, "count_late_cost", lambda _, usd: counted.append(usd))
    asked: set[str] = set()
    read = gate.read_costs

    async def ask(hook: Any, wiro_task_ids: Any) -> dict[str, str]:
        asked.update(wiro_task_ids)
        return await read(hook, wiro_task_ids)

    # Not by time: on a slow machine a cost would be there before its run is seen to have ended.
    monkeypatch.setattr(gate, "read_costs", ask)
    monkeypatch.setattr(Task, "cost_is_recorded", lambda task, _now: task.id in asked)

    summary = run(work, films(3), 0.3)

    assert (summary["not_run"], summary["cost_usd"]) == (1, "0.26")
    assert sum(map(Decimal, counted)) == Decimal("0.26")


@BOTH
@pytest.mark.parametrize("times", [1, 3])
def test_a_run_whose_response_was_lost_counts(work: BatchWork, deferrable: bool, times: int) -> None:
    work.wiro.inject(Fault("drop_after", endpoint="Run", times=times))

    summary = run(work, films(8), 0.5, deferrable=deferrable)

    assert summary["succeeded"] == 3
    assert billed(work) <= Decimal("0.5")
    assert work.started == Counter(f"film {number}" for number in range(3))


@BOTH
def test_a_worker_that_dies_at_any_entry_spends_no_more(work: BatchWork, deferrable: bool) -> None:
    inputs = films(6)
    run(work, inputs, 0.4, deferrable=deferrable)
    lines = work.journal_lines
    first_id = [entry["what"] for entry in work.entries].index("id")
    for length in range(first_id, len(lines) + 1):
        work.leave_journal(lines[:length])

        summary = run(work, inputs, 0.4, deferrable=deferrable)

        assert (summary["succeeded"], summary["not_run"], summary["spent_usd"]) == (3, 3, "0.39"), length
        assert billed(work) == Decimal("0.39"), length


def test_a_price_that_rises_between_two_tries_changes_nothing_about_what_is_spent(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = films(4)
    run(work, inputs, 0.3, max_active=2)
    work.leave_journal(work.journal_lines[: [entry["what"] for entry in work.entries].index("id") + 1])
    dear = Estimate(Decimal("0.35"), Decimal("0.35"), "cpr")
    monkeypatch.setattr(model_rules, "estimate", lambda *_: dear)

    summary = run(work, inputs, 0.6)

    assert (summary["succeeded"], summary["spent_usd"]) == (2, "0.26")
    assert len(work.wiro.tasks) == 2


def test_other_inputs_after_a_failed_try_have_what_is_left_of_the_budget(work: BatchWork) -> None:
    with pytest.raises(AirflowFailException):
        run(work, films(3), 0.3, on_item_failure="fail")
    work.retry()

    with pytest.raises(AirflowFailException, match="0 of 2 items"):
        run(work, [{"prompt": "other"}, {"prompt": "another"}], 0.3, on_item_failure="fail")

    assert billed(work) == Decimal("0.26")


@pytest.mark.parametrize("budget", [0, -1, "much", True, float("nan")])
def test_a_budget_that_is_no_amount_is_refused(work: BatchWork, budget: Any) -> None:
    with pytest.raises(Exception, match="Expected max_cost_usd as a positive number of US dollars"):
        run(work, films(1), budget)


def test_a_description_that_is_gone_on_a_retry_ends_nothing_that_has_no_need_of_it(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without prices a batch that needs them follows what runs, and may be tried again."""
    inputs = films(4)
    run(work, inputs, 1, max_active=2)
    work.leave_journal(work.journal_lines[: [entry["what"] for entry in work.entries].index("id") + 1])
    monkeypatch.setattr(WiroHook, "cached_model", lambda *_: None)
    before = len(work.wiro.tasks)

    with pytest.raises(WiroConnectionError, match="no price is known"):
        run(work, inputs, 1, on_unknown_price="refuse")

    assert work.statuses.count("succeeded") >= 1
    assert len(work.wiro.tasks) == before

    work.retry()
    assert run(work, inputs, 1)["not_run"] == 0
