"""Finds and kills single processes: a task's, its worker's, a server's without its children."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.system.servers import session_members

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.programs.system.servers import Server


class ForeignProcessError(Exception):
    """A process is not a child of a server that this program started, and is not killed."""


def parent_of(pid: int) -> int:
    # The name before the last parenthesis may hold anything: proc_pid_stat(5).
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_task(pid: int, servers: Iterable[Server], *, with_worker: bool = False) -> None:
    """
    Kill a task's process with SIGKILL, or first its worker and then the task's process.

    The pid comes from Airflow's database, so it is checked to live in the session of one of `servers`.
    """
    if not any(pid in session_members(server.pid) for server in servers):
        raise ForeignProcessError(
            f"process {pid} is not in a session of {[server.name for server in servers]}"
        )
    if with_worker:
        os.kill(parent_of(pid), signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)


def signal_session(server: Server, number: signal.Signals) -> None:
    """Send a signal to every process of a server's session: SIGSTOP freezes it, SIGCONT resumes it."""
    for pid in session_members(server.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_session(session: int) -> None:
    """Kill the rest of a session whose leader is gone."""
    for pid in session_members(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
