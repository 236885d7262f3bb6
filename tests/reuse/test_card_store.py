"""A store of cards that fails costs a few warnings, and never a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch.reuse.few_lines import FewLines
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.reuse.card import MAX_BYTES
from airflow_provider_wiro.reuse.card_store import CardStore
from tests.operators.fakes import FakeLog
from tests.reuse.test_card import ANSWER, CARD, KEY

if TYPE_CHECKING:
    from pathlib import Path


def test_a_card_is_kept_and_found(tmp_path: Path) -> None:
    store = CardStore(str(tmp_path / "cards"), FakeLog())
    assert store.read(KEY) is None
    assert store.write(CARD)
    assert store.read(KEY) == CARD
    assert store.write(ANSWER)
    assert store.read(KEY) == ANSWER


@pytest.mark.parametrize("uri", ["cards", "s3://", "//host/x"])
def test_a_place_that_cannot_be_right_is_an_error(uri: str) -> None:
    with pytest.raises(WiroUsageError, match="reuse_results"):
        CardStore(uri, FakeLog())


def test_a_card_that_would_be_too_large_is_not_kept(tmp_path: Path) -> None:
    from dataclasses import replace

    log = FakeLog()
    store = CardStore(str(tmp_path), log)
    assert not store.write(replace(ANSWER, text="x" * MAX_BYTES))
    assert list(tmp_path.iterdir()) == []
    assert "No result card is kept" in log


def test_a_store_that_keeps_failing_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = FakeLog()
    store = CardStore(str(tmp_path), log)
    asked = []

    def fail(_: Any, name: str, most: int | None = None) -> bytes:
        asked.append(name)
        raise PermissionError(13, "no", name)

    monkeypatch.setattr("airflow_provider_wiro.storage.local_folder.LocalFolder.read", fail)
    assert [store.read(KEY) for _ in range(100)] == [None] * 100
    assert len(asked) == 5
    assert "is not asked any more" in log


def test_a_stop_is_no_failure_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> bytes:
        raise TaskStoppedError

    monkeypatch.setattr("airflow_provider_wiro.storage.local_folder.LocalFolder.read", stop)
    with pytest.raises(TaskStoppedError):
        CardStore(str(tmp_path), FakeLog()).read(KEY)


def test_thousands_of_lines_of_one_kind_are_a_few() -> None:
    log = FakeLog()
    few = FewLines(log)
    for number in range(1000):
        few.warning("The result of Wiro task %s is gone.", number)
        few.info("Another one: %s.", number)
    few.sum_up()
    assert len(log.lines) == 11
    assert log.lines[-1].startswith("1,990 more lines")
