"""Where there is nothing to show, or it can't be had, the page says why."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.gallery.page import Gallery
from tests.gallery.front.recorded import (
    DAG,
    RUN,
    RUN_TAIL,
    a_card,
    an_image,
    film,
    gallery,
    media_path,
    picture,
    serve,
    single_runs,
    studio_cards,
)
from tests.gallery.front.site import Answer, refusal
from tests.gallery.front.waiting import until

_CARDS = {card.id: card for card in studio_cards()}
_RUN_DATA = f"runs/{DAG}/{RUN}"


def denied() -> Answer:
    """Return what a media route says if the store refuses the object."""
    return Answer(b"The bucket denies access.", "text/plain; charset=utf-8", 502)


@pytest.mark.parametrize(
    ("status", "title", "sentence"),
    [
        (401, "You are signed out", "Sign in to Airflow again"),
        (403, "You may not see this", "read the task instances and the XComs of this DAG"),
        (404, "Not found", "There is no such DAG run."),
        (500, "The results can't be read", "The log has the reason."),
    ],
)
def test_each_refusal_is_put_into_words(site, visits, status, title, sentence):
    details = {404: "There is no such DAG run.", 500: "The log has the reason."}
    site.data[_RUN_DATA] = lambda at: refusal(status, details.get(status, "Airflow's own words"))
    visits.expected.append(str(status))
    page = visits.open()
    assert page.get_by_role("heading", name=title).is_visible()
    assert page.get_by_text(sentence).is_visible()


@pytest.mark.parametrize(
    ("tail", "sentence"),
    [
        (RUN_TAIL, "No task of this DAG run has run a model at Wiro."),
        (f"tasks/{DAG}/{RUN}/poster/-1", "This task has run no model at Wiro."),
        (f"dags/{DAG}", "No run of this DAG has results of Wiro."),
    ],
)
def test_a_dag_without_results_is_no_error(site, visits, tail, sentence):
    serve(site, lambda at: Gallery(DAG, ()), tail.replace(RUN_TAIL, _RUN_DATA))
    page = visits.open(tail)
    assert page.get_by_role("heading", name="No Wiro results here").is_visible()
    assert page.get_by_text(sentence).is_visible()


def test_nothing_yet_becomes_something_by_itself(site, visits):
    results = []
    serve(site, lambda at: gallery(single_runs(*results), refresh_seconds=1))
    page = visits.open()
    assert page.get_by_role("heading", name="Nothing yet").is_visible()
    results.append(_CARDS["poster"])
    page.locator(".card").wait_for()
    assert page.get_by_role("heading", name="Nothing yet").count() == 0


def test_a_login_page_instead_of_data_is_understood(site, visits):
    site.data[_RUN_DATA] = lambda at: Answer(b"<html>Sign in</html>", "text/html")
    assert visits.open().get_by_role("heading", name="You are signed out").is_visible()


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"runs": 3}'])
def test_an_answer_that_makes_no_sense_does_not_leave_the_page_empty(site, visits, body):
    site.data[_RUN_DATA] = lambda at: Answer(body, "application/json")
    visits.expected.append("TypeError")
    assert visits.open().locator(".empty h2").is_visible()


def test_an_output_that_cannot_be_loaded_says_why_where_it_is_and_can_be_tried_again(site, visits):
    site.media[media_path("poster", 0)] = denied
    serve(site, lambda at: gallery(single_runs(_CARDS["poster"])))
    visits.expected.append("502")
    page = visits.open()
    page.get_by_text("This picture can't be loaded.").wait_for()
    page.get_by_text("The bucket denies access.").wait_for()
    assert page.get_by_text("s3://product-shots/wiro/2221/0-0.png").is_visible()
    asked = len(site.asked(media_path("poster", 0)))
    assert asked == 3  # at first, once more, and for the reason
    site.media[media_path("poster", 0)] = lambda: Answer(picture(0), "image/png")
    page.get_by_role("button", name="Try again").click()
    until(page, "document.images.length === 1 && document.images[0].naturalWidth > 0")


def test_a_picture_that_fails_once_is_asked_for_again_at_once(site, visits):
    answers = [Answer(b"Slow down.", "text/plain", 503), Answer(picture(0), "image/png")]
    site.media[media_path("poster", 0)] = lambda: answers.pop(0)
    serve(site, lambda at: gallery(single_runs(_CARDS["poster"])))
    visits.expected.append("503")
    page = visits.open()
    until(page, "document.images[0].naturalWidth > 0")
    assert page.get_by_text("can't be loaded").count() == 0


def test_a_film_whose_link_has_expired_continues_where_it_was(site, other_site, visits):
    """The browser keeps the address that a redirect led to, and asks it for the rest of the film."""
    links = ["/film?signed=1"]
    path = media_path("walk", 0)
    site.media[path] = lambda: Answer(b"", status=302, headers={"Location": other_site.url + links[0]})
    site.origins.append(other_site.url)
    other_site.media["/film"] = lambda: Answer(film(), "video/mp4")
    # The beginning and the table at the end are there; then the link expires, before the whole film is.
    other_site.largest_range = len(film()) // 8
    other_site.refuses = lambda target: (
        target != links[0] or (target == "/film?signed=1" and len(other_site.asked(target)) > 4)
    )
    serve(site, lambda at: gallery(single_runs(_CARDS["walk"]), origins=(other_site.url,)))
    visits.expected.append("403")
    page = visits.open(has_own_clock=True)
    until(page, "document.querySelector('video')?.readyState > 0")
    links[0] = "/film?signed=2"
    page.clock.fast_forward(180_000)
    page.locator("video").evaluate("(film) => { film.currentTime = 5; }")
    until(page, "!document.querySelector('video').seeking", seconds=30)
    assert page.locator("video").evaluate("(film) => film.currentTime") == pytest.approx(5, abs=0.3)
    assert other_site.asked("/film?signed=2")
    assert page.get_by_text("can't be loaded").count() == 0


def test_bytes_that_are_no_picture_are_said_to_be_none(site, visits):
    site.media[media_path("poster", 0)] = lambda: Answer(b"<svg onload=alert(1)>", "image/png")
    serve(site, lambda at: gallery(single_runs(a_card("poster", an_image("poster")))))
    page = visits.open()
    page.get_by_text("the browser can't show it").wait_for()


def test_media_from_a_store_that_the_page_may_not_reach_yet_load_it_again_once(site, other_site, visits):
    """A page that was opened before anything had landed names no store in its Content-Security-Policy."""
    there = other_site.url + media_path("poster", 0)
    site.media[media_path("poster", 0)] = lambda: Answer(b"", status=302, headers={"Location": there})
    serve(site, lambda at: gallery(single_runs(_CARDS["poster"]), origins=(other_site.url,)))
    visits.expected += ["Content Security Policy", "violates the following"]
    page = visits.open(wait=False)
    until(page, "performance.getEntriesByType('navigation')[0].type === 'reload'")
    page.get_by_text("This picture can't be loaded.").wait_for()  # and there the loading again has an end
    pages = len(site.asked("/wiro/runs/"))
    assert pages == 2
    site.origins.append(other_site.url)
    page.reload()
    until(page, "document.images.length === 1 && document.images[0].naturalWidth > 0")


def test_films_of_a_whole_page_do_not_block_each_other(site, visits):
    """A browser has six connections to a host over HTTP/1.1, and films may keep theirs."""
    many = [a_card(f"walk_{number}", *_CARDS["walk"].media) for number in range(24)]
    serve(site, lambda at: gallery(single_runs(*many)))
    page = visits.open()
    for number in (0, 8, 16, 23):
        page.locator("video").nth(number).scroll_into_view_if_needed()
        until(page, f"document.querySelectorAll('video')[{number}].readyState > 0")


def test_of_several_pictures_a_lost_one_says_so_in_its_small_place_and_the_larger_view_says_why(site, visits):
    site.media[media_path("product_shots", 3)] = denied
    serve(site, lambda at: gallery(single_runs(_CARDS["product_shots"])))
    visits.expected.append("502")
    page = visits.open()
    lost = page.locator(".tiles .lost")
    lost.wait_for()
    assert lost.inner_text() == "This picture can't be loaded."
    assert lost.evaluate("(node) => node.scrollHeight <= node.clientHeight")
    page.get_by_role("button", name="Larger view 4 of 4").click()
    page.get_by_role("dialog").get_by_text("The bucket denies access.").wait_for()
    assert page.get_by_role("dialog").get_by_role("button", name="Try again").is_visible()
