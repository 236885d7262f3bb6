"""What was spent is what Wiro's list shows of a period's tasks, each counted once."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroResponseError, WiroUsageError
from airflow_provider_wiro.spend.period import Period
from airflow_provider_wiro.spend.reading import MAX_DETAILS, read_spend
from tests.api.fake_transport import NOON, FakeTransport, refused, success
from tests.task_history.lists import WiroList

if TYPE_CHECKING:
    from airflow_provider_wiro.spend.ledger import Spend

DAY = Period(NOON - timedelta(days=1), NOON)
HOUR = 3600


def task(number: int, ago: float = HOUR, **fields: Any) -> dict[str, Any]:
    """Return a listed task that has succeeded, and cost 0.01 USD, ``ago`` seconds before noon."""
    shown = {
        "id": str(number),
        "status": "task_postprocess_end",
        "pexit": "0",
        "totalcost": "0.010000000000",
        "createtime": str(int(NOON.timestamp() - ago)),
        "starttime": str(int(NOON.timestamp() - ago + 2)),
        "modelslugowner": "retroaix",
        "modelslugproject": "retro-cartoons",
        "projectid": "1",
        **fields,
    }
    return {name: value for name, value in shown.items() if value is not None}


def spend(listed: Any, period: Period = DAY, **settings: Any) -> Spend:
    transport = FakeTransport(listed)
    return transport.drive(read_spend(transport.context, period, **settings))


def test_the_costs_of_a_period_are_added_up_exactly() -> None:
    found = spend(WiroList(*(task(number, totalcost="0.1") for number in range(3, 0, -1))))
    assert (found.usd, found.tasks, found.unknown_costs) == (Decimal("0.3"), 3, 0)


def test_numbers_may_be_numbers() -> None:
    assert spend(WiroList(task(1, totalcost=0.00351, pexit=0))).usd == Decimal("0.00351")


def test_nothing_spent_is_zero() -> None:
    assert spend(WiroList()).to_json() == {
        "spent_usd": "0",
        "tasks": 0,
        "by_model": [],
        "unknown_cost_tasks": 0,
        "running_tasks": 0,
        "killed_tasks": 0,
        "unattributed_tasks": 0,
        "project_id": None,
        "since": "2026-11-22T12:00:00+00:00",
        "until": "2026-11-23T12:00:00+00:00",
    }


def test_each_model_has_a_line_the_most_expensive_first() -> None:
    other = {"modelslugowner": "openai", "modelslugproject": "gpt-5-nano"}
    shown = {"modelslugowner": "retroAIx", "modelslugproject": "Retro-Cartoons"}
    found = spend(WiroList(task(4), task(3, totalcost="1", **other), task(2, **shown), task(1)))
    assert found.to_json()["by_model"] == [
        {"model": "openai/gpt-5-nano", "tasks": 1, "spent_usd": "1", "unknown_cost_tasks": 0},
        {"model": "retroaix/retro-cartoons", "tasks": 3, "spent_usd": "0.03", "unknown_cost_tasks": 0},
    ]


def test_tasks_outside_of_the_period_are_not_counted() -> None:
    listed = WiroList(task(4, ago=-60), task(3), task(2, ago=25 * HOUR), task(1, ago=26 * HOUR))
    assert spend(listed).tasks == 1
    early = Period(NOON - timedelta(hours=25.5), NOON - timedelta(hours=2))
    assert spend(listed, early).tasks == 1


def test_the_walk_ends_below_the_period() -> None:
    tasks = [task(number, ago=HOUR if number > 950 else 30 * HOUR) for number in range(1000, 0, -1)]
    listed = WiroList(*tasks)
    assert spend(listed).tasks == 50
    assert listed.pages == 2


def test_a_task_that_is_older_than_its_place_in_the_list_hides_none_below_it() -> None:
    late = [task(number, ago=24 * HOUR + 30) for number in range(300, 100, -1)]
    assert spend(WiroList(*late, *(task(number) for number in range(100, 0, -1)))).tasks == 100


def test_a_task_without_a_time_is_as_old_as_the_one_before_it() -> None:
    listed = WiroList(
        task(5, createtime=None),
        task(4),
        task(3, createtime="0"),
        task(2, ago=30 * HOUR),
        task(1, createtime=""),
    )
    assert spend(listed).tasks == 3


def test_a_list_without_times_is_refused_and_not_added_up() -> None:
    with pytest.raises(WiroResponseError, match="doesn't show when"):
        spend(WiroList(task(1, createtime=None)))


def test_tasks_that_are_started_meanwhile_are_counted_once_or_not_at_all() -> None:
    listed = WiroList(*(task(number) for number in range(250, 0, -1)))
    ids = count(251)
    listed.started = lambda: task(next(ids), totalcost="5")
    found = spend(listed)
    assert (found.tasks, found.usd) == (250, Decimal("2.5"))


def test_what_failed_or_was_cancelled_in_the_queue_costs_nothing() -> None:
    found = spend(
        WiroList(
            task(3, pexit="1", totalcost="0.5"),
            task(2, status="task_cancel", starttime="0", totalcost="0", pexit=None),
            task(1, pexit="1", totalcost=None),
        )
    )
    assert (found.usd, found.tasks, found.unknown_costs, found.killed) == (0, 3, 0, 0)


def test_what_was_killed_costs_what_wiro_shows() -> None:
    killed = {"status": "task_cancel", "pexit": None}
    found = spend(WiroList(task(2, **killed, totalcost="0.07"), task(1, **killed, totalcost="0")))
    assert (found.usd, found.killed, found.unknown_costs) == (Decimal("0.07"), 1, 0)
    assert "1 that were killed while they ran, which Wiro can still charge" in found.open_ends


def test_what_runs_is_counted_apart() -> None:
    found = spend(
        WiroList(task(2, status="task_start", totalcost="0", pexit=None), task(1, status="task_error"))
    )
    assert (found.usd, found.tasks, found.running, found.unknown_costs) == (0, 2, 2, 0)


@pytest.mark.parametrize("listed", [None, "0", "0.000000", ""])
def test_a_cost_that_the_list_does_not_show_is_read_from_the_detail(listed: str | None) -> None:
    wiro = WiroList(task(2, totalcost=listed), task(1))
    wiro.details["2"] = {"totalcost": "0.25"}
    found = spend(wiro)
    assert (found.usd, found.unknown_costs) == (Decimal("0.26"), 0)
    assert wiro.asked == ["2"]


def test_a_cost_that_wiro_has_not_recorded_is_unknown_and_not_nothing() -> None:
    found = spend(WiroList(task(2, totalcost="0"), task(1)))
    assert (found.usd, found.unknown_costs, found.by_model[0].unknown_costs) == (Decimal("0.01"), 1, 1)
    assert found.open_ends == "1 whose cost Wiro has not recorded"


def test_a_listed_end_without_an_exit_code_is_what_the_detail_shows() -> None:
    """The list leaves out outputs; without an exit code, they show a success."""
    wiro = WiroList(*(task(number, pexit=None, totalcost="0") for number in (3, 2)), task(1, pexit=None))
    wiro.details["3"] = {"outputs": [{"name": "0.png", "url": "https://cdn.test/0.png"}]}
    found = spend(wiro)
    assert (found.unknown_costs, found.usd, wiro.asked) == (1, Decimal("0.01"), ["3", "2"])


def test_only_so_many_details_are_read_and_of_each_task_once() -> None:
    wiro = WiroList(*(task(number, totalcost="0") for number in range(500, 0, -1)))
    wiro.details = {str(number): {"totalcost": "1"} for number in range(501)}
    found = spend(wiro)
    assert (found.usd, found.unknown_costs) == (MAX_DETAILS, 500 - MAX_DETAILS)
    assert wiro.asked == [str(number) for number in range(500, 500 - MAX_DETAILS, -1)]


def test_details_that_fail_leave_their_costs_unknown_and_are_soon_given_up() -> None:
    wiro = WiroList(*(task(number, totalcost="0") for number in range(20, 0, -1)))

    def answer(sent: Any) -> Any:
        if sent.path == "Task/Detail":
            wiro.asked.append("")
            return refused(1, "There is no task yet.")
        return wiro(sent)

    found = spend(answer)
    assert (found.tasks, found.unknown_costs) == (20, 20)
    assert len(wiro.asked) == 3


def test_a_refused_key_is_no_unknown_cost() -> None:
    wiro = WiroList(task(1, totalcost="0"))

    def answer(sent: Any) -> Any:
        return refused(0, "no", status=401) if sent.path == "Task/Detail" else wiro(sent)

    with pytest.raises(WiroAuthenticationError):
        spend(answer)


def test_only_the_own_projects_tasks_are_counted() -> None:
    theirs = task(2, projectid="2", totalcost="9", modelslugowner="secret", parameters={"prompt": "theirs"})
    found = spend(WiroList(task(3), theirs, task(1)), project_id="1")
    assert (found.usd, found.tasks, found.unattributed) == (Decimal("0.02"), 2, 0)
    assert [line.model for line in found.by_model] == ["retroaix/retro-cartoons"]
    assert not found.has_other_projects


def test_where_the_project_is_not_known_all_are_counted_and_it_is_said() -> None:
    found = spend(WiroList(task(2), task(1, projectid="2")))
    assert (found.tasks, found.has_other_projects, found.project_id) == (2, True, None)


def test_a_task_whose_project_the_list_hides_is_looked_at() -> None:
    wiro = WiroList(*(task(number, projectid=None) for number in (3, 2, 1)))
    wiro.details = {"3": {"projectid": "1"}, "2": {"projectid": "2"}}
    found = spend(wiro, project_id="1")
    assert (found.tasks, found.unattributed) == (2, 1)
    assert wiro.asked == ["3", "2", "1"]


@pytest.mark.parametrize("model", ["retroAIx/Retro-Cartoons", "retroaix/retro-cartoons"])
def test_one_models_tasks_are_counted_under_either_form_of_its_slug(model: str) -> None:
    found = spend(WiroList(task(2), task(1, modelslugproject="other")), model=model)
    assert (found.tasks, found.by_model[0].model) == (1, "retroaix/retro-cartoons")


def test_a_model_that_wiro_does_not_name_has_a_line_of_its_own() -> None:
    found = spend(WiroList(task(2), task(1, modelslugowner=None)))
    assert {line.model for line in found.by_model} == {None, "retroaix/retro-cartoons"}


def test_a_stop_ends_the_walk() -> None:
    class StopError(Exception):
        pass

    wiro = WiroList(*(task(number) for number in range(1000, 0, -1)))

    def check() -> None:
        if wiro.pages == 3:
            raise StopError

    with pytest.raises(StopError):
        spend(wiro, check=check)
    assert wiro.pages == 3


def test_an_endless_list_ends_with_an_error_and_no_sum() -> None:
    ids = count(10**9, -1)
    with pytest.raises(WiroUsageError, match="Ask for a shorter time"):
        spend(lambda _: success(tasklist=[task(next(ids)) for _ in range(100)]), max_tasks=1000)


def test_twenty_thousand_tasks_are_walked_with_flat_memory() -> None:
    ids = count(100_000, -1)
    pages = iter(range(200))

    def answer(sent: Any) -> Any:
        if sent.path == "Task/Detail":
            return refused(1, "There is no task yet.")
        if next(pages, None) is None:
            return success(tasklist=[])
        prompt = {"prompt": "x" * 500}
        costs = ("0.01", "0")
        return success(
            tasklist=[
                task(number, totalcost=costs[number % 2], parameters=prompt)
                for number in (next(ids) for _ in range(100))
            ]
        )

    transport = FakeTransport(answer)
    flow = read_spend(transport.context, DAY)
    outcome, peaks = None, []
    tracemalloc.start()
    try:
        while True:
            step = flow.send(outcome)
            outcome = answer(step)
            if len(peaks) in (40, 180):
                tracemalloc.reset_peak()
            peaks.append(tracemalloc.get_traced_memory()[0])
    except StopIteration as stop:
        found = stop.value
    finally:
        tracemalloc.stop()
    assert (found.tasks, found.usd, found.unknown_costs) == (20_000, Decimal(100), 10_000)
    assert peaks[190] - peaks[20] < 100_000
