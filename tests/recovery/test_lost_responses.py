"""A lost Run is never guessed: what it may be taken for, how long it is looked for, and who may send."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroOvertakenError, WiroUnsettledRunError
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.recovery import durable_run
from airflow_provider_wiro.recovery.durable_run import DurableRun
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.recovery.sending import Loss
from airflow_provider_wiro.storage.timestamps import from_stored, to_stored
from airflow_provider_wiro.triggers.wiro import WiroPauseTrigger
from tests.operators.fakes import CANCELLED, DONE, RETRO, SMALL, FakeTi, Work

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.api.flow import Flow, FlowContext
    from airflow_provider_wiro.emulator import WiroEmulator
    from airflow_provider_wiro.recovery.baseline import Baseline

EDIT = "wiro/Image Edit General"


@pytest.fixture
def editor(wiro: WiroEmulator) -> str:
    """Return a model that takes a picture and a prompt."""
    from airflow_provider_wiro.emulator.catalog import MODELS

    for model in MODELS:
        parameters = {parameter.id: parameter for parameter in model.parameters()}
        needed = {name for name, parameter in parameters.items() if parameter.required}
        if "inputImage" in parameters and needed <= {"inputImage", "prompt"}:
            return f"{model.owner}/{model.project}"
    raise AssertionError("no such model")


# Whose task it is.


@pytest.mark.parametrize("kind", ["contents", "urls", "uploads"])
def test_the_task_of_an_equal_run_with_another_file_is_not_taken(
    wiro: WiroEmulator, work: Work, editor: str, tmp_path: Path, kind: str
) -> None:
    """The cat's Run was never carried out, and the dog's came right after it."""
    files = {}
    for name in ("cat", "dog"):
        path = tmp_path / f"{name}.png"
        path.write_bytes(name.encode())
        files[name] = str(path)
        if kind == "urls":
            files[name] = f"https://pictures.example.com/{name}.png"
        elif kind == "uploads":
            files[name] = WiroHook().upload_file(path).url
    parameters = {"prompt": "as a cartoon"}
    wiro.inject(Fault("server_error", endpoint="Run", status=502))

    def start_dog() -> None:
        work.store.after_set = None
        WiroHook().run_model(editor, parameters, {"inputImage": files["dog"]})

    # After the intent and the loss, before the look.
    writes = []
    work.store.after_set = lambda: (writes.append(1), start_dog() if len(writes) == 2 else None)

    summary = work.run(model=editor, parameters=parameters, files={"inputImage": files["cat"]})

    assert summary["wiro_task_id"] == "2222"
    assert (work.started, wiro.counts.requests["Run"]) == (2, 3)


@pytest.mark.parametrize("kind", ["contents", "urls"])
def test_an_equal_run_of_an_equal_file_is_found(
    wiro: WiroEmulator, work: Work, editor: str, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"cat")
    file = str(path) if kind == "contents" else "https://pictures.example.com/cat.png"
    wiro.inject(Fault("drop_after", endpoint="Run"))

    summary = work.run(model=editor, parameters={"prompt": "x"}, files={"inputImage": file})

    assert summary["wiro_task_id"] == "2221"
    assert work.started == 1


def test_the_next_dag_runs_task_is_not_taken_by_the_retry_of_this_one(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker died after the intent and before the Run, and its retry came an hour later."""
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    left_by_a_dead_worker(work, seconds_ago=3600)
    WiroHook().run_model(RETRO, SMALL)  # the next DAG run's
    work.retry()

    assert work.run()["wiro_task_id"] == "2222"
    assert work.started == 2


def left_by_a_dead_worker(work: Work, *, seconds_ago: float) -> None:
    """Leave the record of a worker that died between its intent and its Run."""

    def die() -> None:
        raise SystemExit("SIGKILL")

    work.store.after_set = die
    with pytest.raises(SystemExit):
        work.run()
    work.store.after_set = None
    record = work.store.record or {}
    assert record["wiro_task_id"] is None
    earlier = {
        name: to_stored(from_stored(record[name]) - seconds_ago) for name in ("intended_at", "wiro_at")
    }
    work.store.set("wiro_run", {**record, **earlier})


# For how long.


def test_a_deferrable_run_waits_for_certainty_without_a_worker(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    wiro.inject(Fault("drop_before", endpoint="Run"))

    deferred = work.defer(timeout=3600)

    assert isinstance(deferred.trigger, WiroPauseTrigger)
    assert deferred.method_name == "execute_when_free"
    assert work.store.record is not None
    lost = deferred.trigger.lost_model, deferred.trigger.lost_at
    assert lost == (RETRO, pytest.approx(from_stored(work.store.record["intended_at"]), abs=1e-5))
    assert (work.store.record["loss"], work.started) == ("cut_off", 0)
    # A minute after a cut connection nothing can have been started any more.
    record = work.store.record
    earlier = {name: to_stored(from_stored(record[name]) - 61) for name in ("intended_at", "wiro_at")}
    work.store.set("wiro_run", {**record, **earlier})
    event = {"status": "success", "try_number": 1}
    assert work.resume(deferred, event)["wiro_task_id"] == "2221"
    assert (work.started, wiro.counts.requests["Run"]) == (1, 2)


def test_a_run_that_timed_out_is_not_sent_again_after_a_minute(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wiro may be at work on it for ten."""
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    left_by_a_dead_worker(work, seconds_ago=590)
    work.retry()

    deferred = work.defer(timeout=3600)

    assert isinstance(deferred.trigger, WiroPauseTrigger)
    assert wiro.counts.requests["Run"] == 0
    WiroHook().run_model(RETRO, SMALL)  # now the server gets to it
    summary = work.resume(deferred, {"status": "success", "try_number": 2})
    assert summary["wiro_task_id"] == "2221"
    assert work.started == 1


def test_a_timeout_before_certainty_is_for_a_retry_and_sends_nothing(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    wiro.inject(Fault("server_error", endpoint="Run", status=504))

    with pytest.raises(
        WiroUnsettledRunError, match="Its record is kept: a retry continues the search"
    ) as failure:
        work.run(timeout=0.3)

    assert failure.value.may_retry
    assert work.started == 0
    WiroHook().run_model(RETRO, SMALL)  # the server gets to it after all
    work.retry()
    assert work.run(timeout=60)["wiro_task_id"] == "2221"
    assert (work.started, wiro.counts.requests["Run"]) == (1, 2)


# After a resend.


@pytest.mark.parametrize("has_ended", [False, True], ids=["still running", "ended"])
def test_an_earlier_sending_that_started_a_task_after_all_is_stopped_and_reported(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch, has_ended: bool
) -> None:
    """Wiro shows its task too late for the search, but before the run is sent again."""
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "2")
    wiro.inject(Fault("server_error", endpoint="Run", status=504))
    ask = durable_run.ask_baseline
    asked: list[int] = []

    def and_it_shows_up(flow_context: FlowContext) -> Flow[Baseline]:
        asked.append(1)
        if len(asked) == 2:
            if not has_ended:
                wiro.inject(Fault("stuck_running"))
            late = WiroHook().run_model(RETRO, SMALL)
            if has_ended:
                WiroHook().wait_for_task(late.wiro_task_id, poll_interval=0.02)
        return ask(flow_context)

    monkeypatch.setattr(durable_run, "ask_baseline", and_it_shows_up)

    assert work.run()["wiro_task_id"] == "2222"
    assert work.statuses == ([DONE, DONE] if has_ended else [CANCELLED, DONE])
    assert "An earlier sending of this run had started Wiro task 2221 after all" in work.log
    assert "cost: 0.0" in work.log if has_ended else "is stopped now; cost:" in work.log


@pytest.mark.parametrize("waits", [True, False])
def test_an_equal_task_that_came_after_the_second_sending_is_reported_and_left_alone(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """Its connection was cut. The task may be the first sending's, or the next DAG run's."""
    wiro.inject(Fault("drop_before", endpoint="Run"))
    start = DurableRun.begin

    def and_another(run: DurableRun) -> Any:
        begun = start(run)
        wiro.inject(Fault("stuck_running"))
        WiroHook().run_model(RETRO, SMALL)
        return begun

    monkeypatch.setattr(DurableRun, "begin", and_another)

    assert work.run(wait_for_completion=waits)["wiro_task_id"] == "2221"
    assert CANCELLED not in work.statuses
    assert wiro.counts.requests["Task/Kill"] == wiro.counts.requests["Task/Cancel"] == 0
    assert "may be of an earlier sending or equal runs of other Airflow tasks: 2222 (" in work.log
    assert "UTC Wiro may still start a task for an earlier sending" in work.log


def test_a_task_that_starts_after_a_patience_set_too_short_is_stopped_and_reported(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only equal task in the ten minutes for which Wiro may be at work on a Run."""
    wiro.inject(Fault("server_error", endpoint="Run", status=504))
    start = DurableRun.begin

    def and_the_first_one_too(run: DurableRun) -> Any:
        begun = start(run)
        wiro.inject(Fault("stuck_running"))
        WiroHook().run_model(RETRO, SMALL)
        return begun

    monkeypatch.setattr(DurableRun, "begin", and_the_first_one_too)

    assert work.run()["wiro_task_id"] == "2221"
    assert work.statuses == [DONE, CANCELLED]
    assert "An earlier sending of this run had started Wiro task 2222 after all" in work.log


def test_several_equal_tasks_after_a_timed_out_sending_are_reported_and_left_alone(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("server_error", endpoint="Run", status=504))
    start = DurableRun.begin

    def and_two_more(run: DurableRun) -> Any:
        begun = start(run)
        for _ in range(2):
            WiroHook().run_model(RETRO, SMALL)
        return begun

    monkeypatch.setattr(DurableRun, "begin", and_two_more)

    work.run()

    assert CANCELLED not in work.statuses
    assert "2222 (" in work.log
    assert "2223 (" in work.log


def test_a_run_that_ends_while_an_earlier_sending_may_still_start_a_task_says_until_when(
    wiro: WiroEmulator, work: Work
) -> None:
    wiro.inject(Fault("server_error", endpoint="Run", status=504))

    work.run()

    assert "This run was sent more than once, and until " in work.log
    assert "UTC Wiro may still start a task for an earlier sending" in work.log


def test_a_run_that_was_sent_once_is_not_searched_for_at_its_end(wiro: WiroEmulator, work: Work) -> None:
    work.run()

    assert wiro.counts.requests["Task/List"] == 1


# Who may send.


def while_it_waits(monkeypatch: pytest.MonkeyPatch, happen: Any) -> None:
    """Have something happen while the first Run waits out a rate limit, and take that wait for long."""
    from airflow_provider_wiro.recovery import record_fence

    monkeypatch.setattr(record_fence, "MOMENT_SECONDS", 0.0)
    pause = WiroHook.pause

    def longer(hook: WiroHook, seconds: float) -> None:
        monkeypatch.setattr(WiroHook, "pause", pause)
        happen()

    monkeypatch.setattr(WiroHook, "pause", longer)


def test_a_try_that_was_overtaken_while_it_waited_sends_nothing(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its heartbeat was lost while it waited out a 429; the retry has sent the Run by then."""
    wiro.inject(Fault("rate_limit", endpoint="Run", retry_after=0))
    second: list[Any] = []

    def retry() -> None:
        context = {**work.context, "ti": FakeTi(try_number=2)}
        second.append(work.operator().execute(context))

    while_it_waits(monkeypatch, retry)

    with pytest.raises(WiroOvertakenError, match="try 2 of this Airflow task"):
        work.run()

    assert (work.started, wiro.counts.requests["Run"]) == (1, 2)
    record = work.store.record or {}
    assert (record["wiro_task_id"], record["is_spent"], record["try_number"]) == (
        second[0]["wiro_task_id"],
        True,
        2,
    )


def test_a_try_that_finds_a_later_tries_record_leaves_it_alone(wiro: WiroEmulator, work: Work) -> None:
    """It was frozen before it read the record, or asks again for a slot."""
    work.ti.try_number = 2
    work.run()
    before = work.store.record
    work.ti.try_number = 1

    with pytest.raises(WiroOvertakenError):
        work.run()

    assert work.store.record == before
    assert work.started == 1


def test_an_overtaken_try_does_not_write_its_id_over_the_later_ones(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was frozen while its Run was in flight: the later try finds the task in Wiro's list."""
    from airflow_provider_wiro.recovery import record_fence

    monkeypatch.setattr(record_fence, "MOMENT_SECONDS", 0.0)
    keep_id = DurableRun._keep_id
    second: list[Any] = []

    def frozen(run: DurableRun, record: Any) -> None:
        monkeypatch.setattr(DurableRun, "_keep_id", keep_id)
        second.append(work.operator().execute({**work.context, "ti": FakeTi(try_number=2)}))
        keep_id(run, record)

    monkeypatch.setattr(DurableRun, "_keep_id", frozen)

    with pytest.raises(WiroOvertakenError, match="Wiro task 2221 is left to that try"):
        work.run()

    assert second[0]["wiro_task_id"] == "2221"
    assert (work.started, wiro.counts.requests["Run"]) == (1, 1)


def test_a_try_that_was_overtaken_during_a_long_upload_breaks_it_off(
    wiro: WiroEmulator, work: Work, editor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has not arrived as a whole starts nothing."""
    from airflow_provider_wiro.input_files import stored_file
    from airflow_provider_wiro.recovery import record_fence

    monkeypatch.setattr(record_fence, "MOMENT_SECONDS", 0.0)
    path = tmp_path / "cat.png"
    path.write_bytes(b"cat" * 1_000_000)
    settings = {"model": editor, "parameters": {"prompt": "x"}, "files": {"inputImage": str(path)}}
    read = stored_file._Reading.read
    second: list[Any] = []

    def slow(file: Any, size: int | None = -1) -> bytes:
        if file.tell() > 1_000_000 and work.store.record:
            monkeypatch.setattr(stored_file._Reading, "read", read)
            second.append(work.operator(**settings).execute({**work.context, "ti": FakeTi(try_number=2)}))
        return read(file, size)

    monkeypatch.setattr(stored_file._Reading, "read", slow)

    with pytest.raises(WiroOvertakenError, match="try 2"):
        work.run(**settings)

    assert second[0]["status"] == DONE
    assert work.started == 1


@pytest.mark.parametrize("dies", [False, True], ids=["answer lost", "worker died"])
def test_the_time_of_an_upload_is_not_taken_from_the_search(
    wiro: WiroEmulator, work: Work, editor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Wiro can't begin before it has the last byte."""
    monkeypatch.setenv("AIRFLOW__WIRO__LOST_RUN_PATIENCE", "600")
    settings = upload_slowly(work, editor, tmp_path, monkeypatch, uploaded_for=50.0)
    wiro.inject(Fault("server_error", endpoint="Run", status=504))
    records: list[Any] = []
    lose = DurableRun._lose

    def die(run: DurableRun, lost: Any) -> Any:
        records.append(work.store.record)
        records.append(lose(run, lost).to_json())
        raise SystemExit

    monkeypatch.setattr(DurableRun, "_lose", die)
    with pytest.raises(SystemExit):
        work.run(**settings)

    sending = RunRecord.from_json(records[0] if dies else records[1]).sending
    assert sending.loss is (None if dies else Loss.TIMEOUT)
    assert 650.0 <= sending.holds_seconds(600.0) <= 670.0


def test_an_upload_ends_when_airflows_timeout_ends_the_task(
    wiro: WiroEmulator, work: Work, editor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would start a Run that nobody follows."""
    stopper: list[Any] = []

    def time_out() -> None:
        stopper[0]._is_interrupted = True

    settings = upload_slowly(work, editor, tmp_path, monkeypatch, half_way=time_out)
    operator = work.operator(**settings)
    stopper.append(operator._stopper)

    with pytest.raises(TaskStoppedError):
        operator.execute(work.context)

    assert work.started == 0
    assert work.store.record is None


def upload_slowly(
    work: Work,
    editor: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    uploaded_for: float = 0.0,
    half_way: Any = lambda: None,
) -> dict[str, Any]:
    """Have the clock go on, and something happen, within a file. Return the run's settings."""
    from airflow_provider_wiro.input_files import stored_file
    from airflow_provider_wiro.recovery import record_fence

    monkeypatch.setattr(record_fence, "MOMENT_SECONDS", 0.0)
    path = tmp_path / "cat.png"
    path.write_bytes(b"cat" * 1_000_000)
    read = stored_file._Reading.read
    passed = [0.0]

    def slow(file: Any, size: int | None = -1) -> bytes:
        if file.tell() > 1_000_000 and work.store.record and not passed[0]:
            passed[0] = uploaded_for
            half_way()
        return read(file, size)

    monkeypatch.setattr(stored_file._Reading, "read", slow)
    real = record_fence.RecordFence.__init__

    def clocked(fence: record_fence.RecordFence, *arguments: Any, **settings: Any) -> None:
        real(fence, *arguments, **settings, monotonic=lambda: time.monotonic() + passed[0])

    monkeypatch.setattr(record_fence.RecordFence, "__init__", clocked)
    return {"model": editor, "parameters": {"prompt": "x"}, "files": {"inputImage": str(path)}}


def test_a_run_that_leaves_late_counts_from_when_it_left(
    wiro: WiroEmulator, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    wiro.inject(Fault("rate_limit", endpoint="Run", retry_after=0))
    while_it_waits(monkeypatch, lambda: WiroHook().run_model(RETRO, {**SMALL, "prompt": "another's"}))

    work.run()

    intents = [record for record in work.store.writes if record["wiro_task_id"] is None]
    intent, renewed = intents[0], intents[-1]
    assert renewed["intended_at"] > intent["intended_at"]
    assert (intent["newest_before"], renewed["newest_before"]) == ("", "2221")


# A retry and its files.


@pytest.mark.parametrize("is_known", [True, False], ids=["its task is recorded", "its answer was lost"])
def test_a_retry_follows_its_task_though_the_input_file_is_gone(
    wiro: WiroEmulator, work: Work, editor: str, tmp_path: Path, is_known: bool
) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"cat")
    settings: dict[str, Any] = {
        "model": editor,
        "parameters": {"prompt": "x"},
        "files": {"inputImage": str(path)},
    }

    def die(**_: Any) -> None:
        raise SystemExit("SIGKILL")

    work.ti.xcom_push = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        work.run(**settings)
    del work.ti.xcom_push
    if not is_known:
        work.store.set("wiro_run", {**(work.store.record or {}), "wiro_task_id": None})
    path.unlink()
    work.retry()

    assert work.run(**settings)["wiro_task_id"] == "2221"
    assert work.started == 1


def test_a_new_run_of_a_file_that_is_gone_says_so_and_leaves_no_intent(
    work: Work, editor: str, tmp_path: Path
) -> None:
    with pytest.raises(AirflowFailException, match="Expected a file at"):
        work.run(model=editor, parameters={"prompt": "x"}, files={"inputImage": str(tmp_path / "no.png")})

    assert (work.started, work.store.record) == (0, None)


def test_a_record_has_digests_of_files_and_no_url(work: Work, editor: str, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"cat")
    work.run(model=editor, parameters={"prompt": "x"}, files={"inputImage": str(path)})
    work.clear()
    url = "https://pictures.example.com/cat.png?X-Amz-Signature=5ec2e7"
    work.run(model=editor, parameters={"prompt": "x"}, files={"inputImage": url})

    kept = json.dumps(work.store.writes)
    assert "9a21d0" not in kept
    assert "5ec2e7" not in kept
    digests = [one["files"]["inputImage"] for one in work.store.writes if "files" in one]
    assert {len(digest) for [digest] in digests} == {64}


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_run_that_started_though_wiro_returned_an_error_without_a_reason_is_found(
    wiro: WiroEmulator, work: Work, deferrable: bool
) -> None:
    wiro.inject(Fault("api_error", endpoint="Run", processed=True))

    summary = work.run(deferrable=deferrable)

    [task] = wiro.tasks
    assert summary["wiro_task_id"] == task.id
