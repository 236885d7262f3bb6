"""What remains of a batch whose result was returned: enough for a retry, for some hours."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.batch.journal import location
from tests.batch.batch_work import prompts
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3


@pytest.fixture
def discards(work: BatchWork, monkeypatch: pytest.MonkeyPatch) -> BatchWork:
    """Return a batch whose journal is removed, as it is outside of tests."""
    fresh = importlib.util.module_from_spec(location.__spec__)  # type: ignore[arg-type]
    location.__spec__.loader.exec_module(fresh)  # type: ignore[union-attr]
    monkeypatch.setattr(location, "_discard", fresh._discard)
    return work


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_journal_of_a_batch_is_removed_and_a_retry_returns_its_result(discards: BatchWork) -> None:
    inputs = prompts(3)
    first = discards.run(inputs, deferrable=True)
    assert [path.name for path in (discards.folder / "state").iterdir()] == ["~spent"]
    assert len(files(discards.folder)) == 2  # and the manifest
    discards.retry()

    assert discards.run(inputs, deferrable=True) == first
    assert discards.started_once(inputs)


def test_a_clear_after_that_runs_the_batch_again(discards: BatchWork) -> None:
    inputs = prompts(2)
    discards.run(inputs)
    discards.clear()

    assert discards.run(inputs)["succeeded"] == 2
    assert len(discards.wiro.tasks) == 4


def test_the_journal_of_a_batch_that_failed_stays_for_its_retry(discards: BatchWork) -> None:
    from airflow_provider_wiro.emulator import Fault

    discards.wiro.inject(Fault("exit_code"))
    inputs = prompts(2)
    with pytest.raises(Exception, match="1 of 2 items failed"):
        discards.run(inputs, max_item_retries=0)
    assert discards.journal.exists()
    discards.retry()

    assert discards.run(inputs)["succeeded"] == 2
    assert len(discards.wiro.tasks) == 3


def test_a_journal_in_s3_is_removed_too(discards: BatchWork, s3: S3) -> None:
    inputs = prompts(2)
    state_path = f"s3://aws_default@{BUCKET}/state"
    first = discards.run(inputs, state_path=state_path)
    assert [key.split("/")[1] for key in s3.keys if key.startswith("state/")] == ["~spent"]
    discards.retry()

    assert discards.run(inputs, state_path=state_path) == first
    assert discards.started_once(inputs)
