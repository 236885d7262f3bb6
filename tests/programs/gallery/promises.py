"""The promises of one run of the program: each is a line, and a broken one does not stop the others."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from playwright.sync_api import Error as PlaywrightError

from tests.programs.system.airflow_api import AirflowAPIError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The first lines of Playwright's messages say what was waited for.
_MOST_WORDS = 700


class BrokenPromiseError(Exception):
    """What a page shows, or a route answers, is not what was promised."""


def expect(is_so: object, words: str) -> None:
    """Raise a BrokenPromiseError that says `words` unless `is_so`."""
    if not is_so:
        raise BrokenPromiseError(words)


class Promises:
    """Says each promise that was looked at, and remembers those that are broken."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.broken: list[str] = []
        self.kept = 0
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        print(f"[{self.version} {time.monotonic() - self._began:6.1f} s] {line}", flush=True)

    @contextlib.contextmanager
    def promise(self, words: str) -> Iterator[None]:
        """Look at one promise: an error in the block breaks it."""
        try:
            yield
        except (BrokenPromiseError, PlaywrightError, AirflowAPIError, OSError) as error:
            self.say(f"BROKEN  {words}: {str(error)[:_MOST_WORDS]}")
            self.broken.append(f"{self.version}: {words}")
        else:
            self.kept += 1
            self.say(f"ok      {words}")
