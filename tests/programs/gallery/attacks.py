"""Names, prompts and results that want to be HTML, script, a link, or somebody else's object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.programs.gallery.installation import BUCKET
from tests.programs.gallery.looking import larger_view, titles, wait_until_drawn
from tests.programs.gallery.promises import expect
from tests.programs.gallery.runs import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Frame, Page

    from tests.programs.gallery.installation import Installation
    from tests.programs.gallery.promises import Promises
    from tests.programs.gallery.runs import Runs
    from tests.programs.gallery.visitor import Visitor

SALARIES = "private/salaries.png"
#: Elements that no card has: only a text that was read as HTML could make them.
FOREIGN = (
    "img[src='x'], script:not([src]), iframe, object, embed, [onerror], [onload], a[href^='javascript:' i]"
)


def forge_results(installation: Installation, runs: Runs) -> None:
    """Put an object into the bucket that no transfer has made, and let a result name it."""
    drawn = runs.result(HOSTILE, "keep", 0)
    key = drawn["files"][0]["uri"].partition(f"{BUCKET}/")[2]
    bucket = installation.s3.client()
    picture = bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    bucket.put_object(Bucket=BUCKET, Key=SALARIES, Body=picture, ContentType="image/png")
    forged = drawn | {"files": [drawn["files"][0] | {"uri": f"s3://{BUCKET}/{SALARIES}"}]}
    runs.forge("keep", 3, forged)


def look_at_attacks(promises: Promises, visitor: Visitor, runs: Runs) -> Frame:
    run = runs.of[HOSTILE]
    frame = visitor.open_tab(run.page)
    with promises.promise("hostile names, prompts, labels and results are shown as texts"):
        wait_until_drawn(frame, 3)
        words = frame.inner_text("main")
        for wanted in ("<img src=x onerror=alert('prompt')>", "<script>alert('breakout')</script>"):
            expect(wanted in words, f"no {wanted!r} among {titles(frame)}")
        foreign = frame.query_selector_all(FOREIGN)
        expect(not foreign, f"there is {[node.evaluate('node => node.outerHTML')[:200] for node in foreign]}")
    with promises.promise("10,000 characters and right-to-left texts break no layout"):
        expect_no_overflow(frame)
    with promises.promise("each page of the larger view shows hostile texts as texts"):
        larger_view(frame).click()
        viewer = frame.locator("dialog[open]")
        for _ in range(12):
            expect(not frame.query_selector_all(FOREIGN), "a text has become an element")
            if viewer.get_by_role("button", name="Next").is_disabled():
                break
            visitor.page.keyboard.press("ArrowRight")
        visitor.page.keyboard.press("Escape")
    with promises.promise("an object that no transfer has put there is not reached by a forged result"):
        urls = list(media_of(visitor.json(run.gallery("data/runs"))))
        statuses = {url: visitor.get(url).status for url, name in urls if "salaries" in str(name)}
        real, forged = (run.gallery("media", f"/keep/{index}/-/0") for index in (2, 3))
        statuses[forged] = visitor.get(forged).status
        expect(set(statuses.values()) == {404}, f"{statuses}")
        expect(visitor.get(real).status in {302, 307}, "what a transfer has put there is not reached either")
    return frame


def media_of(gallery: Any) -> Iterator[tuple[str, str]]:
    """Yield the URL and the name, or the URI, of each output of a page."""
    for run in gallery["runs"]:
        for section in run["sections"]:
            for card in section["cards"]:
                for media in card["media"]:
                    if media["url"]:
                        yield media["url"], media["uri"] or media["name"]


def expect_no_overflow(frame: Frame | Page) -> None:
    """Raise a BrokenPromiseError if the page is wider than its window."""
    wide, window = frame.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    widest = frame.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((node) => {
            const box = node.getBoundingClientRect();
            return box.width && box.right > innerWidth + 1 && !node.closest(".unseen, pre, .words, .text");
        }).slice(0, 3).map((node) => node.outerHTML.slice(0, 120))"""
    )
    expect(wide <= window and not widest, f"{wide} pixels in a window of {window}: {widest}")
