"""
A local Wiro to develop and test against: the whole documented API, made-up outputs, faults on request.

Entry: `python -m airflow_provider_wiro.emulator --port 8900`, or in a test `WiroEmulator`. The emulator needs
no Airflow and shares no code with this provider's client: a common function for signatures, say, would let
one bug satisfy both sides.

`http` shows the world over HTTP, `state` is that world, `generation` says what a model makes of its inputs,
`catalog` lists the models, and `media` draws their outputs. Imports go down only, in this order.
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
