"""A position says what is new, also of what was shown late."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.task_history.position import MAX_RECENT, Position, number_of
from tests.api.fake_transport import quick


def test_everything_is_new_at_first() -> None:
    assert Position().is_new(1)
    assert Position().high == 0


def test_larger_ids_are_new_and_those_that_were_shown_are_not() -> None:
    position = Position(10, (12, 15))
    assert [number for number in range(20) if position.is_new(number)] == [11, 13, 14, 16, 17, 18, 19]
    assert position.high == 15


def test_below_the_floor_nothing_is_new() -> None:
    assert not Position(10).is_new(10)
    assert Position(10).is_new(11)
    assert Position(10).high == 10


@quick
@given(st.frozensets(st.integers(1, 10_000), max_size=700), st.data())
def test_readings_together_know_what_each_of_them_has_shown(ids: frozenset[int], data: st.DataObject) -> None:
    position = Position()
    for _ in range(3):
        part = data.draw(st.frozensets(st.sampled_from(sorted(ids)), max_size=300) if ids else st.just(ids))
        position = position.merged(Position(0, tuple(sorted(part))))
        assert not any(position.is_new(number) for number in part)
    assert len(position.recent) <= MAX_RECENT
    assert all(number > position.floor for number in position.recent)


@quick
@given(
    st.lists(st.integers(1, 500), max_size=9, unique=True),
    st.lists(st.integers(1, 500), max_size=9, unique=True),
)
def test_the_order_of_readings_does_not_matter(one: list[int], other: list[int]) -> None:
    first, second = Position(0, tuple(sorted(one))), Position(3, tuple(sorted(other)))
    assert first.merged(second) == second.merged(first)
    assert first.merged(second).merged(second) == first.merged(second)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2221", 2221),
        ("0", 0),
        ("02", None),
        ("", None),
        ("-1", None),
        ("a", None),
        ("٣", None),
        ("1" * 300, None),
    ],
)
def test_an_id_is_a_number_if_that_gives_the_same_id_again(text: str, number: int | None) -> None:
    assert number_of(text) == number
