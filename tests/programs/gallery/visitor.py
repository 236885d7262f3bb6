"""A user of Airflow with a browser: signs in, opens the gallery's tabs, and notes what happens there."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from PIL import Image

from tests.programs.gallery.promises import expect

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Frame, Page, Request, Response

TAB = "Wiro gallery"
WIDE = {"width": 1360, "height": 900}
#: As much as two busy cores may need; nothing waits for as long as that if it holds.
PATIENCE_MILLISECONDS = 45_000


@dataclass
class Seen:
    """What the browser has met since it was started, beside what the page shows."""

    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    ranges: list[tuple[str, str, int]] = field(default_factory=list)


class Visitor:
    """
    One user in a browser of their own.

    :ivar page: the browser's only tab.
    :ivar root: the address of Airflow's API server, with its base path.
    """

    def __init__(
        self, browser: Browser, root: str, *, size: Mapping[str, int] = WIDE, **options: Any
    ) -> None:
        self.root = root
        self.context = browser.new_context(viewport=dict(size), **options)
        self.context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.page: Page = self.context.new_page()
        self.seen = Seen()
        self.page.on("dialog", self._on_dialog)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.seen.errors.append(f"page error: {error}"))
        self.context.on("request", self._on_request)
        self.context.on("response", self._on_response)

    def close(self) -> None:
        self.context.close()

    def sign_in(self, username: str, password: str) -> None:
        """Fill in Airflow's own form."""
        self.page.goto(f"{self.root}/auth/login")
        self.page.locator("input[name=username]").fill(username)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("button[type=submit]").click()
        self.page.wait_for_url(lambda url: "/login" not in url)

    def click_tab(self, page: str) -> Frame:
        """Open a page of Airflow, click the gallery's tab there, and return the page in its frame."""
        self.page.goto(self.root + page)
        self.page.get_by_role("link", name=TAB).first.click()
        return self._frame()

    def open_tab(self, page: str) -> Frame:
        """Open the gallery's tab of a page of Airflow at once, as a bookmark does."""
        kind = "wiro-task" if "/tasks/" in page else "wiro-run" if "/runs/" in page else "wiro-dag"
        self.page.goto(f"{self.root}{page}/plugin/{kind}")
        return self._frame()

    def _frame(self) -> Frame:
        frame = self.page.locator("iframe").element_handle().content_frame()
        expect(frame is not None, "the iframe has no page")
        assert frame is not None
        frame.wait_for_selector("main[aria-busy=true]", state="detached")
        return frame

    def open_alone(self, route: str) -> Page:
        """Open a route of the gallery as a page of its own."""
        self.page.goto(self.root + route)
        self.page.wait_for_selector("main[aria-busy=true]", state="detached")
        return self.page

    def get(self, route: str, **options: Any) -> Any:
        """Ask for a route with the user's cookie, without following redirects."""
        return self.context.request.fetch(self.root + route, max_redirects=0, **options)

    def json(self, route: str) -> Any:
        response = self.get(route)
        expect(response.status == 200, f"{route}: status {response.status}: {response.text()[:200]}")
        return json.loads(response.text())

    def choose_mode(self, mode: str) -> None:
        """Choose "Light Mode" or "Dark Mode" in Airflow's menu."""
        self.page.get_by_role("button", name="User").click()
        self.page.get_by_role("menuitem", name="Appearance").click()
        self.page.get_by_role("menuitemradio", name=mode).click()
        self.page.keyboard.press("Escape")
        self.page.get_by_role("menu").first.wait_for(state="detached")

    def picture(self, folder: Path, name: str) -> None:
        """Keep a screenshot, in 256 colours, which is a third as large."""
        folder.mkdir(parents=True, exist_ok=True)
        with Image.open(io.BytesIO(self.page.screenshot())) as taken:
            few = taken.convert("RGB").quantize(256, dither=Image.Dither.NONE)
            few.save(folder / f"{name}.png", optimize=True)

    def _on_dialog(self, dialog: Dialog) -> None:
        self.seen.dialogs.append(dialog.message)
        dialog.dismiss()

    def _on_console(self, message: ConsoleMessage) -> None:
        # Airflow's own pages have theirs.
        is_ours = "/wiro/" in message.location.get("url", "") or "Content Security Policy" in message.text
        if message.type == "error" and is_ours:
            self.seen.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https"}:
            self.seen.hosts.add(parts.netloc)

    def _on_response(self, response: Response) -> None:
        asked = response.request.headers.get("range")
        if asked:
            self.seen.ranges.append((response.url, asked, response.status))
