"""The larger view, with a mouse and with the keyboard only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_wiro.gallery.page import CardState
from tests.gallery.front.recorded import ANSWER, a_card, an_image, gallery, serve, single_runs, studio_cards
from tests.gallery.front.waiting import until

_FOCUSED = "document.activeElement"


@pytest.fixture
def page(site, visits):
    serve(site, lambda at: gallery(single_runs(*studio_cards())))
    return visits.open()


def viewer(page):
    return page.get_by_role("dialog")


def position(page):
    return viewer(page).locator(".bar p").inner_text()


def test_a_click_on_a_picture_shows_it_large_with_all_that_is_known(page):
    page.locator(".cover").nth(1).click()
    until(page, "document.querySelector('dialog img').naturalWidth > 0")
    assert position(page) == "2 of 15"
    about = viewer(page).locator(".about")
    assert about.get_by_role("heading", name="Desk lamp, oak").is_visible()
    assert about.locator("dt").all_inner_texts() == ["seed", *(f"option_{number}" for number in range(9))]
    assert about.get_by_text("no people, no text").is_visible()
    assert about.get_by_role("button", name="As DAG code").is_visible()


@pytest.mark.parametrize("key", ["Enter", " "])
def test_the_keyboard_opens_moves_and_closes_it_and_the_focus_returns(page, key):
    cover = page.locator(".cover").first
    cover.focus()
    page.keyboard.press(key)
    assert position(page) == "1 of 15"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert position(page) == "3 of 15"
    page.keyboard.press("ArrowLeft")
    assert position(page) == "2 of 15"
    page.keyboard.press("Escape")
    assert viewer(page).count() == 0
    assert cover.evaluate(f"(cover) => cover === {_FOCUSED}")


def test_the_arrows_stop_at_both_ends(page):
    page.locator(".cover").first.click()
    page.keyboard.press("ArrowLeft")
    assert position(page) == "1 of 15"
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert position(page) == "15 of 15"
    assert viewer(page).get_by_role("button", name="Next").is_disabled()


def test_the_focus_does_not_leave_it(page):
    page.locator(".cover").first.click()
    for _ in range(30):
        page.keyboard.press("Tab")
        assert page.evaluate(
            f"document.querySelector('dialog').contains({_FOCUSED}) || {_FOCUSED} === document.body"
        )


def test_a_click_beside_it_closes_it(page):
    page.locator(".cover").first.click()
    page.mouse.click(4, 4)
    assert viewer(page).count() == 0


def test_arrows_on_a_film_seek_in_it_and_do_not_leave_it(page):
    page.get_by_role("button", name="Larger view", exact=True).click()
    until(page, "document.querySelector('dialog video').readyState > 0")
    before = position(page)
    page.locator("dialog video").focus()
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('dialog video').currentTime > 0")
    assert position(page) == before
    page.keyboard.press("Escape")
    assert viewer(page).count() == 0


def test_a_film_continues_in_the_larger_view_where_it_was(page):
    film = page.locator(".card video")
    film.scroll_into_view_if_needed()
    until(page, "document.querySelector('.card video').readyState > 0")
    film.evaluate("(film) => { film.currentTime = 4; }")
    film.hover()
    page.get_by_role("button", name="Larger view", exact=True).click()
    until(page, "Math.abs(document.querySelector('dialog video').currentTime - 4) < 0.3")
    assert film.evaluate("(film) => film.paused")


def test_a_film_in_it_ends_with_it(page):
    page.get_by_role("button", name="Larger view", exact=True).click()
    page.keyboard.press("Escape")
    assert page.locator("dialog video").count() == 0


def test_a_whole_answer_and_a_whole_error_can_be_read(site, visits):
    long_answer = "\n".join(f"Line {number} of the answer" for number in range(3000))
    serve(
        site,
        lambda at: gallery(
            single_runs(
                a_card("names", text=long_answer, finish_reason="length"), a_card("x", error="E" * 9000)
            )
        ),
    )
    page = visits.open()
    page.get_by_role("button", name="Read all: names").click()
    assert viewer(page).locator(".text").inner_text().endswith("Line 2999 of the answer")
    assert viewer(page).get_by_text("The answer is incomplete. The model ended by: length").is_visible()
    page.keyboard.press("ArrowRight")
    assert viewer(page).locator(".text.error").inner_text() == "E" * 9000


def test_an_answer_that_asks_for_a_tool_is_not_called_incomplete(site, visits):
    card = a_card("names", text="draw({})", finish_reason="tool_calls")
    serve(site, lambda at: gallery(single_runs(card)))
    page = visits.open()
    page.get_by_role("button", name="Read all: names").click()
    assert viewer(page).get_by_text("The model ended by: tool_calls").is_visible()
    assert viewer(page).get_by_text("incomplete").count() == 0


def test_beside_a_long_prompt_the_model_the_cost_and_the_time_are_still_there(site, visits):
    card = a_card("poster", an_image("poster"), prompt="a teapot on a table, " * 400)
    serve(site, lambda at: gallery(single_runs(card)))
    page = visits.open()
    page.locator(".cover").click()
    facts = viewer(page).locator(".facts")
    assert facts.bounding_box()["height"] >= 15
    assert "$0.0351" in facts.inner_text()


def test_all_parameters_are_one_click_away(page):
    page.get_by_role("button", name="+6 more").click()
    assert viewer(page).get_by_text("option_8").is_visible()


def test_code_opens_above_it_and_escape_closes_one_at_a_time(page):
    page.locator(".cover").first.click()
    viewer(page).get_by_role("button", name="As DAG code").click()
    assert page.get_by_role("dialog", name="As DAG code").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog", name="As DAG code").count() == 0
    assert position(page) == "1 of 15"


def test_each_kind_of_result_has_a_view(page):
    page.locator(".cover").first.click()
    seen = []
    for _ in range(15):
        seen.append(viewer(page).locator(".figure").inner_text())
        page.keyboard.press("ArrowRight")
    assert any(ANSWER[:40] in text for text in seen)
    assert any("exit code 137" in text for text in seen)
    assert any("desk-lamp.glb" in text for text in seen)
    assert any("It has not landed" in text for text in seen)


def test_it_fits_a_narrow_window(site, visits):
    serve(site, lambda at: gallery(single_runs(a_card("poster", an_image("poster"), prompt="x" * 5000))))
    page = visits.open(width=400, height=700)
    page.locator(".cover").first.click()
    assert page.evaluate("document.querySelector('dialog .both').scrollWidth <= innerWidth")
    assert viewer(page).get_by_role("button", name="Close").is_visible()


def test_a_file_is_described_once(page):
    """What a picture's side column says of it, a file's middle says already."""
    page.locator(".cover").first.click()
    for _ in range(15):
        names = viewer(page).locator(".file").count()
        assert names <= 1, viewer(page).inner_text()
        page.keyboard.press("ArrowRight")


def test_of_a_run_that_is_on_its_way_it_does_not_say_that_there_are_no_outputs(site, visits):
    many = tuple((f"option_{number}", "1") for number in range(9))
    begun = a_card("poster", state=CardState.RUNNING, parameters=many, elapsed_seconds=None)
    done = replace(begun, state=CardState.SUCCEEDED, media=(an_image("poster"),))
    shown = [begun]
    serve(site, lambda at: gallery(single_runs(*shown), refresh_seconds=1))
    page = visits.open()
    page.get_by_role("button", name="more").click()
    assert viewer(page).locator(".figure").inner_text() == "Running"
    shown[:] = [done]
    until(page, "document.querySelector('dialog .figure img')?.naturalWidth > 0")
    assert position(page) == "1 of 1"
