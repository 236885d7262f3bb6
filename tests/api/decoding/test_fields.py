from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.decoding import fields
from tests.api.fake_transport import quick

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "read"),
    [("6.0000", 6.0), ("6", 6.0), (6, 6.0), (" 6 ", 6.0), (0, 0.0), ("-1", -1.0)]
    + [(nothing, None) for nothing in ("", None, "NaN", "inf", 1e400, True, [], {}, "six", "6 s")],
)
def test_a_number_may_come_as_text_and_anything_else_is_none(value: object, read: float | None) -> None:
    assert fields.number(value) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [("202472", 202472), (202472, 202472), ("0", 0), ("-1", None), ("", None), (None, None)],
)
def test_a_size_is_a_whole_number_or_unknown(value: object, read: int | None) -> None:
    assert fields.whole_number(value) == read


@pytest.mark.parametrize("not_yet", ["0", 0, "", None, "-5", "soon", "1e30", 1734513809000000, "0.0"])
def test_a_time_of_zero_or_nonsense_means_not_yet(not_yet: object) -> None:
    assert fields.moment(not_yet) is None


@pytest.mark.parametrize("written", ["1734513809", 1734513809, 1734513809.0])
def test_a_time_is_an_aware_moment(written: object) -> None:
    assert fields.moment(written) == datetime(2024, 12, 18, 9, 23, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("0.003510000000", "0.00351"),
        (0.0000001, "0.0000001"),
        ("1E-7", "0.0000001"),
        (2, "2"),
        ("0", "0"),
        ("", None),
        (None, None),
        ("free", None),
        ("Infinity", None),
        ("sNaN", None),
        ("1e999999", None),
        ("1e99999999999999999999", None),
    ],
)
def test_money_is_exact_and_has_no_trailing_zeros(value: object, read: str | None) -> None:
    assert fields.money(value) == read


@pytest.mark.parametrize("yes", [True, 1, "1", "true", "TRUE", "yes"])
def test_a_flag_may_come_as_number_or_text(yes: object) -> None:
    assert fields.flag(yes)


@pytest.mark.parametrize("no", [False, 0, "0", "false", "", None, [], [1], {}])
def test_a_flag_that_is_not_set_is_not_set(no: object) -> None:
    assert not fields.flag(no)


@pytest.mark.parametrize(
    ("value", "read"),
    [('["a"]', ["a"]), (["a"], ["a"]), ("", []), ("{}", []), ("[", []), (None, []), ("[" * 200_000, [])],
)
def test_a_list_may_come_as_json_inside_text(value: object, read: list[str]) -> None:
    assert fields.json_list(value) == read


def test_text_can_be_stored_in_databases_and_encoded_as_utf_8() -> None:
    assert fields.text("a\0b\ud800c") == "ab?c"


@quick
@given(JSON_VALUES)
def test_no_json_value_breaks_a_field(value: object) -> None:
    fields.text(value).encode()
    fields.number(value)
    fields.whole_number(value)
    fields.money(value)
    fields.moment(value)
    fields.flag(value)
    fields.json_list(value)
