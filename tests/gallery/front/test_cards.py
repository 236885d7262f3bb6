"""What one sees of each kind of result."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_wiro.gallery.page import CardState, Media, MediaKind
from tests.gallery.front.recorded import (
    ANSWER,
    a_card,
    an_image,
    gallery,
    media_path,
    serve,
    single_runs,
    studio_cards,
)
from tests.gallery.front.waiting import until

_CARDS = {card.id: card for card in studio_cards()}


@pytest.fixture
def page(site, visits):
    serve(site, lambda at: gallery(single_runs(*studio_cards())))
    return visits.open()


def card(page, card_id):
    return page.locator(".card").nth(list(_CARDS).index(card_id))


def test_pictures_are_drawn_with_alternative_texts_from_their_prompts(page):
    until(
        page, "[...document.images].filter((image) => image.complete && image.naturalWidth > 0).length >= 5"
    )
    names = [picture.get_attribute("alt") for picture in card(page, "product_shots").locator("img").all()]
    assert names[1].startswith("Picture 2 of 4: A studio photograph of an oak desk lamp")
    assert card(page, "poster").locator("img").get_attribute("alt") == (
        "Picture: A lighthouse in the morning fog, oil on canvas"
    )


def test_nothing_moves_when_pictures_arrive(page):
    until(page, "[...document.images].every((image) => image.loading === 'lazy')")
    stages = page.locator(".stage")
    for number in range(stages.count()):
        box = stages.nth(number).bounding_box()
        assert box["width"] / box["height"] == pytest.approx(4 / 3, rel=0.03)


@pytest.mark.parametrize(("card_id", "player"), [("walk", "video"), ("jingle", "audio")])
def test_films_and_tunes_have_players_that_seek(page, site, card_id, player):
    node = card(page, card_id).locator(player)
    node.scroll_into_view_if_needed()
    reached = node.evaluate(
        """async (player) => {
          const once = (name) => new Promise((done) => player.addEventListener(name, done, { once: true }));
          if (player.readyState < 1) await once("loadedmetadata");
          const seeked = once("seeked");
          player.currentTime = 3;
          await seeked;
          return [player.currentTime, player.duration, player.controls, player.preload];
        }"""
    )
    assert reached[0] == pytest.approx(3, abs=0.2)
    assert reached[1] > 3
    assert reached[2:] == [True, "metadata"]
    assert any(ranges for path, ranges in site.requests if path == media_path(card_id, 0))


def test_an_answer_is_a_text_and_says_if_it_was_cut(page):
    answer = card(page, "names")
    assert ANSWER[:60] in answer.locator(".words").inner_text()
    assert answer.get_by_text("Ended by: length").is_visible()


def test_only_an_end_that_is_not_the_models_own_is_worth_a_word(site, visits):
    reasons = ("stop", None, "STOP", "content_filter", "end_turn")
    cards = [a_card("names", id=str(reason), text="Halo.", finish_reason=reason) for reason in reasons]
    serve(site, lambda at: gallery(single_runs(*cards)))
    assert visits.open().get_by_text("Ended by").all_inner_texts() == ["Ended by: content_filter"]


def test_a_failure_stands_out_with_its_error(page):
    failed = card(page, "portrait")
    assert "exit code 137" in failed.locator(".stage").inner_text()
    assert failed.locator(".badge").first.inner_text() == "Failed"
    colours = [
        page.locator(".card").nth(number).evaluate("(card) => getComputedStyle(card).borderColor")
        for number in (0, 5)
    ]
    assert colours[0] != colours[1]


def test_what_a_browser_could_run_is_a_file_with_its_type_size_and_uri(page, site):
    mesh = card(page, "mesh")
    assert mesh.locator(".file p").all_inner_texts() == [
        "desk-lamp.glb",
        "model/gltf-binary · 4.8 MB",
        "s3://product-shots/wiro/2226/desk-lamp.glb",
    ]
    logo = card(page, "logo")
    assert logo.locator("img").count() == 0
    assert logo.get_by_role("link", name="Download").get_attribute("href") == site.url + media_path("logo", 0)


def test_what_has_not_landed_says_so(page):
    assert card(page, "draft").get_by_text("It has not landed in S3, so it isn't shown.").is_visible()


def test_what_is_on_its_way_says_so(page):
    assert card(page, "banner").locator(".stage").inner_text() == "Running"
    assert card(page, "flyer").locator(".stage").inner_text() == "Queued"


def test_below_an_output_is_what_made_it(page):
    shots = card(page, "product_shots")
    assert shots.get_by_role("heading").inner_text() == "Desk lamp, oak"
    assert shots.locator(".facts > span").all_inner_texts() == [
        "black-forest-labs\n/flux-2-pro",
        "$0.0351",
        "6.2 s",
    ]
    assert shots.locator(".chips li").all_inner_texts() == [
        "seed 7340021",
        "option_0 0",
        "option_1 3",
        "option_2 6",
        "+6 more",
    ]
    assert card(page, "portrait").locator(".facts").inner_text().endswith("try 2")
    assert [link.inner_text() for link in shots.locator(".links a").all()] == ["Log", "S3", "Wiro"]


def test_a_prompt_of_more_than_three_lines_opens(page):
    prompt = card(page, "product_shots").locator(".promptbox")
    toggle = prompt.get_by_role("button", name="More of the prompt")
    height = prompt.locator("p").bounding_box()["height"]
    toggle.click()
    assert prompt.locator("p").bounding_box()["height"] > height
    assert prompt.get_by_role("button", name="Less of the prompt").get_attribute("aria-expanded") == "true"
    assert card(page, "poster").get_by_role("button", name="More of the prompt").count() == 0


def test_the_code_of_a_dag_can_be_copied(site, visits):
    serve(site, lambda at: gallery(single_runs(_CARDS["poster"])))
    page = visits.open(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="As DAG code").click()
    dialog = page.get_by_role("dialog", name="As DAG code")
    assert dialog.locator("code").inner_text() == _CARDS["poster"].code
    dialog.get_by_role("button", name="Copy").click()
    dialog.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == _CARDS["poster"].code
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0


def test_without_https_a_uri_is_copied_the_old_way(site, visits):
    serve(site, lambda at: gallery(single_runs(_CARDS["mesh"])))
    page = visits.open(permissions=["clipboard-read", "clipboard-write"], wait=False)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); }")
    page.get_by_role("button", name="Copy the URI").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "s3://product-shots/wiro/2226/desk-lamp.glb"
    page.get_by_role("button", name="Copy the URI").wait_for()


def test_many_outputs_are_tiles_and_a_count(site, visits):
    many = a_card("product_shots", *(an_image("product_shots", index) for index in range(9)))
    serve(site, lambda at: gallery(single_runs(many)))
    page = visits.open()
    assert page.locator(".stage img").count() == 4
    page.locator(".cover").nth(3).get_by_text("+5").click()
    assert page.get_by_role("dialog").locator("p").first.inner_text() == "4 of 9"


def test_what_does_not_fit_beside_the_pictures_is_one_click_away(site, visits):
    both = a_card("poster", an_image("poster"), *_CARDS["mesh"].media)
    serve(site, lambda at: gallery(single_runs(both)))
    page = visits.open()
    page.get_by_role("button", name="1 more output").click()
    assert page.get_by_role("dialog").get_by_text("desk-lamp.glb").first.is_visible()


def test_an_output_without_a_url_is_named_with_a_reason(site, visits):
    why = "It is on a worker's disk."
    cards = [
        a_card("x", Media(kind, "0.bin", None, None, None, "file:///srv/0.bin", why), id=kind)
        for kind in MediaKind
    ]
    serve(site, lambda at: gallery(single_runs(*cards)))
    for stage in visits.open().locator(".stage").all():
        assert stage.locator("p").first.inner_text() == "0.bin"
        assert stage.get_by_text(why).is_visible()


def test_each_state_has_a_word_even_without_anything_to_show(site, visits):
    cards = [replace(_CARDS["flyer"], id=state, state=state) for state in CardState]
    serve(site, lambda at: gallery(single_runs(*cards)))
    page = visits.open()
    assert page.locator(".info .badge").all_inner_texts() == [
        state.replace("_", " ").capitalize() for state in CardState
    ]
    assert all(page.locator(".stage").all_inner_texts())


@pytest.mark.parametrize(
    ("count", "scheme", "label"),
    [(1, "s3", "Copy S3 URI"), (4, "s3", "Copy S3 URIs"), (1, "gs", "Copy URI")],
)
def test_where_the_store_has_no_page_a_card_has_the_objects_uris_to_copy(site, visits, count, scheme, label):
    media = tuple(an_image("product_shots", index) for index in range(count))
    media = tuple(replace(one, uri=one.uri.replace("s3:", f"{scheme}:")) for one in media)
    serve(site, lambda at: gallery(single_runs(a_card("poster", *media, links={"log": "/dags/studio"}))))
    page = visits.open(permissions=["clipboard-read", "clipboard-write"])
    button = page.locator(".links").get_by_role("button", name=label, exact=True)
    button.click()
    page.locator(".links").get_by_text("Copied", exact=True).wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split("\n") == [one.uri for one in media]


def test_where_the_store_has_a_page_the_card_links_to_it(page):
    links = card(page, "product_shots").locator(".links")
    assert links.get_by_role("link", name="S3", exact=True).is_visible()
    assert links.get_by_role("button", name="Copy").count() == 0


def test_a_failed_try_that_is_followed_by_another_is_not_only_queued(site, visits):
    waiting = a_card("poster", state=CardState.QUEUED, error="Wiro task 7 failed (exit code 137).")
    serve(site, lambda at: gallery(single_runs(waiting)))
    page = visits.open()
    assert page.locator(".card .badge").inner_text() == "Up for retry"
    assert page.locator(".card .error").get_by_text("exit code 137").is_visible()
