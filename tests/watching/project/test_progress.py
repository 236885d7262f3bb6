"""A trigger's progress as a text: what is written is read again; what can't be read is not taken for none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.task_history.position import Position
from airflow_provider_wiro.watching.project.progress import MOST_CHARACTERS, Progress

ADDRESS = "https://api.wiro.ai/v1"
#: As the first version wrote it.
STORED = '{"version":1,"api":"https://api.wiro.ai/v1","floor":2200,"recent":[2221,1,3],"open":[2190,31]}'

IDS = st.sets(st.integers(1, 10**12), max_size=50)


@given(floor=st.integers(0, 10**12), recent=IDS, open_ids=IDS)
def test_what_is_written_is_read_again(floor: int, recent: set[int], open_ids: set[int]) -> None:
    progress = Progress(Position(floor, tuple(sorted(recent))), open_ids)

    assert Progress.from_text(progress.to_text(ADDRESS), ADDRESS) == progress


def test_the_first_versions_text_is_read_and_written_alike() -> None:
    progress = Progress.from_text(STORED, ADDRESS)

    assert progress == Progress(Position(2200, (2221, 2222, 2225)), {2190, 2221})
    assert progress.to_text(ADDRESS) == STORED


def test_only_what_was_seen_and_is_not_open_is_done() -> None:
    progress = Progress(Position(20, (23, 25)), {4, 25})

    done = [number for number in (3, 4, 20, 22, 23, 24, 25, 26) if progress.is_done(number)]

    assert done == [3, 20, 23]
    assert not Progress().is_done(1)


def test_a_trigger_that_has_seen_nothing_is_stored_as_that() -> None:
    assert Progress.from_text(Progress().to_text(ADDRESS), ADDRESS) == Progress()


def test_fields_that_a_later_version_adds_are_ignored() -> None:
    assert Progress.from_text(json.dumps({**json.loads(STORED), "more": 1}), ADDRESS) is not None


def test_ids_of_another_api_are_not_continued_from() -> None:
    assert Progress.from_text(STORED, "http://127.0.0.1:8900/v1") is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"version":1,"api":"a","floor":"x","recent":[],"open":[]}'],
)
def test_what_can_not_be_read_is_not_taken_for_no_progress(text: str) -> None:
    with pytest.raises(WiroRecordError, match="Expected the progress of a WiroTaskEndedTrigger"):
        Progress.from_text(text, ADDRESS)


def test_a_newer_versions_progress_is_refused() -> None:
    with pytest.raises(WiroRecordError, match="newer version"):
        Progress.from_text(json.dumps({**json.loads(STORED), "version": 2}), ADDRESS)


@pytest.mark.parametrize("step", [1, 1000])
def test_a_progress_that_is_too_large_ends_at_the_last_open_id_that_fits(step: int) -> None:
    ids = set(range(10**9, 10**9 + 100_000 * step, step))
    text = Progress(Position(max(ids) + 1), ids).to_text(ADDRESS)
    found = Progress.from_text(text, ADDRESS)

    assert len(text) <= MOST_CHARACTERS
    assert found is not None
    assert len(found.open) > 8_000
    assert found.high == max(found.open)
    assert found.open == {number for number in ids if number <= found.high}
