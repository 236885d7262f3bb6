"""Chromium, and a site for it; a test fails if the page logs an error that it does not expect."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.gallery.front.recorded import RUN_TAIL, serve_media
from tests.gallery.front.site import SANDBOX, Site
from tests.programs.gallery.chromium import install_if_missing, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Frame, Page

_HERE = Path(__file__).parent
#: Where Playwright isn't installed, as in the environments of `make test-matrix`, nothing of this can run.
collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]

#: Chromium says so of Airflow's own sandbox.
_KNOWN = "both allow-scripts and allow-same-origin"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of this folder."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.chromium)


# Not for the whole session: while it lives, asyncio has a running loop, which tests of coroutines can't have.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = start(driver, install_if_missing(print))
        yield browser
        browser.close()


@pytest.fixture
def site() -> Iterator[Site]:
    """Return a site with the recorded media, and no results yet."""
    made = Site()
    serve_media(made)
    yield made
    made.close()


@pytest.fixture
def other_site() -> Iterator[Site]:
    """Return a site of another origin, as S3 is."""
    made = Site()
    serve_media(made)
    yield made
    made.close()


class Visits:
    """
    Pages of the gallery that a test opens.

    :ivar expected: parts of messages in the browser's console that the test expects.
    :ivar problems: what the console had beside these.
    """

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser = browser
        self._site = site
        self._contexts: list[Any] = []
        self.expected: list[str] = []
        self.problems: list[str] = []

    def open(
        self,
        tail: str = RUN_TAIL,
        *,
        width: int = 1200,
        height: int = 900,
        wait: bool = True,
        has_own_clock: bool = False,
        **options: Any,
    ) -> Page:
        """Open a page alone in a tab; its cards are there, if it waits. A clock of its own can be moved."""
        page = self._new_page(width, height, options)
        if has_own_clock:
            page.clock.install()
        page.goto(self._site.page(tail))
        if wait:
            page.locator("main:not([aria-busy])").wait_for()
        return page

    def open_in_airflow(
        self,
        tail: str = RUN_TAIL,
        *,
        theme: str = "light",
        sandbox: str = SANDBOX,
        width: int = 1200,
        height: int = 900,
        **options: Any,
    ) -> tuple[Page, Frame]:
        """Open a page in Airflow's iframe; return Airflow's page and the gallery in it."""
        page = self._new_page(width, height, options)
        page.goto(self._site.in_airflow(tail, theme=theme, sandbox=sandbox))
        frame = page.frames[1]
        frame.locator("main:not([aria-busy])").wait_for()
        return page, frame

    def close(self) -> None:
        """Close all."""
        for context in self._contexts:
            context.close()

    def _new_page(self, width: int, height: int, options: dict[str, Any]) -> Page:
        viewport = {"width": width, "height": height}
        context = self._browser.new_context(viewport=viewport, timezone_id="UTC", **options)
        context.set_default_timeout(10_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))
        page.on("dialog", lambda dialog: (self.problems.append(dialog.message), dialog.dismiss()))
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(part in text for part in [_KNOWN, *self.expected]):
            self.problems.append(text)


@pytest.fixture
def site_below_a_path() -> Iterator[Site]:
    """Return the site of an Airflow whose base URL has a path."""
    made = Site("/airflow")
    serve_media(made)
    yield made
    made.close()


@pytest.fixture
def visits_below_a_path(chromium: Browser, site_below_a_path: Site) -> Iterator[Visits]:
    """Open pages of that Airflow."""
    made = Visits(chromium, site_below_a_path)
    yield made
    made.close()
    assert made.problems == []


@pytest.fixture
def visits(chromium: Browser, site: Site) -> Iterator[Visits]:
    """Open pages; at the end the browser's console must be empty."""
    made = Visits(chromium, site)
    yield made
    made.close()
    assert made.problems == []
