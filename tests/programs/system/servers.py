"""
Child processes that are servers on loopback: free ports, starting, waiting until healthy, stopping.

Every server is the leader of a session of its own. Stopping uses that session, never a name, so two runs on
one machine don't disturb each other, and children in their own process group (such as the tasks of Airflow's
executor) are found as well.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

HOST = "127.0.0.1"
_POLL_SECONDS = 0.1
_KILL_TIMEOUT_SECONDS = 10
# With 10,000 added (SeaweedFS) still below 32,768, where Linux begins with the ports that it chooses itself.
_FREE_PORTS = (10_000, 20_000)
_LOG_TAIL_LINES = 40
# The machine's proxies are for external hosts: requests to loopback never use one.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ServerError(Exception):
    """A server did not start, or ended by itself; the message ends with the end of its log."""


def free_port(*offsets: int) -> int:
    """
    Return a loopback port that is free now, together with the ports `offsets` above it.

    Nothing reserves it until the server binds it. So it comes from below the range from which systems give a
    port to whoever binds port 0 or connects: another test's server can't be given it meanwhile. Another
    caller can draw the same one; the later server then exits, and waiting for it fails with its log.
    """
    # Not `random`: pytest-randomly seeds it alike in all processes of a test run.
    drawn = random.SystemRandom()
    for _ in range(200):
        port = drawn.randrange(*_FREE_PORTS)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for offset in (0, *offsets):
                stack.enter_context(socket.socket()).bind((HOST, port + offset))
            return port
    raise ServerError(f"found no free port on {HOST} with {offsets} above it free as well")


def answers(url: str) -> bool:
    """Return whether `url` responds with a status below 500."""
    try:
        with DIRECT.open(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, http.client.HTTPException):
        return False


def clean_environment(*, keep: Sequence[str] = ()) -> dict[str, str]:
    """
    Return this process's environment without variables that configure Airflow or boto3.

    `keep` holds prefixes that stay nevertheless. Bytecode is written again: without it each Airflow process
    takes three times as long to start.
    """
    steering = ("AIRFLOW", "_AIRFLOW", "AWS_", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(steering) or name.startswith(tuple(keep))
    }
    loopback = f"{HOST},localhost"
    no_proxy = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), loopback)))
    return kept | {"NO_PROXY": no_proxy, "no_proxy": no_proxy}


class Server:
    """
    One child process with its log file; a context manager that starts it, waits for it and stops it.

    `is_ready` is called every 0.1 s from `start` on, until it returns True. `start` can be called again after
    `stop` or `kill`: the log continues in the same file.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        timeout_seconds: float = 120,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.is_ready = is_ready
        self.environment = dict(clean_environment() if environment is None else environment)
        self.timeout_seconds = timeout_seconds
        self.launched_at = datetime.min.replace(tzinfo=UTC)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerError(f"{self.name} was never started")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start the process without waiting for it, so that several can start at the same time."""
        if self.is_running:
            raise ServerError(f"{self.name} is running already (pid {self.pid})")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.launched_at = datetime.now(UTC)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Wait until `is_ready` returns True; raise ServerError if the process ends or at the timeout."""
        deadline = time.monotonic() + self.timeout_seconds
        while not self.is_ready():
            if self._process is None or (exit_code := self._process.poll()) is not None:
                raise ServerError(self._failure(f"ended with exit code {exit_code} while starting"))
            if time.monotonic() > deadline:
                raise ServerError(self._failure(f"was not ready after {self.timeout_seconds:.0f} s"))
            time.sleep(_POLL_SECONDS)

    def start(self) -> Self:
        self.launch()
        try:
            self.wait_until_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def ask_to_stop(self) -> None:
        """Send SIGTERM without waiting, so that several can stop at the same time."""
        # Only to the leader: it stops its own children in its own order.
        if self._process is not None and self.is_running:
            self._process.terminate()

    def stop(self, *, grace_seconds: float = 10) -> None:
        """Stop the server, and kill the rest of its session after the grace period."""
        if self._process is None:
            return
        self.ask_to_stop()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_seconds)
        finally:
            # Also when somebody presses Ctrl-C again during the grace period.
            self.kill()

    def kill(self) -> None:
        """Kill the whole session with SIGKILL, which to other servers looks like a lost machine."""
        if self._process is None:
            return
        # Repeatedly, because a member may fork between the listing and its own end.
        deadline = time.monotonic() + _KILL_TIMEOUT_SECONDS
        while (members := session_members(self._process.pid)) and time.monotonic() < deadline:
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Reaps the leader, which counts as a member until then where there is no /proc.
            if self._process.poll() is not None and not Path("/proc").is_dir():
                break
            time.sleep(0.01)
        self._process.wait()
        # Its number may soon belong to another process.
        self._process = None

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _failure(self, what: str) -> str:
        return f"{self.name} {what}. The end of its log ({self.log}):\n{self.log_tail()}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def session_members(session: int) -> list[int]:
    """Return the pids that live in a session which this process started (on Linux; elsewhere its leader)."""
    entries = list(Path("/proc").glob("[0-9]*/stat"))
    if not entries:
        return [session]
    members = []
    for entry in entries:
        # A process may end between the listing and the reading.
        with contextlib.suppress(OSError):
            # The name before the last parenthesis may hold anything: proc_pid_stat(5).
            state, _parent, _group, its_session = entry.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                members.append(int(entry.parent.name))
    return members


@contextlib.contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that they leave as little behind as Ctrl-C."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    # SIGINT too: it is ignored in a process that a shell script starts with `&`.
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
