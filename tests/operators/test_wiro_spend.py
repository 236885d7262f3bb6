"""What was spent is Wiro's own sum, and above the limit nothing downstream runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)

from airflow_provider_wiro.api import flow
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroServerError, WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.operators.wiro_spend import WiroSpendOperator
from tests import warm_python
from tests.operators.fakes import GPT, RETRO, SMALL, FakeLog, FakeTi

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator

HOUR = timedelta(hours=1)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> FakeLog:
    found = FakeLog()
    monkeypatch.setattr(WiroSpendOperator, "log", property(lambda _: found))
    return found


def operator(**settings: Any) -> WiroSpendOperator:
    return WiroSpendOperator(task_id="spent", **{"since": HOUR, **settings})


def spent(ti: FakeTi | None = None, **settings: Any) -> dict[str, Any]:
    result = operator(**settings).execute({"ti": ti or FakeTi(task_id="spent")})  # type: ignore[typeddict-item]
    return json.loads(json.dumps(result))  # type: ignore[no-any-return]  # it becomes an XCom


def run(model: str = RETRO, **parameters: Any) -> Decimal:
    """Run a model to its end, and return what it cost."""
    with WiroHook() as hook:
        started = hook.run_model(model, {**(SMALL if model == RETRO else {"prompt": "hi"}), **parameters})
        task = hook.wait_for_task(started.wiro_task_id, poll_interval=0.02)
    return Decimal(task.cost_usd or 0)


def test_it_is_what_the_runs_of_the_period_cost_by_model(wiro: WiroEmulator, log: FakeLog) -> None:
    pictures, words = run() + run(), run(GPT)

    found = spent()

    assert Decimal(found["spent_usd"]) == pictures + words > 0
    assert (found["tasks"], found["unknown_cost_tasks"], found["running_tasks"]) == (3, 0, 0)
    lines = {line["model"]: (line["tasks"], Decimal(line["spent_usd"])) for line in found["by_model"]}
    assert lines == {"retroaix/retro-cartoons": (2, pictures), "openai/gpt-5-nano": (1, words)}
    assert f"Spent {found['spent_usd']} USD on 3 Wiro tasks, from " in log


def test_a_failed_run_costs_nothing_and_a_late_cost_is_unknown(wiro: WiroEmulator, log: FakeLog) -> None:
    wiro.inject(Fault("exit_code"))
    run()
    wiro.inject(Fault("late_cost", seconds=3600 * 1000))
    run()

    found = spent()

    assert (found["spent_usd"], found["tasks"], found["unknown_cost_tasks"]) == ("0", 2, 1)
    assert "More may have been spent: among these tasks are 1 whose cost Wiro has not recorded." in log


def test_a_period_before_the_runs_has_none(wiro: WiroEmulator) -> None:
    run()
    assert spent(until=HOUR / 2)["tasks"] == 0


@pytest.mark.parametrize("since", ["{{ before }}", timedelta(hours=1), datetime(2026, 1, 1, tzinfo=UTC)])
def test_templates_are_rendered_and_moments_left_as_they_are(wiro: WiroEmulator, since: Any) -> None:
    cost = run()
    given = operator(since=since, limit_usd="{{ limit }}", model="{{ model }}")
    context: Any = {"before": str(datetime.now(UTC) - HOUR), "limit": "1000", "model": RETRO}
    given.render_template_fields(context)

    found = given.execute({"ti": FakeTi()})  # type: ignore[typeddict-item]

    assert Decimal(found["spent_usd"]) == cost


def test_a_teammates_tasks_are_not_the_projects(wiro: WiroEmulator, log: FakeLog) -> None:
    cost = run()
    wiro.start_teammates_task(RETRO, {**SMALL, "prompt": "a secret of theirs"}, seconds=0.1)

    assert Decimal(spent(project_id="1")["spent_usd"]) == cost
    assert Decimal(spent(project_id=1)["spent_usd"]) == cost, "a number is the id of a project as well"
    assert "The key sees several projects' tasks" not in log
    assert (spent()["tasks"], spent()["project_id"]) == (2, None)
    assert "The key sees several projects' tasks" in log
    assert "a secret of theirs" not in "".join(log.lines)


def test_the_connections_project_is_the_default(wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    wiro.start_teammates_task(RETRO, SMALL, seconds=0.1)
    connection = json.loads(wiro.connection)
    connection["extra"] = {**connection.get("extra", {}), "project_id": "1"}
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(connection))
    assert (spent()["tasks"], spent()["project_id"]) == (1, "1")


def test_above_the_limit_it_fails_and_leaves_the_numbers(wiro: WiroEmulator) -> None:
    cost, ti = run(), FakeTi(task_id="spent")

    with pytest.raises(
        AirflowFailException, match=r"More was spent at Wiro than limit_usd=0\.0001: "
    ) as error:
        spent(ti, limit_usd=0.0001)

    assert f"{cost.normalize():f} USD on 1 Wiro tasks" in str(error.value)
    assert Decimal(ti.xcoms["return_value"]["spent_usd"]) == cost


def test_above_the_limit_it_skips_if_that_is_wanted(wiro: WiroEmulator) -> None:
    run()
    with pytest.raises(AirflowSkipException, match=r"More was spent at Wiro than limit_usd=0\.0001"):
        spent(limit_usd="0.0001", on_limit="skip")


def test_the_limit_itself_may_be_spent(wiro: WiroEmulator) -> None:
    cost = run()
    assert Decimal(spent(limit_usd=str(cost))["spent_usd"]) == cost


def test_the_error_says_that_more_may_have_been_spent(wiro: WiroEmulator) -> None:
    wiro.inject(Fault("late_cost", seconds=3600 * 1000))
    run()
    run()
    with pytest.raises(AirflowFailException, match=r"1 whose cost Wiro has not recorded\. Raise the limit"):
        spent(limit_usd=0.0001)


def test_a_wiro_that_is_down_is_no_zero(wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(flow.call.__kwdefaults__, "patience_seconds", 0.01)
    wiro.inject(Fault("server_error", times=100))
    with pytest.raises(WiroServerError):
        spent()


def test_a_stop_reads_nothing_more(wiro: WiroEmulator) -> None:
    given = operator()
    given.on_kill()
    with pytest.raises(AirflowException, match="was stopped"):
        given.execute({"ti": FakeTi()})  # type: ignore[typeddict-item]
    assert wiro.received == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"since": "last week"}, "Expected since as a datetime"),
        ({"since": None}, "Expected since as a datetime"),
        ({"since": HOUR, "until": 2 * HOUR}, "Expected since before `until`"),
        ({"since": "{{ ds }"}, "Expected a template in since to end"),
        ({"until": "soon"}, "Expected until as a datetime"),
        ({"limit_usd": 0}, "Expected limit_usd as a positive number of US dollars, found 0"),
        ({"limit_usd": "a lot"}, "Expected limit_usd"),
        ({"on_limit": "warn"}, "Expected on_limit as one of 'fail', 'skip', found 'warn'"),
        ({"model": "retro"}, "retro"),
        ({"project_id": ["1", "2"]}, "Expected project_id as the id of one project, found list"),
    ],
)
def test_what_can_not_be_right_is_an_import_error(given: dict[str, Any], said: str) -> None:
    with pytest.raises(WiroUsageError, match=said):
        operator(**given)


@pytest.mark.parametrize(
    ("rendered", "said"),
    [
        ({"since": "None"}, "may have no data interval"),
        ({"limit_usd": "None"}, "Expected limit_usd"),
        ({"since": "2999-01-01"}, "Expected since before now"),
        ({"model": "a"}, "owner/model"),
        ({"project_id": ["1"]}, "project_id"),
    ],
)
def test_what_a_template_gives_is_checked_before_anything_is_asked(
    wiro: WiroEmulator, rendered: dict[str, Any], said: str
) -> None:
    given = operator()
    for name, value in rendered.items():
        setattr(given, name, value)
    with pytest.raises(AirflowFailException, match=said):
        given.execute({"ti": FakeTi()})  # type: ignore[typeddict-item]
    assert wiro.received == []


def test_its_import_brings_nothing_that_takes_long() -> None:
    code = (
        "import sys, airflow.providers.common.compat.sdk as sdk; sdk.BaseOperator; before = set(sys.modules);"
        "import airflow_provider_wiro.operators.wiro_spend;"
        "print(sorted(name for name in set(sys.modules) - before if name.split('.')[0] in "
        "('requests', 'aiohttp', 'boto3', 'asyncio')))"
    )
    done = warm_python.run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("[]")
