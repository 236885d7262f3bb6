"""Programs that Debian's packages bring."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.programs.system.servers import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TIMEOUT_SECONDS = 600


def install(packages: Sequence[str], say: Callable[[str], None], *, needs: str, elsewhere: str) -> None:
    """
    Install packages with apt-get, which needs root.

    :param needs: what the packages are for, as the beginning of a sentence: "These scenarios need".
    :param elsewhere: what to do on another system.
    :raises ServerError: they can't be installed.
    """
    names = " and ".join(packages)
    command = f"apt-get install -y --no-install-recommends {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ServerError(f"{needs} {names}. Install as root: {command}  (on another system, {elsewhere}).")
    say(f"installing {names}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in ("apt-get update", command):
        done = subprocess.run(
            step.split(),
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise ServerError(f"{step} failed:\n{(done.stdout + done.stderr)[-2000:]}")
