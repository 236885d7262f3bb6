"""A period is written as people and templates write it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.spend.period import Period, moment_of

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        MIDNIGHT,
        datetime(2026, 11, 27),  # noqa: DTZ001
        date(2026, 11, 27),
        datetime(2026, 11, 27, 3, tzinfo=timezone(timedelta(hours=3))),
        "2026-11-27",
        "2026-11-27 00:00:00+00:00",
        " 2026-11-27T00:00:00Z ",
        "2026-11-27T03:00:00+03:00",
        timedelta(hours=12),
    ],
)
def test_all_forms_of_a_moment_are_read(given: Any) -> None:
    found = moment_of("since", given, NOW)
    assert found == MIDNIGHT
    assert found.tzinfo is not None


@pytest.mark.parametrize(
    "given",
    ["yesterday", "", "None", None, 5, 1764201600, timedelta(0), timedelta(-1), timedelta.max, "24h", True],
)
def test_anything_else_is_refused_with_what_was_found(given: Any) -> None:
    with pytest.raises(WiroUsageError, match="Expected since as a datetime, as ISO text") as error:
        moment_of("since", given, NOW)
    assert repr(given)[:100] in str(error.value)


def test_a_missing_data_interval_is_explained() -> None:
    with pytest.raises(WiroUsageError, match="may have no data interval"):
        Period.of("None", None, NOW)


def test_a_period_has_its_beginning_and_not_its_end() -> None:
    period = Period.of(MIDNIGHT, NOW, NOW)
    assert MIDNIGHT in period
    assert NOW not in period


def test_a_period_without_an_end_has_what_wiro_created_by_a_clock_that_is_ahead() -> None:
    period = Period.of(timedelta(days=1), None, NOW)
    assert NOW + timedelta(seconds=90) in period
    assert period.until == NOW


def test_a_period_without_an_end_lasts_until_now() -> None:
    assert Period.of(timedelta(days=1), None, NOW) == Period(NOW - timedelta(days=1), NOW)


@pytest.mark.parametrize(("since", "until"), [(NOW, None), (NOW, MIDNIGHT), (MIDNIGHT, MIDNIGHT)])
def test_a_period_that_ends_before_it_begins_is_refused(since: datetime, until: datetime | None) -> None:
    with pytest.raises(WiroUsageError, match="Expected since before"):
        Period.of(since, until, NOW)
