"""What the gallery shows of a DAG run in Airflow's pages: pictures, films, tunes, texts, files, failures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.programs.gallery.promises import expect
from tests.programs.gallery.runs import SHOW

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

    from tests.programs.gallery.promises import Promises
    from tests.programs.gallery.runs import Run
    from tests.programs.gallery.visitor import Visitor

DRAWN = "node => node.complete && node.naturalWidth > 0"


def card(frame: Frame | Page, title: str) -> Any:
    """Return the card with this heading."""
    heading = frame.locator(".head h2, .head h3, .head h4", has_text=re.compile(f"^{re.escape(title)}$"))
    return frame.locator("li.card").filter(has=heading)


def larger_view(box: Any) -> Any:
    """Return the first button in a card that opens the larger view."""
    return box.get_by_role("button", name=re.compile("^Larger view")).first


def wait_until_drawn(frame: Frame | Page, least: int) -> int:
    """
    Wait until there are that many pictures, and all of them have pixels; return how many there are.

    Each is loaded when one scrolls near it.
    """
    pictures = frame.locator("li.card img")
    pictures.nth(least - 1).wait_for()
    count = pictures.count()
    for number in range(count):
        pictures.nth(number).scroll_into_view_if_needed()
        # By its number, since a page that reads again may have another element in its place.
        frame.wait_for_function(
            """(number) => {
                const node = document.querySelectorAll("li.card img")[number];
                return node && node.complete && node.naturalWidth > 0;
            }""",
            arg=number,
        )
    return count


def seek(frame: Frame | Page, player: Any, seconds: float) -> None:
    """Let a player go to a moment in the middle, and wait until it is there."""
    player.scroll_into_view_if_needed()
    handle = player.element_handle()
    frame.wait_for_function("node => node.readyState >= 1", arg=handle)
    at = handle.evaluate(
        """(node, seconds) => new Promise((resolve, reject) => {
            node.addEventListener("seeked", () => resolve(node.currentTime), {once: true});
            const fail = () => reject(new Error(node.error?.message ?? "error"));
            node.addEventListener("error", fail, {once: true});
            node.currentTime = seconds;
        })""",
        seconds,
    )
    expect(abs(at - seconds) < 0.5, f"went to {at} in place of {seconds}")
    frame.wait_for_function("node => node.readyState >= 2", arg=handle)


def look_at_the_run(promises: Promises, visitor: Visitor, run: Run) -> Frame:
    """Look at each kind of output in the DAG run's tab; return the page in Airflow's frame."""
    frame = visitor.click_tab(run.page)
    with promises.promise("pictures are drawn in the DAG run's tab"):
        wait_until_drawn(frame, 5)
        expect(
            card(frame, "autumn posters").locator("img").count() == 2, "the posters are not one card of two"
        )
    with promises.promise("alternative texts are the prompts"):
        text = card(frame, "autumn posters").locator("img").first.get_attribute("alt") or ""
        expect("a cheerful robot waters its garden" in text, f"alt is {text!r}")
    with promises.promise("the film plays, and can be sought, by ranges"):
        seek(frame, card(frame, "trailer").locator("video"), 7.5)
        partial = [asked for url, asked, status in visitor.seen.ranges if ".mp4" in url and status == 206]
        expect(partial, f"no 206 of a film among {visitor.seen.ranges}")
    with promises.promise("the tune plays, and can be sought"):
        seek(frame, card(frame, "jingle").locator("audio"), 2.0)
    with promises.promise("the answer is there as text, with its finish reason"):
        slogan = card(frame, "slogan")
        expect("lighthouses" in slogan.inner_text(), slogan.inner_text())
        expect("length" in slogan.inner_text(), "no finish reason")
    with promises.promise("the failed run shows its error"):
        words = card(frame, "teaser").inner_text()
        expect("Failed" in words and "safety filter" in words, words)
    with promises.promise("SVG, page and 3D file are files with their type and size, never rendered"):
        for number, name in enumerate(("logo.svg", "page.html", "teapot.gltf")):
            shape = card(frame, f"shapes [{number}]")
            expect(name in shape.inner_text(), f"{name}: {shape.inner_text()}")
            expect(shape.locator("img, iframe, object, embed").count() == 0, f"{name} is rendered")
    with promises.promise("a card has model, prompt, seed, cost, time and its links"):
        words = card(frame, "autumn posters").text_content()
        for wanted in ("retroAIx/Retro-Cartoons", "a cheerful robot", "271828", "$", " s", "Log"):
            expect(wanted in words, f"no {wanted!r} in {words}")
    with promises.promise("mapped runs have the names that their DAG gives them"):
        expect("portraits.paint [1001]" in titles(frame), str(titles(frame)))
    return frame


def titles(frame: Frame | Page) -> list[str]:
    return [node.inner_text() for node in frame.query_selector_all("li.card .head :is(h2, h3, h4)")]


def look_at_the_tabs(promises: Promises, visitor: Visitor, run: Run) -> None:
    """Open the tabs of task instances and of the DAG."""
    for words, tail, count in (
        ("a task instance", "/tasks/posters", 2),
        ("a transfer's task instance", "/tasks/posters_to_s3", 2),
        ("a mapped task instance in a group", "/tasks/portraits.paint/mapped/1", 1),
    ):
        with promises.promise(f"the tab of {words} shows its pictures"):
            frame = visitor.click_tab(run.page + tail)
            expect(wait_until_drawn(frame, count) == count, str(titles(frame)))
    with promises.promise("the tab of the DAG shows its latest run, and leads to it"):
        frame = visitor.click_tab(f"/dags/{SHOW}")
        wait_until_drawn(frame, 2)
        expect(frame.get_by_role("link", name=run.run_id).count() == 1, "no link to the DAG run")


def look_by_keyboard(promises: Promises, visitor: Visitor, frame: Frame) -> None:
    """Open the larger view, move in it and close it, without a mouse."""
    with promises.promise("the larger view works by keyboard: space, arrows, escape"):
        tile = larger_view(card(frame, "autumn posters"))
        tile.scroll_into_view_if_needed()
        tile.focus()
        keyboard = visitor.page.keyboard
        keyboard.press("Space")
        viewer = frame.locator("dialog[open]")
        frame.wait_for_function(DRAWN, arg=viewer.locator("img").element_handle())
        first = viewer.locator(".bar p").inner_text()
        keyboard.press("ArrowRight")
        expect(viewer.locator(".bar p").inner_text() != first, "the right arrow shows nothing else")
        keyboard.press("ArrowLeft")
        expect(viewer.locator(".bar p").inner_text() == first, "the left arrow does not go back")
        keyboard.press("Escape")
        viewer.wait_for(state="detached")
        expect(tile.evaluate("node => node === document.activeElement"), "the focus is lost")
        keyboard.press("Enter")
        viewer.wait_for(state="visible")
        keyboard.press("Escape")
        viewer.wait_for(state="detached")


def follow_links(promises: Promises, visitor: Visitor, frame: Frame) -> None:
    """Follow a link from Airflow's sandbox: a new tab opens, of Airflow's page of the task instance."""
    with promises.promise("links lead out of Airflow's sandbox"):
        with visitor.context.expect_page() as opened:
            card(frame, "autumn posters").locator("a", has_text="Log").click()
        page = opened.value
        page.wait_for_url(re.compile(r"/tasks/posters"))
        page.close()
    with promises.promise("the code of a DAG that does the same is complete"):
        card(frame, "autumn posters").locator("button", has_text="As DAG code").click()
        dialog = frame.locator("dialog[open]")
        code = dialog.locator("code").inner_text()
        compile(code, "<card>", "exec")
        expect("WiroRunOperator" in code and "271828" in code, code)
        visitor.page.keyboard.press("Escape")
        dialog.wait_for(state="detached")


def look_in_the_dark(promises: Promises, visitor: Visitor, frame: Frame) -> None:
    """Choose Airflow's dark mode while the gallery is open, and the light one again."""
    with promises.promise("light and dark follow Airflow's menu while the page is open"):
        for mode, is_dark in (("Dark Mode", True), ("Light Mode", False)):
            visitor.choose_mode(mode)
            frame.wait_for_function(
                "(isDark) => (document.documentElement.dataset.theme === 'dark') === isDark", arg=is_dark
            )
            lightness = frame.locator("li.card h3, li.card h2, li.card h4").first.evaluate(LIGHTNESS)
            expect((lightness > 128) == is_dark, f"text of lightness {lightness} in {mode}")


#: How light a node's text is, from 0 to 255.
LIGHTNESS = """node => {
    const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d");
    canvas.fillStyle = getComputedStyle(node).color;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
    return (red + green + blue) / 3;
}"""
