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
    bar = frame.locator("[role=progressbar]").first
    with promises.promise("a running batch shows how far it is"):
        bar.wait_for(timeout=MILLISECONDS)
        frame.evaluate("() => { window.neverLoadedAgain = true; }")
        counts = [int(bar.get_attribute(f"aria-value{name}") or -1) for name in ("min", "now", "max")]
        expect(counts[1] < ITEMS and counts[2] == ITEMS, f"it counts {counts}")
        expect("running" in (bar.get_attribute("aria-valuetext") or ""), "nothing is running")
    runs.let_the_batch_end()
    with promises.promise("when it has ended, its counts, pictures and failures are there without a click"):
        frame.wait_for_function(
            f"() => document.querySelectorAll('li.card').length === {ITEMS}", timeout=MILLISECONDS
        )
        expect(bar.get_attribute("aria-valuenow") == str(ITEMS), "the bar is not at its end")
        runs.wait(run.dag_id)
        wait_until_drawn(frame, ITEMS - FAILED)
        expect(frame.evaluate("() => window.neverLoadedAgain === true"), "the page was loaded again")
        expect(frame.locator("li.card[data-state=failed]").count() == FAILED, "the failures are not there")
    return frame
