"""The text of a state gives the same state again, is small, and is read by other versions of this package."""

from __future__ import annotations

import json
from decimal import Decimal
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.export.packed_ids import pack, pack_blocks, unpack, unpack_blocks
from airflow_provider_wiro.export.state import ExportState, Part, RunState, Tally
from airflow_provider_wiro.export.state_json import VERSION, from_text, to_text
from airflow_provider_wiro.export.wanted import ExportIdentity, Filters
from airflow_provider_wiro.task_history.position import Position
from tests.api.fake_transport import quick
from tests.export.exports import IDENTITY

IDS = st.frozensets(st.integers(1, 2**70), max_size=20)
SORTED = IDS.map(lambda ids: tuple(sorted(ids)))
TIMES = st.floats(0, 2e9)
COUNTS = st.dictionaries(st.text(max_size=9), st.integers(0), max_size=3)

RUNS = st.builds(
    RunState,
    instance=st.text(max_size=9),
    until=TIMES,
    claimed=SORTED,
    later=IDS,
    to_delete=IDS,
    parts=st.lists(st.builds(Part, st.text(max_size=9), IDS), max_size=3).map(tuple),
    tally=st.builds(Tally, COUNTS, st.decimals(0, 1000, places=12)),
    vanished=SORTED,
    commits=st.integers(0, 99),
    replaced=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    ended_at=st.none() | TIMES,
    drafts=st.lists(st.text(max_size=9), max_size=3).map(tuple),
)
STATES = st.builds(
    ExportState,
    position=st.none() | st.builds(Position, st.just(0), SORTED),
    since=st.none() | TIMES,
    pending=SORTED,
    open=st.dictionaries(st.integers(1, 10**9), st.none() | TIMES, max_size=9),
    asked=st.integers(0, 10**9),
    unclear=IDS,
    tries=st.dictionaries(st.integers(1, 10**9), st.integers(1, 9), max_size=3),
    runs=st.dictionaries(st.text(max_size=9), RUNS, max_size=3),
)


@quick
@given(STATES)
def test_a_state_is_read_as_it_was_written(state: ExportState) -> None:
    text = to_text(state, IDENTITY)
    assert from_text(text, IDENTITY, "here") == state
    assert to_text(from_text(text, IDENTITY, "here"), IDENTITY) == text


@quick
@given(IDS)
def test_packed_ids_are_unpacked_in_order(ids: frozenset[int]) -> None:
    assert unpack(pack(ids)) == tuple(sorted(ids))


@quick
@given(st.integers(0, 9000), st.integers(0, 3000))
def test_blocks_stay_the_same_while_ids_are_taken_away_at_the_beginning(total: int, taken: int) -> None:
    ids = tuple(range(1, 3 * total, 3))
    whole, rest = pack_blocks(ids), pack_blocks(ids[taken:])
    assert unpack_blocks(whole) == ids
    assert unpack_blocks(rest) == ids[taken:]
    assert rest[1:] == whole[len(whole) - len(rest) + 1 :]


@pytest.mark.parametrize("text", ["x", "no base85 \x00", pack([1, 2])[:-3], None, 7, ["1"]])
def test_what_is_not_packed_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected packed ids"):
        unpack(text)


def changed(**fields: Any) -> str:
    return json.dumps({**json.loads(to_text(ExportState(), IDENTITY)), **fields})


def test_fields_that_a_later_version_adds_are_ignored() -> None:
    assert from_text(changed(new={"a": 1}), IDENTITY, "here") == ExportState()


def test_fields_that_an_earlier_version_lacks_have_defaults() -> None:
    found = json.loads(to_text(ExportState(), IDENTITY))
    for name in ("since", "unknown_since", "asked", "unclear", "tries", "runs"):
        del found[name]
    assert from_text(json.dumps(found), IDENTITY, "here") == ExportState()


def test_a_newer_version_is_refused_in_one_sentence() -> None:
    with pytest.raises(
        WiroUsageError, match=f"at here has version {VERSION + 1}, and this package reads up to"
    ):
        from_text(changed(version=VERSION + 1), IDENTITY, "here")


@pytest.mark.parametrize(
    "fields",
    [
        {"pending": "x"},
        {"position": []},
        {"runs": {"a": {}}},
        {"runs": []},
        {"tries": [["1", 1]]},
        {"asked": 1.5},
        {"version": True},
        {"open": None},
    ],
)
def test_a_damaged_state_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(WiroUsageError, match="Expected the state of an export at here, found something else"):
        from_text(changed(**fields), IDENTITY, "here")


def test_the_state_of_another_export_is_refused() -> None:
    other = ExportIdentity("api.wiro.ai", "s3://bucket/wiro", Filters(model="a/b"))
    with pytest.raises(WiroUsageError, match=r"found that of another one: {.*'model': 'a/b'"):
        from_text(to_text(ExportState(), other), IDENTITY, "here")


def test_it_says_in_words_which_export_it_is_of() -> None:
    assert json.loads(to_text(ExportState(), IDENTITY))["export"] == {
        "address": "api.wiro.ai",
        "destination": "s3://bucket/wiro",
        "project_id": None,
        "model": None,
        "succeeded_only": True,
    }


@pytest.mark.parametrize(("step", "most_bytes"), [(1, 1_000), (7, 1_000), (1009, 1_000)])
def test_a_hundred_thousand_ids_at_regular_distances_are_next_to_nothing(step: int, most_bytes: int) -> None:
    assert len(pack(range(1, 100_000 * step, step))) < most_bytes


@pytest.mark.parametrize(("mean", "most_bytes"), [(10, 130_000), (1000, 260_000)])
def test_a_hundred_thousand_ids_are_a_small_text_and_take_no_time(mean: int, most_bytes: int) -> None:
    from random import Random

    random = Random(1)
    number, ids = 10**9, []
    for _ in range(100_000):
        number += 1 + int(random.expovariate(1 / mean))
        ids.append(number)
    state = ExportState(
        Position(0, tuple(ids[-200:])),
        pending=tuple(ids),
        runs={"a": RunState("a", 1, tally=Tally({}, Decimal(1)), manifest="s3://bucket/today.jsonl")},
    )
    before = process_time()
    text = to_text(state, IDENTITY)
    assert from_text(text, IDENTITY, "here") == state
    assert process_time() - before < 2  # 0.1 s, for each chunk of tasks
    assert len(text) < most_bytes
