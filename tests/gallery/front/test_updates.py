"""While something is on its way the page reads again, and leaves alone what has not changed."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_wiro.gallery.page import CardState, Progress, Section
from tests.gallery.front.recorded import (
    DAG,
    RUN,
    RUN_TAIL,
    a_card,
    an_image,
    batch_page,
    gallery,
    serve,
    single_runs,
    studio_cards,
)
from tests.gallery.front.site import refusal
from tests.gallery.front.waiting import until

_CARDS = {card.id: card for card in studio_cards()}
_PLAY = "async (film) => { window.film = film; film.muted = true; await film.play(); }"
_RUN_DATA = f"runs/{DAG}/{RUN}"


class Going:
    """Results that change while one looks."""

    def __init__(self, site, *cards, refresh_seconds=1):
        self.cards = cards
        self.refresh_seconds = refresh_seconds
        serve(site, lambda at: gallery(single_runs(*self.cards), refresh_seconds=self.refresh_seconds))


def test_what_has_ended_appears_by_itself_and_then_the_asking_ends(site, visits):
    going = Going(site, replace(_CARDS["banner"]))
    page = visits.open()
    assert page.get_by_text("Updates by itself").is_visible()
    going.cards, going.refresh_seconds = [a_card("banner", an_image("banner"))], None
    until(page, "document.images.length === 1 && document.images[0].naturalWidth > 0")
    until(page, "!document.getElementById('fresh').textContent")
    asked = len(site.asked("/wiro/data/"))
    page.wait_for_timeout(1300)
    assert len(site.asked("/wiro/data/")) == asked


def test_a_film_plays_on_and_the_scroll_stays_while_others_change(site, visits):
    going = Going(site, _CARDS["flyer"], _CARDS["walk"], _CARDS["banner"])
    page = visits.open(width=400, height=600)
    film = page.locator(".card video")
    film.scroll_into_view_if_needed()
    film.evaluate(_PLAY)
    before = page.evaluate("scrollY")
    assert before > 0
    going.cards = [
        replace(_CARDS["flyer"], state=CardState.RUNNING),
        replace(_CARDS["walk"], cost_usd="0.43"),
        a_card("banner", an_image("banner")),
    ]
    page.get_by_text("$0.43").wait_for()
    assert page.evaluate("film.isConnected && !film.paused && !film.ended && film.currentTime > 0")
    assert page.evaluate("scrollY") == before


def test_a_new_card_in_front_does_not_stop_a_film(site, visits):
    going = Going(site, _CARDS["walk"])
    page = visits.open()
    page.locator("video").evaluate(
        "async (film) => { window.film = film; film.muted = true; await film.play(); }"
    )
    going.cards = [_CARDS["flyer"], _CARDS["walk"], _CARDS["banner"]]
    until(page, "document.querySelectorAll('.card').length === 3")
    assert page.evaluate("film.isConnected && !film.paused")
    assert page.locator(".card h3").all_inner_texts() == ["flyer", "walk", "banner"]


def test_what_one_has_opened_or_focused_stays_so(site, visits):
    going = Going(site, _CARDS["product_shots"])
    page = visits.open()
    page.get_by_role("button", name="More of the prompt").click()
    going.cards = [replace(_CARDS["product_shots"], cost_usd="0.99")]
    page.get_by_text("$0.99").wait_for()
    less = page.get_by_role("button", name="Less of the prompt")
    assert less.evaluate("(node) => node === document.activeElement")


def test_the_larger_view_stays_at_its_output(site, visits):
    going = Going(site, _CARDS["poster"])
    page = visits.open()
    page.locator(".cover").first.click()
    going.cards = [_CARDS["again"], replace(_CARDS["poster"], cost_usd="0.99")]
    page.locator("dialog").get_by_text("$0.99").wait_for()
    assert page.locator("dialog .bar p").inner_text() == "2 of 2"
    page.keyboard.press("ArrowLeft")
    assert page.locator("dialog h2").inner_text() == "again"


def test_a_page_that_one_has_turned_to_is_read_again_itself(site, visits):
    serve(site, lambda at: gallery(batch_page(""), refresh_seconds=1))
    serve(site, lambda at: gallery(batch_page(at)), f"tasks/{DAG}/{RUN}/shots/-1")
    page = visits.open()
    page.get_by_role("button", name="Next page").first.click()
    page.get_by_text("61\u2013120 of 10,000").first.wait_for()
    asked = len(site.asked("/wiro/data/tasks"))
    while len(site.asked("/wiro/data/tasks")) < asked + 2:
        page.wait_for_timeout(50)
    assert page.locator(".range").first.inner_text() == "61\u2013120 of 10,000"


def test_progress_is_said_politely_and_not_at_each_reading(site, visits):
    done = [10]

    def now(at):
        progress = Progress(400, queued=400 - done[0], done=done[0])
        return gallery(
            Section("shots", "shots", (), "shots", state="running", progress=progress), refresh_seconds=1
        )

    serve(site, now)
    page = visits.open()
    until(page, "document.getElementById('live').textContent.startsWith('shots: 10 done')")
    done[0] = 20
    page.get_by_text("20 done").first.wait_for()
    assert page.locator("#live").get_attribute("aria-live") == "polite"
    assert "10 done" in page.locator("#live").inner_text()


def test_a_hidden_tab_asks_for_nothing_until_it_is_seen_again(site, visits):
    Going(site, _CARDS["banner"])
    page = visits.open()
    hide = "(hidden) => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true }); }"
    page.evaluate(hide, True)
    page.wait_for_timeout(1300)
    asked = len(site.asked("/wiro/data/"))
    page.wait_for_timeout(1300)
    assert len(site.asked("/wiro/data/")) == asked
    page.evaluate(hide, False)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(300)
    assert len(site.asked("/wiro/data/")) == asked + 1


def test_an_api_server_that_is_away_for_a_while_loses_nothing(site, visits):
    going = Going(site, _CARDS["poster"])
    visits.expected.append("503")
    page = visits.open()
    there = site.data[_RUN_DATA]
    site.data[_RUN_DATA] = lambda at: refusal(503, "The database is away.")
    page.get_by_role("alert").get_by_text("The results can't be read. The database is away.").wait_for()
    assert page.locator(".card").count() == 1
    going.cards = [_CARDS["poster"], _CARDS["again"]]
    site.data[_RUN_DATA] = there
    page.get_by_role("button", name="Refresh").click()
    until(page, "document.querySelectorAll('.card').length === 2")
    assert not page.get_by_role("alert").is_visible()


def test_who_is_signed_out_meanwhile_sees_no_results_any_more(site, visits):
    Going(site, _CARDS["poster"])
    visits.expected.append("401")
    page = visits.open()
    site.data[_RUN_DATA] = lambda at: refusal(401, "Not signed in.")
    page.get_by_role("heading", name="You are signed out").wait_for()
    assert page.locator(".card").count() == 0


def test_the_button_reads_again(site, visits):
    going = Going(site, _CARDS["poster"], refresh_seconds=None)
    page = visits.open(RUN_TAIL)
    going.cards = [_CARDS["poster"], _CARDS["again"]]
    page.get_by_role("button", name="Refresh").click()
    until(page, "document.querySelectorAll('.card').length === 2")
