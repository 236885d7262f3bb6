"""Screenshots of the gallery in Airflow's own pages, light, dark and narrow, for people to look at."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.programs.gallery.looking import DRAWN, card, larger_view
from tests.programs.gallery.runs import BATCH, EXPORT, MANY, SHOW

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Frame, Page

    from tests.programs.gallery.runs import Runs
    from tests.programs.gallery.visitor import Visitor

#: Those that the documentation shows.
FOR_THE_PAGES = ("gallery-run", "gallery-run-dark", "gallery-larger-view", "gallery-batch", "gallery-narrow")
TALL = {"width": 1360, "height": 1240}
NARROW = {"width": 400, "height": 860}


def take_screenshots(visitor: Visitor, runs: Runs, folder: Path) -> None:
    """Write `gallery-….png` files into a folder."""
    visitor.page.set_viewport_size(TALL)
    run = runs.of[SHOW]
    frame = _settled(visitor.open_tab(run.page))
    visitor.picture(folder, "gallery-run")
    visitor.choose_mode("Dark Mode")
    visitor.picture(folder, "gallery-run-dark")
    visitor.choose_mode("Light Mode")
    # What is below: the iframe scrolls by itself.
    frame.locator("li.card").last.scroll_into_view_if_needed()
    _settled(frame)
    visitor.picture(folder, "gallery-run-below")
    larger_view(card(frame, "autumn posters")).click()
    frame.wait_for_function(DRAWN, arg=frame.locator("dialog[open] img").element_handle())
    visitor.picture(folder, "gallery-larger-view")
    visitor.page.keyboard.press("Escape")
    for dag_id, name, tail in (
        (BATCH, "gallery-batch", ""),
        (MANY, "gallery-catalogue", "/tasks/shoot"),
        (EXPORT, "gallery-export", ""),
    ):
        _settled(visitor.open_tab(runs.of[dag_id].page + tail))
        visitor.picture(folder, name)
    _settled(visitor.open_tab(f"/dags/{SHOW}"))
    visitor.picture(folder, "gallery-dag")
    visitor.page.set_viewport_size(NARROW)
    _settled(visitor.open_alone(run.gallery("runs")))
    visitor.picture(folder, "gallery-narrow")


def copy_for_the_pages(taken: Path, folder: Path) -> None:
    """Copy those that the documentation shows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOR_THE_PAGES:
        shutil.copy(taken / f"{name}.png", folder)


def _settled(frame: Frame | Page) -> Frame | Page:
    """Wait until the pictures that one sees are drawn, and films show their first frame."""
    frame.wait_for_selector("li.card")
    frame.wait_for_function(
        """() => [...document.querySelectorAll("li.card img, li.card video")].every((node) => {
            const box = node.getBoundingClientRect();
            const isSeen = box.top < innerHeight && box.bottom > 0;
            return !isSeen || (node.complete && node.naturalWidth > 0) || node.readyState >= 2;
        })"""
    )
    return frame
