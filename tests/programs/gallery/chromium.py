"""Debian's Chromium: installed if it is missing, and started without a window."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.programs.system import debian
from tests.programs.system.servers import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Playwright


def install_if_missing(say: Callable[[str], None]) -> str:
    """Return where Chromium is; install it with apt-get, which needs root, if it is nowhere."""
    found = _find()
    if found is not None:
        return found
    debian.install(
        ["chromium", "fonts-dejavu-core"],
        say,
        needs="The gallery's tests need",
        elsewhere="put chromium or google-chrome into the PATH",
    )
    found = _find()
    if found is None:
        raise ServerError("apt-get has installed chromium, and it is not in the PATH.")
    return found


def _find() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def start(playwright: Playwright, program: str) -> Browser:
    """Start it; as root it has no sandbox of its own, which Chromium refuses otherwise."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    # A proxy of this machine is for hosts outside.
    return playwright.chromium.launch(executable_path=program, args=[*arguments, "--no-proxy-server"])


if __name__ == "__main__":
    install_if_missing(print)
