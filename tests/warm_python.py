"""
Python processes that have imported Airflow when they start.

To import Airflow takes more than a second of processor time, and a short program does little else. So one
process imports ``BaseOperator``, and nothing of this package, and forks for each program. A fork is a process
of its own like any other: it can be killed, and shares neither memory nor modules with the test.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]


class WarmPython:
    """
    A program as ``python -c`` runs it, in the repository's folder and with the environment of this moment.

    :ivar pid: its process.
    :ivar stdin: what it reads.
    :ivar stdout: what it prints.
    :param code: the program.
    :param arguments: follow in its ``sys.argv``.
    """

    def __init__(self, code: str, *arguments: str) -> None:
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115  # read when it has ended
        read_in, self._write_in = os.pipe()
        self._read_out, write_out = os.pipe()
        self._answers, theirs = socket.socketpair()
        given = [theirs.fileno(), read_in, write_out, self._stderr.fileno()]
        socket.send_fds(_server(), [b"."], given)
        theirs.close()
        os.close(read_in)
        os.close(write_out)
        self.stdin: IO[str] = os.fdopen(self._write_in, "w")
        self.stdout: IO[str] = os.fdopen(self._read_out)
        asked = {"code": code, "arguments": ["-c", *arguments], "environment": dict(os.environ)}
        self._answers.sendall(json.dumps(asked).encode() + b"\n")
        self._answered = self._answers.makefile()
        self.pid = int(self._answered.readline())
        self.returncode: int | None = None

    def __enter__(self) -> WarmPython:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()
        for one in (self.stdin, self.stdout, self._stderr, self._answered, self._answers):
            one.close()

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        if self.returncode is None and select.select([self._answers], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """Wait for its end, and return its exit code, minus the signal where one killed it."""
        if self.returncode is None:
            self.returncode = int(self._answered.readline())
        return self.returncode

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    @property
    def stderr(self) -> str:
        """What it has written to its standard error so far."""
        self._stderr.seek(0)
        return self._stderr.read()


def run(code: str, *arguments: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with nothing to read, as ``subprocess.run(…, capture_output=True)`` does."""
    until = time.monotonic() + timeout
    with WarmPython(code, *arguments) as process:
        process.stdin.close()
        printed = bytearray()
        while True:
            if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                process.kill()
                raise TimeoutError(f"it runs for more than {timeout} s: {process.stderr[-2000:]}")
            read = os.read(process.stdout.fileno(), 65536)
            if not read:
                break
            printed += read
        return subprocess.CompletedProcess(code, process.wait(), printed.decode(), process.stderr)


@functools.cache
def _server() -> socket.socket:
    """Return the way to the process that forks. It ends with this one."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours


def _serve(requests: socket.socket) -> dict[str, Any] | None:
    """Fork for each program asked for, and return what it is in the process that has to run it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        said, descriptors, _, _ = socket.recv_fds(requests, 1, 4)
        if not said:
            return None
        if os.fork() == 0:
            requests.close()
            return _run_or_keep(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _run_or_keep(answers: int, *streams: int) -> dict[str, Any]:
    """Return in the process of the program; the other one reports how that ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with socket.socket(fileno=answers) as connection:
        with connection.makefile() as received:
            asked: dict[str, Any] = json.loads(received.readline())
        pid = os.fork()
        if pid:
            _keep(pid, connection, streams)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv[:] = asked["arguments"]
    return asked


def _keep(pid: int, connection: socket.socket, streams: tuple[int, ...]) -> NoReturn:
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _main() -> None:
    from airflow.providers.common.compat.sdk import BaseOperator  # noqa: F401

    gc.collect()
    gc.freeze()
    program = _serve(socket.socket(fileno=int(sys.argv[1])))
    if program is not None:
        exec(compile(program["code"], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102


if __name__ == "__main__":
    _main()
