"""Runs whose files take a while to be sent: the journal says for how long, and who has it sends."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch import run_sender
from airflow_provider_wiro.batch.journal.interface import JournalFencedError
from airflow_provider_wiro.batch.lost_runs import strays as stray_runs
from airflow_provider_wiro.batch.run_sender import Upload
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.items import Attempt
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.recovery.sending import Loss, Sending
from tests.batch.batch_work import prompts
from tests.batch.lost_runs.test_resolver import edits
from tests.operators.fakes import CANCELLED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have each piece of a file take a while, and return when each was sent."""
    pieces: list[float] = []
    note = Upload.note_piece

    def late(upload: Upload) -> None:
        time.sleep(0.1)
        note(upload)
        pieces.append(time.monotonic())

    monkeypatch.setattr(Upload, "note_piece", late)
    monkeypatch.setattr(run_sender, "_UPLOAD_CHECK_SECONDS", 0.02)
    monkeypatch.setattr(run_sender, "UPLOAD_NOTE_SECONDS", 0.05)
    return pieces


def large(work: BatchWork, tmp_path: Path) -> tuple[str, list[dict[str, Any]]]:
    model, items = edits(tmp_path, "contents")
    (tmp_path / "cat.png").write_bytes(b"cat" * 200_000)
    return model, items[:1]


def test_the_journal_says_for_how_long_the_files_of_a_run_were_on_their_way(
    work: BatchWork, tmp_path: Path, slow: list[float]
) -> None:
    model, items = large(work, tmp_path)

    assert work.run(items, model=model, parameters={})["succeeded"] == 1

    noted = [entry["uploaded_for"] for entry in work.entries if "uploaded_for" in entry]
    assert noted == sorted(noted)
    assert len(noted) > 1
    assert 0.05 <= noted[-1] <= slow[-1] - slow[0] + 1.0
    assert work.wiro.tasks[0].files[0].size == 600_000


def test_an_upload_ends_where_a_later_try_has_taken_the_journal_over(
    work: BatchWork, tmp_path: Path, slow: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, items = large(work, tmp_path)
    note = Upload.note_piece

    def overtaken(upload: Upload) -> None:
        if len(slow) == 2:
            list(work.open_journal().read())
        note(upload)

    monkeypatch.setattr(Upload, "note_piece", overtaken)

    with pytest.raises(JournalFencedError):
        work.run(items, model=model, parameters={})

    assert not work.wiro.tasks


def test_an_upload_counts_in_what_is_known_of_a_lost_run() -> None:
    record = BatchState(1, try_number=1)
    attempt = Attempt("digest", Sending(100.0, "7"), 1)
    record.apply(entries.run_intended(0, attempt))
    attempt.sending = replace(attempt.sending, uploaded_for=300.0)
    record.apply(entries.run_leaving(0, attempt))

    assert record.attempts[0].sending.latest_seconds(600.0) > 900.0
    assert record.attempts[0].sending.loss is not Loss.CUT_OFF
    again = BatchState(1, try_number=1)
    again.apply(entries.run_intended(0, record.attempts[0]))
    assert again.attempts[0].sending.uploaded_for == 300.0


def test_the_baseline_of_a_resent_run_is_known_until_its_earlier_sendings_were_looked_for() -> None:
    record = BatchState(1, try_number=1)
    record.apply(entries.run_intended(0, Attempt("digest", Sending(100.0, "7"), 1)))
    assert record.resent_after == {}
    record.apply(entries.lost_run_not_started(0, 1))
    record.apply(entries.run_intended(0, Attempt("digest", Sending(200.0, "9"), 1)))
    assert record.resent_after == {0: "9"}
    record.apply(entries.run_leaving(0, Attempt("digest", Sending(210.0, "11"), 1)))
    record.apply(entries.run_accepted(0, "12"))
    record.apply(entries.item_done(0, (1, 0), cost=None, size=None))
    assert record.resent_after == {0: "11"}
    record.apply(entries.strays_checked(0))
    assert record.resent_after == {}


def test_earlier_sendings_are_looked_for_with_that_baseline(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    find = stray_runs.find_strays

    def spied(*arguments: Any, **how: Any) -> Any:
        asked.append(how["resent_after"])
        return find(*arguments, **how)

    monkeypatch.setattr(stray_runs, "find_strays", spied)
    work.run(prompts(1))
    work.clear()
    work.wiro.inject(Fault("drop_before", endpoint="Run"))

    work.run(prompts(1))

    assert asked == [work.wiro.tasks[0].id]


def test_what_a_task_had_run_when_an_earlier_trys_stop_came_is_counted(work: BatchWork) -> None:
    inputs = prompts(2)
    work.wiro.inject(Fault("stuck_running", times=1))
    work.defer(inputs, max_active=1)
    work.retry()
    killed = work.wiro.tasks[0].id
    while work.wiro.tasks[0].status != "task_output":  # before it runs, nothing stops it
        time.sleep(0.01)
    WiroHook().kill_task(killed)

    summary = work.run(inputs)

    assert summary["succeeded"] == 2
    assert work.wiro.tasks[0].status == CANCELLED
    assert summary["unknown_costs"] == 1 or summary["known_cost_usd"] > summary["cost_usd"]
    assert {"what": "billed", "id": killed, "cost": None} in work.entries
