"""WiroTaskEndedTrigger: an event for each task that ends, whatever fails, and across restarts."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.emulator import Fault, WiroEmulator
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.triggers import wiro_events
from airflow_provider_wiro.triggers.wiro_events import WiroTaskEndedTrigger
from airflow_provider_wiro.watching.project import watcher as project_watcher
from tests.operators.fakes import RETRO, SMALL
from tests.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(wiro_events._EVENT_TRIGGER is None, reason="Airflow 2 has no event triggers")

INTERVAL = 0.1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Look ten times a second, and take every event for stored at once."""

    async def stored() -> None:
        await asyncio.sleep(0)

    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "configured"))
    monkeypatch.setattr(wiro_events, "SHORTEST_INTERVAL_SECONDS", 0.01)
    monkeypatch.setattr(project_watcher, "SHORT_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(project_watcher, "PAGE_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(version_compat, "wait_until_events_are_stored", stored)
    monkeypatch.setattr(version_compat, "wait_until_the_triggerer_answers", stored)


class Listener:
    """A trigger in a triggerer, and the payloads that it has fired."""

    def __init__(self, state_path: Path | None = None, trigger_id: int = 1, **arguments: Any) -> None:
        folder = None if state_path is None else str(state_path)
        self.trigger = WiroTaskEndedTrigger(**{"interval": INTERVAL, "state_path": folder, **arguments})
        self.trigger.trigger_id = trigger_id
        self.payloads: list[dict[str, Any]] = []
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listener:
        self._running = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._running is not None
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _listen(self) -> None:
        async for event in self.trigger.run():
            self.payloads.append(event.payload)

    @property
    def ids(self) -> list[str]:
        return [payload["wiro_task_id"] for payload in self.payloads]


async def has_looked(wiro: WiroEmulator, times: int = 2) -> None:
    before = wiro.counts.requests["Task/List"]
    await until(lambda: wiro.counts.requests["Task/List"] >= before + times)


def started(wiro: WiroEmulator, count: int = 1) -> list[str]:
    return [wiro.start_teammates_task(RETRO, SMALL) for _ in range(count)]


def run_model() -> str:
    """Start a run of one's own: no fault fires for a teammate's."""
    with WiroHook() as hook:
        return hook.run_model(RETRO, SMALL).wiro_task_id


async def test_a_task_that_somebody_else_starts_is_an_event(wiro: WiroEmulator) -> None:
    async with Listener() as listener:
        await has_looked(wiro)
        (one,) = started(wiro)
        await until(lambda: listener.ids)

    payload = listener.payloads[0]
    assert {**payload, "created": "", "ended": ""} == {
        "wiro_task_id": one,
        "model": "retroaix/retro-cartoons",
        "status": "succeeded",
        "outputs": 1,
        "cost_usd": "0.00351",
        "created": "",
        "ended": "",
    }
    assert payload["created"] <= payload["ended"]


async def test_an_event_holds_no_url_no_prompt_and_no_token(wiro: WiroEmulator) -> None:
    async with Listener() as listener:
        await has_looked(wiro)
        wiro.start_teammates_task(RETRO, {**SMALL, "prompt": "the secret prompt"})
        await until(lambda: listener.ids)

    text = json.dumps(listener.payloads)
    assert "http" not in text
    assert "secret prompt" not in text
    assert set(listener.payloads[0]) == {
        "wiro_task_id",
        "model",
        "status",
        "outputs",
        "cost_usd",
        "created",
        "ended",
    }


async def test_what_has_ended_before_the_first_start_is_no_event(wiro: WiroEmulator) -> None:
    started(wiro, 3)
    await until(lambda: all(task.status == "task_postprocess_end" for task in wiro.tasks))
    async with Listener() as listener:
        await has_looked(wiro)
        (new,) = started(wiro)
        await until(lambda: listener.ids)

    assert listener.ids == [new]


async def test_all_triggers_of_a_connection_share_one_look(wiro: WiroEmulator) -> None:
    listeners = [Listener(trigger_id=number, interval=0.4) for number in range(20)]
    for listener in listeners:
        await listener.__aenter__()
    await has_looked(wiro)
    await asyncio.sleep(0.5)
    (one,) = started(wiro)
    await until(lambda: all(listener.ids for listener in listeners))
    before = wiro.counts.requests["Task/List"]
    await asyncio.sleep(1.0)
    walks = wiro.counts.requests["Task/List"] - before
    details, sockets = wiro.counts.requests["Task/Detail"], wiro.counts.open_connections
    for listener in listeners:
        await listener.__aexit__()

    assert all(listener.ids == [one] for listener in listeners)
    assert walks <= 4
    assert details <= 5
    assert sockets <= 2


async def test_each_trigger_gets_what_its_filter_says(wiro: WiroEmulator) -> None:
    wanted = {
        "failed": Listener(status="failed"),
        "others": Listener(model="wiro/other", trigger_id=2),
        "clean": Listener(model=["retroaix/retro-cartoons", "wiro/other"], trigger_id=3),
    }
    for listener in wanted.values():
        await listener.__aenter__()
    await has_looked(wiro)
    wiro.inject(Fault("exit_code"))
    bad, (good,) = run_model(), started(wiro)
    await until(lambda: len(wanted["clean"].ids) == 2 and wanted["failed"].ids)
    for listener in wanted.values():
        await listener.__aexit__()

    assert wanted["failed"].ids == [bad]
    assert wanted["others"].ids == []
    assert sorted(wanted["clean"].ids) == [bad, good]


async def test_only_the_connections_project_is_watched(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, theirs = Listener(project_id="none"), Listener(trigger_id=2)
    async with own, theirs:
        await has_looked(wiro)
        started(wiro)
        await until(lambda: theirs.ids)

    assert own.ids == []


async def test_a_restart_loses_nothing_and_repeats_nothing(wiro: WiroEmulator, tmp_path: Path) -> None:
    async with Listener(tmp_path) as first:
        await has_looked(wiro)
        early = started(wiro, 3)
        await until(lambda: len(first.ids) == 3)
        wiro.inject(Fault("stuck_running"))
        running = run_model()
        await has_looked(wiro)
    meanwhile = started(wiro, 3)
    await until(lambda: sum(task.status == "task_postprocess_end" for task in wiro.tasks) == 6)
    async with Listener(tmp_path) as second:
        await until(lambda: len(second.ids) == 3)
        wiro.inject(Fault("cancelled_by_hand", task_id=running))
        await until(lambda: len(second.ids) == 4)
        await has_looked(wiro)

    assert sorted(first.ids) == early
    assert sorted(second.ids) == sorted([*meanwhile, running])


async def test_what_another_triggerer_has_fired_for_the_same_watcher_is_not_fired_again(
    wiro: WiroEmulator, tmp_path: Path
) -> None:
    """Airflow before 3.2.2 lets each of its triggerers run all watchers."""
    wiro.inject(Fault("stuck_running"))
    async with Listener(tmp_path) as listener:
        await has_looked(wiro)
        (file,) = files_in(tmp_path)
        theirs = run_model()
        await until(lambda: json.loads(read(file))["open"] == [int(theirs)])
        write(file, json.dumps({**json.loads(read(file)), "open": []}))
        wiro.inject(Fault("cancelled_by_hand", task_id=theirs))
        await has_looked(wiro, 3)
        (own,) = started(wiro)
        await until(lambda: listener.ids)
        await has_looked(wiro)

    assert listener.ids == [own]


async def test_events_that_airflow_has_not_stored_before_a_kill_are_fired_again(
    wiro: WiroEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> None:
        await asyncio.sleep(3600)

    with monkeypatch.context() as patched:
        patched.setattr(version_compat, "wait_until_events_are_stored", never)
        async with Listener(tmp_path) as first:
            await has_looked(wiro)
            ids = started(wiro)
            await until(lambda: first.ids)
    async with Listener(tmp_path) as second:
        await until(lambda: second.ids)
        await has_looked(wiro)

    assert first.ids == second.ids == ids


async def test_nothing_is_fired_before_the_triggerer_answers(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has just started takes seconds: what it had not stored before a kill would come twice."""
    answers = asyncio.Event()

    async def wait() -> None:
        await answers.wait()

    monkeypatch.setattr(version_compat, "wait_until_the_triggerer_answers", wait)
    async with Listener() as listener:
        await has_looked(wiro)
        ids = started(wiro)
        await asyncio.sleep(0.8)
        before = list(listener.ids)
        answers.set()
        await until(lambda: listener.ids)

    assert before == []
    assert listener.ids == ids


async def test_without_a_place_for_its_progress_a_trigger_says_so_and_starts_from_now(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("AIRFLOW__WIRO__STATE_PATH")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    lines = recorded(monkeypatch)
    async with Listener():
        await has_looked(wiro)

    assert [line for line in lines if "Starting from now, also after a restart" in line] == lines


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which the triggers' log lines go."""
    lines: list[str] = []

    class Log:
        def info(self, message: str, *args: object, exc_info: object = None) -> None:
            lines.append(message % args)

        warning = error = exception = info

    monkeypatch.setattr(WiroTaskEndedTrigger, "log", property(lambda _: Log()))
    monkeypatch.setattr(project_watcher, "log", Log())
    return lines


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("server_error", times=None), "can't be watched now"),
        (Fault("html", times=None), "can't be watched now"),
        (Fault("drop_before", times=None), "can't be watched now"),
        (Fault("rate_limit", retry_after=0.05, times=None), "can't be watched now"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
async def test_an_outage_is_logged_once_and_ends_with_all_events(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, fault: Fault, says: str
) -> None:
    lines = recorded(monkeypatch)
    async with Listener() as listener:
        await has_looked(wiro)
        lines.clear()
        wiro.inject(fault)
        ids = started(wiro, 3)
        await asyncio.sleep(1.0)
        during = list(lines)
        wiro.clear_faults()
        await until(lambda: len(listener.ids) == 3)

    assert len([line for line in during if says in line]) == 1, during
    assert len(during) == 1, during
    assert "Wiro answers again" in lines[-1]
    assert sorted(listener.ids) == ids


async def test_a_wrong_key_is_named_and_a_corrected_one_is_used(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = recorded(monkeypatch)
    right = json.loads(wiro.connection)
    wrong = {**right, "password": "wrong-secret"}
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(wrong))
    async with Listener() as listener:
        await until(lambda: wiro.counts.requests["Task/List"] > 3)
        during = [line for line in lines if "can't be watched" in line]
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", json.dumps(right))
        await until(lambda: any("answers again" in line for line in lines))
        (one,) = started(wiro)
        await until(lambda: listener.ids)

    assert len(during) == 1
    assert "authori" in during[0]
    assert "wrong-secret" not in "".join(lines)
    assert listener.ids == [one]


async def test_a_connection_that_is_missing_at_the_start_is_used_once_it_is_there(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = recorded(monkeypatch)
    connection = wiro.connection
    monkeypatch.delenv("AIRFLOW_CONN_WIRO_DEFAULT")
    async with Listener() as listener:
        await until(lambda: lines)
        await asyncio.sleep(0.4)
        during = list(lines)
        monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", connection)
        await has_looked(wiro)
        (one,) = started(wiro)
        await until(lambda: listener.ids)

    assert len(during) == 1
    assert "no connection 'wiro_default'" in during[0]
    assert "Trying again every 0.1 s" in during[0]  # the trigger's own interval
    assert listener.ids == [one]


async def test_a_secrets_backend_that_fails_ends_no_trigger(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = recorded(monkeypatch)
    read = version_compat.get_connection_async
    is_down = True

    async def flaky(conn_id: str) -> Any:
        if is_down:
            raise RuntimeError("the vault is sealed")
        return await read(conn_id)

    monkeypatch.setattr(version_compat, "get_connection_async", flaky)
    async with Listener() as listener:
        await until(lambda: lines)
        is_down = False
        await has_looked(wiro)
        (one,) = started(wiro)
        await until(lambda: listener.ids)

    assert listener.ids == [one]


async def test_progress_that_can_not_be_read_stops_the_trigger_until_it_can(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = recorded(monkeypatch)
    async with Listener(tmp_path) as first:
        await has_looked(wiro)
        started(wiro)
        await until(lambda: first.ids)
        await has_looked(wiro)  # by then its progress is written
    (file,) = files_in(tmp_path)
    text = read(file)
    write(file, "rubbish")
    lines.clear()
    async with Listener(tmp_path) as second:
        await until(lambda: lines)
        await asyncio.sleep(0.4)
        during = list(lines)
        (one,) = started(wiro)
        write(file, text)
        await until(lambda: second.ids)

    assert len(during) == 1
    assert "can't be read from" in during[0]
    assert second.ids == [one]


async def test_progress_that_can_not_be_written_is_logged_once_and_events_are_fired(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines = recorded(monkeypatch)

    async def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(wiro_events.find_store.__globals__["FolderProgress"], "save", refuse)
    async with Listener(tmp_path) as listener:
        await has_looked(wiro)
        for _ in range(3):
            ids = started(wiro)
            await until(lambda ids=ids: ids[0] in listener.ids)  # type: ignore[misc]

    assert len([line for line in lines if "can't be written to" in line]) == 1


async def test_a_detail_that_fails_for_one_task_holds_up_no_other(wiro: WiroEmulator) -> None:
    async with Listener() as listener:
        await has_looked(wiro)
        wiro.inject(Fault("server_error", endpoint="Task/Detail", times=1))
        ids = started(wiro, 5)
        await until(lambda: len(listener.ids) == 5)

    assert sorted(listener.ids) == ids


async def test_a_burst_becomes_all_events_while_other_work_goes_on(
    wiro: WiroEmulator, tmp_path: Path
) -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    beating = asyncio.create_task(beat())
    async with Listener(tmp_path) as listener:
        await has_looked(wiro)
        ids = started(wiro, 700)
        await until(lambda: len(listener.ids) >= 700, seconds=60)
        beats_meanwhile = beats
    beating.cancel()

    assert sorted(listener.ids) == sorted(ids)
    assert beats_meanwhile > 50
    assert wiro.counts.open_connections <= project_watcher.MAX_REQUESTS


async def test_the_last_trigger_closes_the_session(
    wiro: WiroEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        async with Listener(), Listener(trigger_id=2):
            await has_looked(wiro)
        assert not project_watcher._WATCHERS.get(asyncio.get_running_loop())
        gc.collect()
        await until(lambda: wiro.counts.open_connections == 0)

    assert "Unclosed" not in caplog.text


async def test_the_trigger_that_looks_is_cancelled_and_another_one_looks(wiro: WiroEmulator) -> None:
    async with Listener(trigger_id=2) as staying:
        async with Listener():
            await has_looked(wiro)
            wiro.inject(Fault("slow", endpoint="Task/List", delay_seconds=0.5, times=1))
            await asyncio.sleep(0.2)
        (one,) = started(wiro)
        await until(lambda: staying.ids)

    assert staying.ids == [one]


async def test_a_connection_that_leads_to_another_api_starts_from_now_there(
    wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with Listener(tmp_path) as listener:
        await has_looked(wiro)
        with WiroEmulator(speed=100) as other:
            other.start_teammates_task(RETRO, SMALL)
            await until(lambda: other.tasks[0].status == "task_postprocess_end")
            monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", other.connection)
            wiro.inject(Fault("server_error", endpoint="Task/List", times=1))
            await has_looked(other)
            (one,) = started(other)
            await until(lambda: listener.ids)
            await has_looked(other)

            assert listener.ids == [one]


def test_the_stored_row_makes_an_equal_trigger() -> None:
    path, row = WiroTaskEndedTrigger(
        model=["a/b"], status=("failed",), project_id="42", state_path="/data/wiro"
    ).serialize()

    assert path == "airflow_provider_wiro.triggers.wiro_events.WiroTaskEndedTrigger"
    assert row == {
        "wiro_conn_id": "wiro_default",
        "interval": 60,
        "model": ["a/b"],
        "status": ["failed"],
        "project_id": "42",
        "state_path": "/data/wiro",
    }
    assert WiroTaskEndedTrigger(**row).serialize() == (path, row)


def test_airflow_takes_a_stored_row_for_the_same_trigger_at_each_parse() -> None:
    """It compares hashes of what a DAG file has and what its database has; a change makes a new trigger."""
    from airflow.models.trigger import Trigger

    trigger = WiroTaskEndedTrigger(model=["a/b", "c/d"], status="failed", interval=30.5)
    path, row = trigger.serialize()
    stored = Trigger(classpath=path, kwargs=row).kwargs

    assert type(trigger).hash(path, stored) == type(trigger).hash(path, row)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"wiro_conn_id": ""}, "Expected `wiro_conn_id`"),
        ({"model": "Retro-Cartoons"}, "Expected a model as `owner/model`"),
        ({"model": ["a/b", 3]}, "Expected model as a text or a list of texts"),
        ({"model": []}, "None for all; found none"),
        ({"status": "success"}, "Expected status as one of succeeded, failed, cancelled, found 'success'"),
        ({"status": {"failed"}}, "Expected status as a text or a list of texts"),
        ({"project_id": 42}, "Expected project_id as a text"),
        ({"interval": 1}, "Expected interval as seconds, from 5 to a day, found int '1'"),
        ({"interval": True}, "Expected interval as seconds"),
        ({"interval": float("nan")}, "Expected interval as seconds"),
        ({"interval": "60"}, "Expected interval as seconds"),
        ({"state_path": "relative/path"}, "Expected state_path as an absolute path"),
    ],
)
def test_a_bad_argument_is_refused_when_the_dag_is_parsed(
    arguments: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiro_events, "SHORTEST_INTERVAL_SECONDS", 5.0)
    with pytest.raises(WiroUsageError, match=says):
        WiroTaskEndedTrigger(**arguments)


def test_airflow_2_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiro_events, "_EVENT_TRIGGER", None)
    with pytest.raises(WiroUsageError, match="WiroTaskEndedTrigger needs Airflow 3"):
        WiroTaskEndedTrigger()


def files_in(path: Path) -> list[Path]:
    return [file for file in path.rglob("*") if file.is_file()]


def read(file: Path) -> str:
    return file.read_text()


def write(file: Path, text: str) -> None:
    file.write_text(text)
