from __future__ import annotations

import pytest

from airflow_provider_wiro.emulator.http.ranges import UnsatisfiableRangeError, requested_range


@pytest.mark.parametrize("header", [None, "", "bytes=", "bytes=-", "lines=1-2", "bytes=1-2,5-6", "bytes=9-3"])
def test_a_range_that_is_not_understood_means_the_whole_file(header: str | None) -> None:
    assert requested_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=100-200"])
def test_a_range_that_holds_no_byte_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError):
        requested_range(header, 100)
