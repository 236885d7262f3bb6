from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import ManualClock, WallClock, WiroEmulator

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import Clock
    from tests.emulator.conftest import StartEmulator


def test_the_connection_is_what_airflow_reads() -> None:
    with WiroEmulator() as emulator:
        assert json.loads(emulator.connection) == {
            "conn_type": "wiro",
            "host": emulator.url,
            "login": "emulator-key",
            "password": "emulator-secret",
            "extra": {"websocket_url": emulator.websocket_url},
        }


@pytest.mark.parametrize(
    "clock", [WallClock(), WallClock(-3600), ManualClock()], ids=["real", "behind", "by hand"]
)
async def test_every_response_has_a_date_by_the_clock_of_the_tasks(
    start_emulator: StartEmulator, clock: Clock
) -> None:
    async with start_emulator(clock=clock) as wiro:
        created = float((await wiro.detail(await wiro.run()))["createtime"])
        async with wiro.session.post(f"{wiro.emulator.url}/Task/List", headers=wiro.headers()) as response:
            date = parsedate_to_datetime(response.headers["Date"]).timestamp()
    assert date == pytest.approx(clock.now(), abs=60)
    assert created == pytest.approx(clock.now(), abs=60)
