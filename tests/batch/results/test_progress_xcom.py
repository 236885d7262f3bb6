"""A batch's worker says how far it is as an XCom: at changes, at most once a minute, and at the end."""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.batch.results import progress_xcom
from airflow_provider_wiro.batch.results.progress_xcom import ProgressXCom
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.operators import batch_arguments
from airflow_provider_wiro.triggers.batch_progress import ProgressCounts
from airflow_provider_wiro.version_compat import takes_messages_of_threads
from tests.batch.batch_work import prompts
from tests.operators.fakes import FakeLog, FakeTi

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Ti(FakeTi):
    """A task instance that keeps all values of its XComs."""

    def xcom_push(self, key: str, value: Any) -> None:
        super().xcom_push(key, value)
        self.pushed.append(value)

    @property
    def pushed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.__dict__.setdefault("_pushed", [])
        return found


def counts(done: int) -> ProgressCounts:
    return ProgressCounts(total=9, done=done, failed=0, running=1, ended=0, queued=8 - done)


def note(xcom: ProgressXCom, done: int) -> None:
    """Do what a batch does once a second."""
    if xcom.is_due:
        xcom.note(counts(done))
        if xcom._writing is not None:
            xcom._writing.result()


def done_of(ti: Ti) -> list[int]:
    return [value["done"] for value in ti.pushed]


def test_it_is_written_at_once_and_then_once_a_minute_at_most() -> None:
    ti, clock = Ti(), Clock()
    xcom = ProgressXCom(ti, clock, FakeLog(), in_background=True)

    for done in range(8):
        note(xcom, done)
        clock.now += 20

    assert done_of(ti) == [0, 3, 6]
    assert ti.pushed[0]["at"] == "1970-01-12T13:46:40+00:00"


def test_what_has_not_changed_is_not_written_again() -> None:
    ti, clock = Ti(), Clock()
    xcom = ProgressXCom(ti, clock, FakeLog(), in_background=True)

    for _ in range(5):
        note(xcom, 3)
        clock.now += 120
    xcom.end(counts(3))

    assert done_of(ti) == [3]


def test_the_end_is_written_whenever_it_comes_and_after_what_is_being_written() -> None:
    class SlowTi(Ti):
        def xcom_push(self, key: str, value: Any) -> None:
            if not self.pushed:
                entered.set()
                assert gate.wait(5)
            super().xcom_push(key, value)

    entered, gate = threading.Event(), threading.Event()
    ti = SlowTi()
    xcom = ProgressXCom(ti, Clock(), FakeLog(), in_background=True)
    xcom.note(counts(0))
    assert entered.wait(5)
    assert not xcom.is_due, "one at a time"
    threading.Timer(0.05, gate.set).start()

    xcom.end(counts(8))

    assert done_of(ti) == [0, 8]


def test_an_api_server_that_is_away_fails_no_batch() -> None:
    class BrokenTi(Ti):
        def xcom_push(self, key: str, value: Any) -> None:
            super().xcom_push(key, value)
            raise ConnectionError("the API server is away")

    ti, log, clock = BrokenTi(), FakeLog(), Clock()
    xcom = ProgressXCom(ti, clock, log, in_background=True)

    for done in range(3):
        note(xcom, done)
        clock.now += 61
    xcom.end(counts(8))

    assert done_of(ti) == [0]
    assert log.lines == [
        "How far the batch is can't be written as an XCom: ConnectionError('the API server is away')"
    ]


def test_where_airflow_takes_no_messages_of_threads_only_the_end_is_written() -> None:
    ti = Ti()
    xcom = ProgressXCom(ti, Clock(), FakeLog(), in_background=False)

    note(xcom, 3)
    assert done_of(ti) == []
    xcom.end(counts(8))

    assert done_of(ti) == [8]


@pytest.mark.parametrize(
    ("version", "is_so"),
    [
        ("2.11.2", True),
        ("3.0.6", False),
        ("3.1.8", False),
        ("3.2.2", True),
        ("3.10.0", True),
        ("4.0.0", True),
    ],
)
def test_airflow_3_0_and_3_1_take_no_messages_of_threads(
    monkeypatch: pytest.MonkeyPatch, version: str, is_so: bool
) -> None:
    monkeypatch.setattr("airflow.__version__", version)

    assert takes_messages_of_threads() is is_so


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_a_batch_ends_with_nothing_running(work: BatchWork, s3: S3, deferrable: bool) -> None:
    work.run(prompts(5), max_active=2, deferrable=deferrable)

    progress = work.ti.xcoms["progress"]
    assert {name: progress[name] for name in progress if name != "at"} == {
        "total": 5,
        "done": 5,
        "failed": 0,
        "running": 0,
        "ended": 0,
        "queued": 0,
    }


def test_a_batch_that_fails_shows_what_was_not_run_as_queued(work: BatchWork) -> None:
    work.wiro.inject(Fault("exit_code", skip=1, times=1))

    with pytest.raises(AirflowException):
        work.run(prompts(5), max_active=1, max_item_retries=0)

    progress = work.ti.xcoms["progress"]
    assert [progress[name] for name in ("total", "done", "failed", "running", "queued")] == [5, 1, 1, 0, 3]


def test_a_deferral_hands_the_counts_to_its_trigger_and_shows_them(work: BatchWork) -> None:
    work.wiro.inject(Fault("stuck_running", times=3))

    deferred = work.defer(prompts(5), max_active=3)

    handed: dict[str, Any] = deferred.trigger.progress
    assert handed == {"total": 5, "done": 0, "failed": 0, "running": 3, "ended": 0, "queued": 2}
    shown = work.ti.xcoms["progress"]
    assert {name: shown[name] for name in handed} == handed


def test_the_counts_of_a_batch_add_up_at_every_moment(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_xcom, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(batch_arguments, "takes_messages_of_threads", lambda: True)
    work.ti = ti = Ti()
    work.wiro.inject(Fault("exit_code", skip=2, times=3))

    work.run(prompts(12), max_active=4, max_item_retries=1, on_item_failure="continue")

    seen = [value for value in ti.pushed if isinstance(value, dict) and "queued" in value]
    assert len(seen) > 1
    for value in seen:
        parts = [value[name] for name in ("done", "failed", "running", "ended", "queued")]
        assert sum(parts) == value["total"] == 12
        assert min(parts) >= 0


def test_a_batch_that_was_done_before_shows_that(work: BatchWork) -> None:
    work.run(prompts(2))
    work.retry()

    work.run(prompts(2))

    assert work.ti.xcoms["progress"]["done"] == 2


def test_under_dags_test_one_thread_talks_to_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    class InProcessSupervisorComms:
        """Airflow's has this name, and is in the way of other threads' messages while it sends one."""

    runner = ModuleType("task_runner")
    runner.SUPERVISOR_COMMS = InProcessSupervisorComms()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.task_runner", runner)
    monkeypatch.setattr("airflow.__version__", "3.3.2")
    assert takes_messages_of_threads() is False
