"""A deferred batch's tasks fit into Airflow's database, and come out of it as they went in."""

from __future__ import annotations

import json
import random

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.triggers.packed_tasks import MOST_CHARACTERS, fitting, pack, unpack
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger

#: What MySQL's TEXT has room for.
MYSQL_BYTES = 65_535


def test_tasks_come_out_as_they_went_in_but_for_the_fractions_of_a_second() -> None:
    tasks = [("2221", 1_734_513_807.5), ("9" * 25, 0.0), ("0017", 5.0), ("b-7", 1e9), ("1", 1_734_513_806.0)]

    assert sorted(unpack(pack(tasks))) == sorted((wiro_task_id, float(int(at))) for wiro_task_id, at in tasks)
    assert unpack(pack([])) == []


def test_ten_thousand_tasks_of_a_busy_month_fit() -> None:
    ids = random.sample(range(10**9, 10**9 + 40_000_000), 10_000)
    tasks = [(str(number), 1.8e9 + place + 0.123456) for place, number in enumerate(sorted(ids))]

    assert len(fitting(tasks)) == 10_000


@pytest.mark.parametrize("most", [10**10, 2**63, 10**29])
def test_however_large_ten_thousand_ids_are_a_stored_row_stays_below_its_limit(most: int) -> None:
    tasks = [(str(random.randrange(most)), 1.8e9 + random.random() * 3600) for _ in range(10_000)]

    kept = fitting(tasks)
    trigger = WiroBatchTrigger(
        deferred_at=1.8e9, wiro_task_ids=[task[0] for task in kept], started_at=[task[1] for task in kept]
    )
    stored = json.dumps(trigger.serialize()[1])

    encrypted = (len(stored) + 57) * 4 / 3  # as Airflow 2.11 does
    assert encrypted < MYSQL_BYTES
    assert len(stored) < 60_000
    assert len(kept) > 2_000
    # The oldest are kept, for they end before the others.
    left_out = set(tasks) - set(kept)
    assert max(at for _, at in kept) <= min((at for _, at in left_out), default=2e9)


def test_what_a_row_has_no_room_for_is_left_out_by_age() -> None:
    tasks = [(str(random.randrange(2**63)), float(place)) for place in range(100)]

    assert fitting(tasks, 200) == tasks[: len(fitting(tasks, 200))]
    assert 0 < len(fitting(tasks, 200)) < 100


@pytest.mark.parametrize("text", ["", "?", "not packed", pack([("1", 1.0)])[:-4], pack([("1", 1.0)])[4:]])
def test_what_is_no_packed_text_is_an_error(text: str) -> None:
    with pytest.raises(WiroUsageError, match="Expected the packed tasks"):
        unpack(text)


def test_nothing_unpacks_to_more_memory_than_a_row_is_worth() -> None:
    assert MOST_CHARACTERS < MYSQL_BYTES
    bomb = pack([("x" * 50_000_000, 1.0)])

    with pytest.raises(WiroUsageError):
        unpack(bomb)
