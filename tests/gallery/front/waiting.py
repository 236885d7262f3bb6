"""Waiting for something in a page. Playwright's own way needs `eval`, which the page's policy forbids."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from playwright.sync_api import Error

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page


def until(page: Page | Frame, expression: str, seconds: float = 10) -> None:
    """Wait until an expression is true in the page."""
    end = time.monotonic() + seconds
    while not _is_true(page, expression):
        if time.monotonic() > end:
            raise TimeoutError(f"Still not true after {seconds} s: {expression}")
        page.wait_for_timeout(20)


def _is_true(page: Page | Frame, expression: str) -> bool:
    try:
        return bool(page.evaluate(expression))
    except Error as error:
        if "context was destroyed" in str(error):  # another page is on its way
            return False
        raise
