"""\"There is no task yet.\" for a task that was just accepted: the half minute counts from Wiro's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.api import polling
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.storage.timestamps import from_stored, to_stored
from tests.batch.batch_work import prompts
from tests.batch.conftest import work as batch_work

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.batch.batch_work import BatchWork
    from tests.operators.fakes import Work

__all__ = ["batch_work"]
HALF_MINUTE = 0.5


@pytest.fixture(autouse=True)
def _answered_late(wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Run take longer than the half minute, and Detail lag after it."""
    monkeypatch.setattr(polling, "NOT_YET_SECONDS", HALF_MINUTE)
    wiro.inject(
        Fault("slow", endpoint="Run", delay_seconds=HALF_MINUTE + 0.3),
        Fault("api_error", endpoint="Task/Detail", code=1, message="There is no task yet.", times=3),
    )


@pytest.mark.parametrize("defer_after", [0.0, 30.0])
@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_a_run_whose_response_took_long_is_followed(work: Work, deferrable: bool, defer_after: float) -> None:
    assert work.run(deferrable=deferrable, defer_after=defer_after, poll_interval=0.02)["outputs"]
    assert work.started == 1


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_an_item_whose_response_took_long_is_followed(batch_work: BatchWork, deferrable: bool) -> None:
    assert batch_work.run(prompts(1), deferrable=deferrable)["succeeded"] == 1
    assert len(batch_work.wiro.tasks) == 1


def test_a_retry_counts_from_the_recorded_response(work: Work) -> None:
    def die(**_: object) -> None:
        raise SystemExit("SIGKILL")

    work.ti.xcom_push = die  # type: ignore[method-assign,assignment]
    with pytest.raises(SystemExit):
        work.run()
    del work.ti.xcom_push
    work.retry()

    assert work.run()["outputs"]
    assert work.started == 1


def test_a_retry_long_after_the_response_does_not_believe_one_poll(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(**_: object) -> None:
        raise SystemExit("SIGKILL")

    work.ti.xcom_push = die  # type: ignore[method-assign,assignment]
    with pytest.raises(SystemExit):
        work.run()
    del work.ti.xcom_push
    record = work.store.record or {}
    times = ("intended_at", "accepted_at")
    earlier = {name: to_stored(from_stored(record[name]) - 600) for name in times}
    work.store.set("wiro_run", {**record, **earlier})
    monkeypatch.setattr(polling, "NOT_YET_SECONDS", 30.0)
    work.retry()

    assert work.run()["wiro_task_id"] == "2221"
    assert work.started == 1
