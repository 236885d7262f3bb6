"""Names, prompts and addresses are written by others: none becomes markup, script or a request elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import airflow_provider_wiro.gallery
from airflow_provider_wiro.gallery.page import Media, MediaKind, Progress, Section
from tests.gallery.front.recorded import (
    a_card,
    a_run,
    an_image,
    gallery,
    media_path,
    serve,
    single_runs,
    studio_cards,
)
from tests.gallery.front.waiting import until

_STATIC = Path(airflow_provider_wiro.gallery.__file__).parent / "static"

HOSTILE = [
    '<img src=x onerror="window.hit = 1; alert(1)">',
    '"><script>window.hit = 1</script>',
    "javascript:window.hit=1",
    "</textarea></style><svg onload=window.hit=1>",
    "w" * 10_000,
    "\u202egnp.exe \u2067\u0645\u0631\u062d\u0628\u0627\u2069 \u05e9\u05dc\u05d5\u05dd",
    "a\0b\x01\x7f\ufffe",
    "\N{FAMILY}\N{ZERO WIDTH JOINER}" * 500,
    "{{ 7 * 7 }}${7*7}`",
    "__proto__",
]

#: None of them is a link to follow.
NO_LINKS = [
    "javascript:window.hit=1",
    " javascript:window.hit=1",
    "data:text/html,<script>1</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://x/y",
    "ftp://x/y",
    "//evil.example/x",
    "/\\evil.example/x",
    "relative",
    "",
    "https://",
]

#: None of them is where an output may come from.
NO_MEDIA = [
    *NO_LINKS,
    "data:image/png;base64,iVBORw0KGgo=",
    "https://evil.example/x.png",
    "http://evil.example/wiro/media/x.png",
    "/api/v2/dags",
    "/wiro/static/icon.svg",
    "/wiro/media/../../logout",
    "/wiro/media/%2e%2e/%2e%2e/auth/logout",
    "/\\evil.example/wiro/media/x",
]


def cards_that_say(text):
    """Return a card of each shape, with this text wherever a text can be."""
    files = [Media(kind, text, text, 1, None, text, text) for kind in MediaKind]
    whole = a_card(text, an_image("poster"), title=text, model=text, prompt=text, seed=text, error=text)
    shapes = [
        replace(whole, parameters=((text, text),), code=text, cost_usd=text),
        *(a_card("", media, title=text, prompt=text) for media in files),
        a_card("", text=text, finish_reason=text, title=text),
        a_card("", error=text, title=text),
        a_card("", title=text, state=text),
    ]
    return tuple(replace(card, id=f"{text}{number}") for number, card in enumerate(shapes))


def sections_that_say(text):
    progress = Progress(3, done=3)
    return Section(text, text, cards_that_say(text), state=text, progress=progress, note=text)


@pytest.mark.parametrize("width", [400, 1200])
def test_hostile_texts_are_texts_wherever_they_stand(site, visits, width):
    serve(site, lambda at: gallery(*map(sections_that_say, HOSTILE)))
    page = visits.open(width=width)
    assert page.locator(".card").count() == 8 * len(HOSTILE)
    for number in range(len(HOSTILE)):
        page.locator(".cover").nth(number).click()
        for _ in range(10):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
    for code in page.get_by_role("button", name="As DAG code").all()[:3]:
        code.click()
        page.keyboard.press("Escape")
    assert page.evaluate("window.hit") is None
    assert page.locator("body script, main img:not([src*='/wiro/media/'])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = page.evaluate(
        "[...document.querySelectorAll('.card')].map((card) => card.getBoundingClientRect())"
        ".map(({ width, height }) => [width, height])"
    )
    assert max(box[0] for box in boxes) <= width
    assert max(box[1] for box in boxes) < 1200
    assert {path for path, _ in site.requests if not path.startswith("/wiro/")} <= {"/favicon.ico"}


@pytest.mark.parametrize("text", HOSTILE[:6], ids=range(6))
def test_hostile_texts_stay_the_same_texts(site, visits, text):
    serve(site, lambda at: gallery(single_runs(a_card("poster", title=text, prompt=text, text=text))))
    page = visits.open()
    page.get_by_role("button", name="Read all").click()
    assert page.locator("dialog .text").evaluate("(node) => node.textContent") == text
    assert page.locator("dialog .prompt").evaluate("(node) => node.textContent") == text
    assert page.locator("dialog h2").evaluate("(node) => node.textContent") == text


def test_a_link_leads_to_http_or_to_airflow_or_is_none(site, visits):
    cards = [
        a_card("x", id=str(number), links=dict.fromkeys(("log", "s3", "wiro", "manifest"), url))
        for number, url in enumerate(NO_LINKS)
    ]
    runs = tuple(a_run(single_runs(card), run_id=card.id, url=card.links["log"]) for card in cards)
    serve(site, lambda at: replace(gallery(), runs=runs), "dags/studio")
    page = visits.open("dags/studio")
    assert page.locator(".card").count() == len(NO_LINKS)
    assert page.locator("a").evaluate_all("(links) => links.map((link) => link.href)") == []


def test_bytes_come_from_the_gallerys_own_route_or_from_named_stores_only(site, visits):
    cards = [
        a_card(
            "x",
            Media(kind, "x", "image/png", 1, url, f"s3://bucket/{number}"),
            id=f"{kind} {number}",
            links={},
        )
        for kind in MediaKind
        for number, url in enumerate(NO_MEDIA)
    ]
    serve(site, lambda at: gallery(single_runs(*cards), origins=("https://images.example",)))
    page = visits.open()
    assert page.locator(".stage .uri").count() == len(cards)
    assert page.locator("main img, main video, main audio, main a").count() == 0


def test_wiros_own_links_are_shown_where_the_server_allows_their_origin(site, other_site, visits):
    unlanded = replace(an_image("poster"), url=other_site.url + media_path("poster", 0), uri=None)
    site.origins.append(other_site.url)
    serve(site, lambda at: gallery(single_runs(a_card("poster", unlanded)), origins=(other_site.url,)))
    page = visits.open()
    until(page, "document.images[0].naturalWidth > 0")


def test_the_page_itself_has_no_script_or_style_of_its_own(site, visits):
    serve(site, lambda at: gallery(single_runs(*studio_cards())))
    page = visits.open()
    assert page.locator("script:not([src]), style, [onclick], [onerror], [onload]").count() == 0


def test_no_file_reads_a_text_as_html_or_as_script():
    words = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc")
    for file in _STATIC.glob("*.js"):
        source = file.read_text(encoding="utf-8")
        assert [word for word in words if word in source] == [], file.name


def test_all_files_of_the_page_together_are_below_60_kilobytes():
    assert sum(file.stat().st_size for file in _STATIC.iterdir()) < 60_000
