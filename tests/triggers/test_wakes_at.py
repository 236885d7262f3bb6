"""When a deferred batch resumes in a worker; moments are handed in."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.triggers.wiro_batch import GATHERING_SECONDS, wakes_at

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("ended", "waiting", "wake_at", "expected"),
    [
        (0, 10, None, None),
        (0, 10, 1000.0, 1000.0),
        (1, 9, 1000.0, GATHERING_SECONDS),
        (3, 7, 1000.0, 0.0),
        (1, 0, 1000.0, 0.0),
        (0, 0, 30.0, 30.0),
        (0, 0, None, 0.0),
        (0, 10, 2.0, 2.0),
        (3, 7, 2.0, 0.0),
        (1, 9, 12.0, 12.0),
    ],
)
def test_a_deferred_batch_resumes_when_it_is_worth_a_worker(
    ended: int, waiting: int, wake_at: float | None, expected: float | None
) -> None:
    """Moments in seconds from the deferral."""
    found = wakes_at(ended, waiting, deferred_at=NOW, wake_at=None if wake_at is None else NOW + wake_at)
    assert found == (None if expected is None else NOW + expected)
