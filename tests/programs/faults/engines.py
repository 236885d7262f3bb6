"""
Temporary PostgreSQL and Redis servers from Debian's packages, on free loopback ports.

Servers that the machine already runs are not touched: these have their own data, port and password.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.system import debian
from tests.programs.system.servers import HOST, Server, ServerError, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

POSTGRES_VERSION = "15"
#: Debian's package → a program of it.
_PACKAGES = {f"postgresql-{POSTGRES_VERSION}": "initdb", "redis-server": "redis-server"}
#: PostgreSQL refuses to run as root.
_POSTGRES_USER = "postgres"


def install_missing(say: Callable[[str], None]) -> None:
    """Install what is missing with apt-get, which needs root."""
    missing = [package for package, program in _PACKAGES.items() if not _find(program)]
    if not missing:
        return
    debian.install(
        missing,
        say,
        needs="These scenarios need",
        elsewhere="put PostgreSQL's initdb and postgres, and redis-server, into the PATH",
    )


def _find(program: str) -> str | None:
    # Debian keeps PostgreSQL's programs out of the PATH, since several versions can be there.
    debian = Path("/usr/lib/postgresql") / POSTGRES_VERSION / "bin"
    return shutil.which(program, path=os.pathsep.join((str(debian), os.environ.get("PATH", ""))))


def _program(name: str) -> str:
    found = _find(name)
    if found is None:
        raise ServerError(f"{name} is not installed")
    return found


class Postgres(Server):
    """A temporary PostgreSQL with one database."""

    def __init__(self, folder: Path, *, log: Path) -> None:
        self.folder = folder
        self.password = secrets.token_hex(16)
        self.port = free_port()
        # The data is temporary, so a crash may lose it.
        options = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 300,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        command = [_program("postgres"), "-D", str(folder)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        super().__init__(
            "PostgreSQL",
            [*_as_postgres(), *command],
            log=log,
            is_ready=lambda: self._accepts(),
            timeout_seconds=60,
        )

    @property
    def address(self) -> str:
        """The database as SQLAlchemy writes it, without a driver."""
        return f"postgresql+psycopg2://{_POSTGRES_USER}:{self.password}@{HOST}:{self.port}/postgres"

    def launch(self) -> None:
        if not self.folder.exists():
            self._make()
        super().launch()

    def ask_to_stop(self) -> None:
        # SIGTERM would wait for every client, and its children have left the session that could be killed.
        if self.is_running:
            os.kill(self.pid, signal.SIGINT)

    def _make(self) -> None:
        self.folder.mkdir(parents=True)
        if _as_postgres():
            shutil.chown(self.folder, _POSTGRES_USER, _POSTGRES_USER)
        with tempfile.NamedTemporaryFile("w", prefix="wiro-faults-") as file:
            file.write(self.password)
            file.flush()
            if _as_postgres():
                shutil.chown(file.name, _POSTGRES_USER, _POSTGRES_USER)
            command = [_program("initdb"), "-D", str(self.folder), "-U", _POSTGRES_USER, "--no-sync"]
            command += ["--auth=scram-sha-256", f"--pwfile={file.name}", "-E", "UTF8", "--locale=C"]
            done = subprocess.run(
                [*_as_postgres(), *command], capture_output=True, text=True, timeout=60, check=False
            )
        if done.returncode:
            raise ServerError(f"initdb failed:\n{(done.stdout + done.stderr)[-2000:]}")

    def _accepts(self) -> bool:
        command = [_program("pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0


def _as_postgres() -> Sequence[str]:
    """Return the prefix that runs a command as PostgreSQL's user; empty unless this process is root's."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={_POSTGRES_USER}", f"--regid={_POSTGRES_USER}", "--init-groups")


@contextlib.contextmanager
def running_postgres(home: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL with its data below `home`, or in a temporary folder if its user can't get there."""
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="wiro-faults-") as elsewhere:
        Path(elsewhere).chmod(0o755)
        # A checkout in root's home is closed to other users.
        can_enter = subprocess.run([*_as_postgres(), "test", "-x", str(home)], check=False).returncode == 0
        folder = (home if can_enter else Path(elsewhere)) / "postgres"
        with Postgres(folder, log=home / "postgres.log") as postgres:
            yield postgres


class Redis(Server):
    """A temporary Redis, in memory only."""

    def __init__(self, *, log: Path) -> None:
        self.port = free_port()
        self.password = secrets.token_hex(16)
        super().__init__(
            "Redis",
            [
                *(_program("redis-server"), "--port", str(self.port), "--bind", HOST),
                *("--save", "", "--appendonly", "no", "--requirepass", self.password),
            ],
            log=log,
            is_ready=lambda: log.exists() and "Ready to accept connections" in log.read_text(),
            timeout_seconds=30,
        )

    @property
    def address(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"
