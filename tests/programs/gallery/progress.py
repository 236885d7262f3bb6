"""A batch that is looked at while it runs: its counts move, and the page ends by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.programs.gallery.looking import wait_until_drawn
from tests.programs.gallery.promises import expect

if TYPE_CHECKING:
    from playwright.sync_api import Frame

    from tests.programs.gallery.promises import Promises
    from tests.programs.gallery.runs import Runs
    from tests.programs.gallery.visitor import Visitor

ITEMS, FAILED = 24, 2
#: Its own 15 seconds, a start by a busy scheduler, and the pause of the page.
MILLISECONDS = 90_000


def watch_the_batch(promises: Promises, visitor: Visitor, runs: Runs) -> Frame:
    run = runs.start_batch()
    frame = visitor.open_tab(run.page)
    bar = frame.locator("[role=progressbar]")
    with promises.promise("a running batch shows how far it is, and moves without a click"):
        bar.first.wait_for(timeout=MILLISECONDS)
        frame.evaluate("() => { window.neverLoadedAgain = true; }")
        first = int(bar.first.get_attribute("aria-valuenow") or 0)
        expect(bar.first.get_attribute("aria-valuemax") == str(ITEMS), "it counts otherwise")
        frame.wait_for_function(
            "(first) => Number(document.querySelector('[role=progressbar]')?.ariaValueNow) > first",
            arg=first,
            timeout=MILLISECONDS,
        )
    with promises.promise("when it has ended, its pictures and failures are there without a click"):
        frame.wait_for_function(
            f"() => document.querySelectorAll('li.card').length === {ITEMS}", timeout=MILLISECONDS
        )
        runs.wait(run.dag_id)
        wait_until_drawn(frame, ITEMS - FAILED)
        expect(frame.evaluate("() => window.neverLoadedAgain === true"), "the page was loaded again")
        expect(frame.locator("li.card[data-state=failed]").count() == FAILED, "the failures are not there")
    return frame
