from __future__ import annotations

import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.emulator.media.prose import SHAPES
from airflow_provider_wiro.emulator.state.faults import ArmedFaults


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fault kind 'typo'"):
        Fault("typo")
    with pytest.raises(ValueError, match=r"unknown fault fields \['often'\]"):
        Fault.from_json({"kind": "html", "often": True})
    with pytest.raises(ValueError, match="at least once"):
        Fault("html", times=0)


def test_a_fault_can_be_restored_from_its_json() -> None:
    fault = Fault("unknown_status", times=None, task_status="task_x", forever=True)
    assert Fault.from_json(fault.to_json()) == fault


def test_a_fault_of_the_cdn_fires_for_the_cdn_only() -> None:
    armed = ArmedFaults()
    armed.arm(Fault("wrong_size"))
    assert armed.take_for_request("Task/List") is None
    assert armed.take_for_request("cdn") is not None
    assert list(armed) == []


def test_a_speed_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="bytes_per_second=0"):
        Fault("limited_speed", bytes_per_second=0)


def test_unknown_shapes_and_unknown_late_links_are_refused() -> None:
    with pytest.raises(ValueError, match="not 'round'"):
        Fault("answer_shape", shape="round")
    with pytest.raises(ValueError, match="not '500'"):
        Fault("late_link", until_then="500")
    for shape in SHAPES:
        Fault("answer_shape", shape=shape)


def test_unknown_consequences_of_a_failure_are_refused() -> None:
    with pytest.raises(ValueError, match=r"followed by one of .*, not by 'forget'"):
        Fault("fatal_error", then="forget")
    with pytest.raises(ValueError, match="seconds=-1"):
        Fault("requeue", seconds=-1)
