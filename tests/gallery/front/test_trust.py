"""Names, prompts and addresses are written by others: none becomes markup, script or a request elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import airflow_provider_wiro.gallery
from airflow_provider_wiro.gallery.page import Media, MediaKind, Progress, Section
from tests.gallery.front.recorded import a_card, a_run, an_image, gallery, media_path, serve, single_runs, studio_cards
from tests.gallery.front.waiting import until

_CARDS = {card.id: card for card in studio_cards()}
_STATIC = Path(airflow_provider_wiro.gallery.__file__).parent / "static"

HOSTILE = [
    "<img src=x onerror=\"window.hit = 1; alert(1)\">",
    '"><script>window.hit = 1</script>',
    "javascript:window.hit=1",
    "</textarea></style><svg onload=window.hit=1>",
    "w" * 10_000,
    "\u202egnp.exe \u2067مرحبا بالعالم\u2069 שלום",
    "a\0b\x01\x7f\ufffe",
    "👩‍👩‍👧‍👦" * 500,
    "{{ 7 * 7 }}${7*7}`",
    "__proto__",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("width", [400, 1200])
def test_hostile_texts_are_texts_wherever_they_stand(site, visits, text, width):
    files = tuple(Media(kind, text, text, 1, None, text, text) for kind in MediaKind)
    cards = (
        a_card(text, an_image("poster"), title=text, model=text, prompt=text, parameters=((text, text),), seed=text,
               code=text, cost_usd=text, error=text),
        *(a_card(f"f{number}", media, title=text, prompt=text) for number, media in enumerate(files)),
        a_card("t", text=text, finish_reason=text, title=text),
        a_card("e", error=text, title=text),
        a_card("s", title=text, state=text),
    )
    section = Section(text, text, cards, state=text, progress=Progress(3, done=3), note=text)
    serve(site, lambda at: replace(gallery(section), dag_id=text))
    page = visits.open(width=width)
    assert page.locator(".card").count() == len(cards)
    page.locator(".cover").first.click()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="As DAG code").first.click()
    page.keyboard.press("Escape")
    assert page.evaluate("window.hit") is None
    assert page.evaluate("document.querySelectorAll('body script, main img:not([src*=\"/wiro/media/\"])').length") == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for card in page.locator(".card").all():
        box = card.bounding_box()
        assert box["width"] <= width
        assert box["height"] < 1500
    assert {path for path, _ in site.requests if not path.startswith("/wiro/")} <= {"/favicon.ico"}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:window.hit=1", " javascript:window.hit=1", "data:text/html,<script>1</script>", "vbscript:x",
        "file:///etc/passwd", "blob:https://x/y", "ftp://x/y", "//evil.example/x", "/\\evil.example/x", "relative", "", "https://",
    ],
)
def test_a_link_leads_to_http_or_to_airflow_or_is_none(site, visits, url):
    links = dict.fromkeys(("log", "s3", "wiro", "manifest"), url)
    section = single_runs(a_card("poster", links=links))
    serve(site, lambda at: replace(gallery(), runs=(a_run(section, url=url),)), "dags/studio")
    page = visits.open("dags/studio")
    assert page.locator(".card").count() == 1
    assert page.locator("a").count() == 0


@pytest.mark.parametrize(
    "url",
    [
        "javascript:1", "data:image/png;base64,iVBORw0KGgo=", "https://evil.example/x.png", "http://evil.example/x.png",
        "//evil.example/x.png", "/api/v2/dags", "/wiro/static/icon.svg", "/wiro/media/../../logout", "/wiro/media/..%2f..%2flogout/../../../auth/logout",
        "/\\evil.example/wiro/media/x",
    ],
)
@pytest.mark.parametrize("kind", list(MediaKind))
def test_bytes_come_from_the_gallerys_own_route_or_from_named_stores_only(site, visits, url, kind):
    media = Media(kind, "x", "image/png", 1, url, "s3://bucket/x")
    serve(site, lambda at: gallery(single_runs(a_card("x", media))))
    page = visits.open()
    assert page.locator("main img, main video, main audio, main a[download]").count() == 0
    assert page.locator(".stage").get_by_text("s3://bucket/x").is_visible()


def test_wiros_own_links_are_shown_where_the_server_allows_their_origin(site, other_site, visits):
    unlanded = replace(an_image("poster"), url=other_site.url + media_path("poster", 0), uri=None)
    site.origins.append(other_site.url)
    serve(site, lambda at: gallery(single_runs(a_card("poster", unlanded)), origins=(other_site.url,)))
    page = visits.open()
    until(page, "document.images[0].naturalWidth > 0")


def test_the_page_keeps_a_strict_policy_and_needs_nothing_else(site, visits):
    serve(site, lambda at: gallery(single_runs(*studio_cards())))
    page = visits.open()
    assert page.evaluate("document.querySelectorAll('[style], [onclick], script:not([src]), style').length - document.querySelectorAll('.bar span[style]').length") == 0


def test_no_file_reads_a_text_as_html_or_as_script():
    for file in _STATIC.glob("*.js"):
        source = file.read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc"):
            assert word not in source, f"{file.name}: {word}"


def test_all_files_of_the_page_together_are_below_60_kilobytes():
    assert sum(file.stat().st_size for file in _STATIC.iterdir()) < 60_000
