from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.emulator import WiroEmulator

if TYPE_CHECKING:
    from tests.emulator.conftest import StartEmulator


@pytest.mark.parametrize("settings", [{"speed": 0}, {"api_key": ""}, {"api_secret": ""}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"speed|key|secret"):
        WiroEmulator(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["socket_registrations", "socket_dialect", "nonces", "kill_from", "task_fields", "list_fields"]
)
def test_unknown_choices_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be one of .*, got 'two'"):
        WiroEmulator(**{name: "two"})


def test_a_negative_number_of_teammates_is_refused(start_emulator: StartEmulator) -> None:
    from airflow_provider_wiro.emulator import WiroEmulator

    with pytest.raises(ValueError, match="teammates must not be below zero"):
        WiroEmulator(teammates=-1)


def test_a_negative_delay_of_the_cost_is_refused() -> None:
    with pytest.raises(ValueError, match="late_cost_seconds must not be below zero, got -1"):
        WiroEmulator(late_cost_seconds=-1)
