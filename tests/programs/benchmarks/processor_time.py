"""Processor time of servers and their child processes, read from /proc."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def of_one(pid: int) -> float:
    """Return the seconds of one process, without its children."""
    return _read(_stat(Path(f"/proc/{pid}/stat")))[0]


def of_children(pid: int) -> float:
    """Return the seconds of all descendants of a process, ended ones included."""
    stats = {}
    children = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*/stat"):
        # A process may end between the listing and the reading.
        with contextlib.suppress(OSError):
            fields = _stat(entry)
            stats[int(entry.parent.name)] = fields
            children[int(fields[1])].append(int(entry.parent.name))
    seconds = _read(stats[pid])[1]
    below = list(children[pid])
    while below:
        child = below.pop()
        seconds += sum(_read(stats[child]))
        below += children[child]
    return seconds


def _stat(entry: Path) -> list[str]:
    # The name before the last parenthesis may hold anything: proc_pid_stat(5).
    return entry.read_text().rpartition(")")[2].split()


def _read(fields: list[str]) -> tuple[float, float]:
    """Return the seconds of a process and of its ended children."""
    own, system, children, children_system = (int(field) for field in fields[11:15])
    return (own + system) / _TICKS, (children + children_system) / _TICKS
