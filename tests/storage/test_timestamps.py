from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.storage.timestamps import from_stored, from_stored_or_none, to_stored


def test_a_stored_moment_is_one_that_a_person_can_read() -> None:
    assert to_stored(1764216729.25) == "2025-11-27T04:12:09.250000+00:00"


@given(st.floats(1, 4e9))
def test_what_was_stored_is_read_again_to_the_microsecond(seconds: float) -> None:
    assert from_stored(to_stored(seconds)) == pytest.approx(seconds, abs=2e-6)


@pytest.mark.parametrize("stored", [1764216729.25, 1764216729, "1764216729.25", "2025-11-27T04:12:09Z"])
def test_moments_of_earlier_versions_and_other_spellings_are_read(stored: object) -> None:
    assert from_stored(stored) == pytest.approx(1764216729, abs=0.3)


@pytest.mark.parametrize(
    "stored",
    ["", "soon", 0, -5, 1e30, True, None, [], {}, "2025-11-27T04:12:09", "T", "1969-01-01T00:00:00Z"],
)
def test_what_is_no_moment_is_damage(stored: object) -> None:
    with pytest.raises(ValueError, match=r"Expected a moment|Invalid isoformat"):
        from_stored(stored)


def test_a_moment_may_be_missing() -> None:
    assert from_stored_or_none(None) is None
    assert from_stored_or_none(5) == 5.0
