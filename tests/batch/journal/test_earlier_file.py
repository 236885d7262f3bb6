"""A journal that the version before left as one file on a local disk is continued, once, in segments."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_wiro.batch.journal.earlier_file import EarlierFile
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState, written_by
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from tests.batch.batch_work import prompts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork


#: As it was written: three of four items were sent; one is done, one runs, and of one it isn't known.
FILE = """\
{"what":"batch","version":1,"fingerprint":"5e2a","total":4,"try":1,"clears":0,"run_started_at":"2026-11-26T03:00:00.000000+00:00"}
{"what":"intent","item":0,"fingerprint":"0b1c","newest_before":"2219","at":"2026-11-26T03:00:04.210000+00:00","try":1}
{"what":"intent","item":1,"fingerprint":"77d0","newest_before":"2219","at":"2026-11-26T03:00:04.220000+00:00","try":1}
{"what":"id","item":0,"id":"2221","at":"2026-11-26T03:00:04.900000+00:00"}
{"what":"id","item":1,"id":"2222","at":"2026-11-26T03:00:05.000000+00:00"}
{"what":"opened","by":"0f9c6a1d20b4e8f3"}
{"what":"done","item":0,"place":[7,0],"cost":"0.04","bytes":null}
{"what":"intent","item":2,"fingerprint":"c0de","newest_before":"2222","at":"2026-11-26T03:09:00.000000+00:00","try":2}
{"what":"intent","item":3,"fingerprint":"aa"""


def test_the_state_is_the_one_that_the_earlier_version_left(tmp_path: Path) -> None:
    file = tmp_path / "-1.batch.jsonl"
    file.write_text(FILE)

    first, *others = EarlierFile(file).read()
    assert entries.read_begin(first) == ("5e2a", 4)
    state = BatchState(4, try_number=3)
    for entry in others:
        state.apply(entry)

    found = [state.item_state(item) for item in range(4)]
    assert found == [ItemState.DONE, ItemState.RUNNING, ItemState.INTENDED, ItemState.PENDING]
    assert state.attempts[1].wiro_task_id == "2222"
    assert (state.result_location(0), state.costs.total_usd) == ((7, 0), "0.04")
    assert written_by(first, state).number == 2


def leave(work: BatchWork) -> Path:
    """Have a batch's journal be one file, of two tries' entries; return it."""
    lines = work.journal_lines
    file = work.journal.with_name(f"{work.journal.name}.jsonl")
    file.write_text("".join([*lines[:2], '{"what":"opened","by":"0f9c"}\n', *lines[2:]]))
    work.remove_journal()
    return file


def test_the_file_is_read_and_carried_over_into_segments(work: BatchWork) -> None:
    inputs = prompts(3)
    first = work.run(inputs)
    before = work.entries
    file = leave(work)
    work.retry()

    assert work.run(inputs) == first
    assert work.started_once(inputs)
    assert work.entries == before
    assert not file.exists()


def test_a_crash_before_the_file_is_removed_never_lets_it_be_read_again(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = prompts(3)
    work.settings["max_active"] = 1
    work.wiro.inject(Fault("exit_code", skip=1))
    with pytest.raises(AirflowException, match="items failed"):
        work.run(inputs, max_item_retries=0)  # the second fails, so that the third isn't sent
    file = leave(work)
    work.retry()
    with monkeypatch.context() as crash:
        crash.setattr(EarlierFile, "remove", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            work.run(inputs)
    assert file.exists()
    work.retry()

    first = work.run(inputs)
    assert not file.exists()
    started = work.started
    work.remove_journal()  # as outside of tests, once the result was returned
    work.retry()
    assert work.run(inputs) == first
    assert work.started == started


def test_at_any_byte_that_a_crash_left_no_item_is_paid_for_again(work: BatchWork) -> None:
    inputs = prompts(3)
    work.run(inputs, max_active=3)
    file = leave(work)
    whole = file.read_bytes()
    for length in (*range(whole.index(b'{"what":"id"'), len(whole), 97), len(whole)):
        file.write_bytes(whole[:length])

        assert work.run(inputs, max_active=3)["succeeded"] == 3, length
        assert work.started_once(inputs), length
        work.remove_journal()


def test_a_damaged_line_is_named_and_nothing_is_started(
    work: BatchWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_wiro.batch.cancellation.deadline._UNHURRIED_SECONDS", 0.5)
    inputs = prompts(2)
    work.run(inputs)
    file = leave(work)
    lines = file.read_text().splitlines(keepends=True)
    for damage in ("\x00\x00\n", '{"what":"id","item":7,"id":"1"}\n'):
        file.write_text("".join([*lines[:3], damage, *lines[3:]]))
        with pytest.raises(AirflowFailException, match=f"at line 4 of {file}, found .*paid for again"):
            work.run(inputs)

    assert len(work.wiro.tasks) == 2


def test_reading_the_file_fences_the_earlier_version_by_making_it_longer(tmp_path: Path) -> None:
    file = tmp_path / "-1.batch.jsonl"
    file.write_text('{"what":"gone","item":1}\n{"what":"gone","it')
    size_that_its_writer_knows = len('{"what":"gone","item":1}\n')

    assert list(EarlierFile(file).read()) == [{"what": "gone", "item": 1}]
    assert file.stat().st_size > size_that_its_writer_knows
    assert list(EarlierFile(file).read()) == [{"what": "gone", "item": 1}]


def test_only_what_can_be_read_is_salvaged(tmp_path: Path) -> None:
    file = tmp_path / "-1.batch.jsonl"
    assert list(EarlierFile(file).salvage()) == []
    file.write_text('{"what":"gone","item":1}\n{"what":"opened"}\n[]\n{"what":"gone","item":2}\n{"wh')

    assert [entry["item"] for entry in EarlierFile(file).salvage()] == [1, 2]
    with pytest.raises(WiroOrphanedRunError, match=f"line 3 of {file}"):
        list(EarlierFile(file).read())
