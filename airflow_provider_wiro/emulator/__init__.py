"""
A local Wiro to develop and test against: the whole documented API, made-up outputs, faults on request.

Run it with `python -m airflow_provider_wiro.emulator --port 8900`, or in a test with `WiroEmulator`. It
stands alone: no Airflow, nothing of this provider's client code. One function that computes signatures for
both sides would let one bug satisfy both.
"""

from __future__ import annotations

from airflow_provider_wiro.emulator.state.clock import Clock, ManualClock, WallClock
from airflow_provider_wiro.emulator.state.faults import Fault
from airflow_provider_wiro.emulator.state.recording import Counts, ReceivedRequest
from airflow_provider_wiro.emulator.state.snapshots import FileSnapshot, TaskSnapshot
from airflow_provider_wiro.emulator.threaded import WiroEmulator

__all__ = [
    "Clock",
    "Counts",
    "Fault",
    "FileSnapshot",
    "ManualClock",
    "ReceivedRequest",
    "TaskSnapshot",
    "WallClock",
    "WiroEmulator",
]
