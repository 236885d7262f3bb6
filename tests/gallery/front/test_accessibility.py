"""The page for those who read it with other eyes, with ears, or with a keyboard only."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.gallery.page import Progress, Section
from tests.gallery.front.recorded import a_card, gallery, serve, single_runs, studio_cards

#: Texts whose contrast to what is behind them is below 4.5 (WCAG 2.2, AA), as far as that is one colour.
_TOO_FAINT = """
() => {
  const paper = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (ground, colour) => {
    paper.fillStyle = `rgb(${ground})`;
    paper.fillRect(0, 0, 1, 1);
    paper.fillStyle = colour;
    paper.fillRect(0, 0, 1, 1);
    return [...paper.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const ground = (node) => {
    if (node === null) return over([255, 255, 255], AIRFLOW);
    return over(ground(node.parentElement), getComputedStyle(node).backgroundColor);
  };
  const light = (colour) => {
    const [red, green, blue] = colour.map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((left, right) => left - right);
    return (bright + 0.05) / (dark + 0.05);
  };
  const isText = (node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
  const isSeen = (node) => node.checkVisibility() && !node.closest(".unseen, .live, h1, :disabled");
  const texts = [...document.querySelectorAll("body *")].filter((node) => isText(node) && isSeen(node));
  return texts.flatMap((node) => {
    const behind = ground(node);
    const ratio = contrast(over(behind, getComputedStyle(node).color), behind);
    return ratio < 4.5 ? [`${node.className} ${node.textContent.slice(0, 30)} ${ratio.toFixed(2)}`] : [];
  });
}
"""


@pytest.mark.parametrize(("theme", "ground"), [("light", "#fff"), ("dark", "oklch(0.23185 0.0323 266.44)")])
def test_texts_are_easy_to_read_in_both_themes(site, visits, theme, ground):
    going = Section(
        "shots", "shots", (), "shots", state="up_for_retry", progress=Progress(4, 1, 1, 1, 1), note="A note."
    )
    cards = [*studio_cards(), a_card("x", state="cancelled"), a_card("y", text="No.", error="It broke.")]
    serve(site, lambda at: gallery(single_runs(*cards), going, refresh_seconds=60))
    _, frame = visits.open_in_airflow(theme=theme)
    too_faint = _TOO_FAINT.replace("AIRFLOW", f'"{ground}"')
    assert frame.evaluate(too_faint) == []
    frame.get_by_role("button", name="Read all: names").click()
    assert frame.evaluate(too_faint) == []


def test_all_that_can_be_used_has_a_name(site, visits):
    serve(site, lambda at: gallery(single_runs(*studio_cards())))
    page = visits.open()
    page.locator(".cover").first.click()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, img, video, audio, dialog")]
          .filter((node) => !(node.getAttribute("aria-label") || node.alt || node.textContent.trim()))
          .map((node) => node.outerHTML)"""
    )
    assert nameless == []


def test_everything_can_be_reached_by_the_keyboard_and_the_focus_is_seen(site, visits):
    serve(site, lambda at: gallery(single_runs(*studio_cards()[:3])))
    page = visits.open()
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => {
                  const node = document.activeElement;
                  const ring = getComputedStyle(node);
                  return [node.textContent.trim() || node.getAttribute("aria-label"), ring.outlineStyle];
                }"""
            )
        )
    names = [name for name, _ in reached]
    for name in ("Refresh", "Larger view: poster", "Log", "Wiro", "As DAG code", "+6 more"):
        assert name in names
    assert "More of the prompt" in names
    assert {ring for name, ring in reached if name in ("Refresh", "Log", "As DAG code")} == {"solid"}


def test_nothing_moves_for_who_wants_no_motion(site, visits):
    serve(site, lambda at: gallery(single_runs(*studio_cards()), refresh_seconds=60))
    for wish, animation in (("reduce", "none"), ("no-preference", "slide")):
        bar = visits.open(reduced_motion=wish).locator("[data-state=running] .pulse")
        assert bar.evaluate("(node) => getComputedStyle(node).animationName") == animation
