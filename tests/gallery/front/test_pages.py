"""Batches with many items: pages, jumps, progress; and a DAG's page with many runs."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from airflow_provider_wiro.gallery.page import Gallery, Progress, Section
from tests.gallery.front.recorded import (
    DAG,
    RUN,
    a_card,
    a_run,
    an_image,
    batch_page,
    gallery,
    serve,
    single_runs,
)
from tests.gallery.front.site import refusal
from tests.gallery.front.waiting import until

_BATCH = f"tasks/{DAG}/{RUN}/shots/-1"


@pytest.fixture
def batch(site):
    """Serve a DAG run with a batch of 10,000 items, which pages through its manifest."""
    serve(site, lambda at: gallery(batch_page("")))
    serve(site, lambda at: gallery(batch_page(at)), _BATCH)
    return site


def range_of(page):
    return page.locator(".range").first.inner_text()


def first_title(page):
    return page.locator(".card").first.get_by_role("heading").inner_text()


def test_ten_thousand_items_turn_page_by_page(batch, visits):
    page = visits.open()
    assert range_of(page) == "1\u201360 of 10,000"
    assert page.get_by_role("button", name="Previous page").first.is_disabled()
    page.get_by_role("button", name="Next page").first.click()
    page.get_by_text("61\u2013120 of 10,000").first.wait_for()
    assert first_title(page) == "item-00061"
    assert page.locator(".card").count() == 60
    page.get_by_role("button", name="Previous page").first.click()
    page.get_by_text("1\u201360 of 10,000").first.wait_for()
    assert first_title(page) == "item-00001"


def test_one_can_go_to_an_item_and_the_last_page_ends(batch, visits):
    page = visits.open()
    page.get_by_label("Go to item, 1 to 10000").first.fill("9990")
    page.keyboard.press("Enter")
    page.get_by_text("9,990\u201310,000 of 10,000").first.wait_for()
    assert first_title(page) == "item-09990"
    assert page.get_by_role("button", name="Next page").first.is_disabled()
    assert [urlsplit(path).query for path in batch.asked("/wiro/data/tasks")] == ["at=item-9990"]


def test_an_item_that_there_is_not_is_not_asked_for(batch, visits):
    page = visits.open()
    field = page.get_by_label("Go to item").first
    for number in ("0", "10001", "-3", "1.5", ""):
        field.fill(number)
        field.press("Enter")
        assert not field.evaluate("(field) => field.form.checkValidity()")
    assert batch.asked("/wiro/data/tasks") == []


def test_a_turned_page_is_said_to_screen_readers_and_its_heading_has_the_focus(batch, visits):
    page = visits.open()
    page.get_by_role("button", name="Next page").last.click()
    page.get_by_text("61\u2013120 of 10,000").first.wait_for()
    assert page.locator("#live").inner_text() == "shots: 61\u2013120 of 10,000"
    assert page.evaluate("document.activeElement.textContent") == "shots"
    assert page.evaluate("document.querySelector('section').getBoundingClientRect().top") >= -1


def test_the_page_that_one_has_turned_to_survives_a_reload(batch, visits):
    page = visits.open()
    page.get_by_role("button", name="Next page").first.click()
    page.get_by_text("61\u2013120 of 10,000").first.wait_for()
    page.reload()
    page.get_by_text("61\u2013120 of 10,000").first.wait_for()


def test_a_page_that_is_gone_leads_back_to_the_first(batch, visits):
    batch.data[_BATCH] = lambda at: refusal(404, "That part of the manifest is gone.")
    visits.expected.append("404")
    page = visits.open(wait=False)
    page.goto(page.url + "#shots=b999")
    page.reload()
    page.get_by_text("1\u201360 of 10,000").first.wait_for()
    assert "b999" not in page.url


def test_a_batch_that_the_run_has_not_read_is_read_on_its_own(site, visits):
    unread = replace(batch_page(""), cards=(), first=None, next="item-1")
    serve(site, lambda at: gallery(unread))
    serve(site, lambda at: gallery(batch_page(at)), _BATCH)
    page = visits.open()
    page.get_by_text("1\u201360 of 10,000").first.wait_for()


def test_of_many_batches_those_are_read_that_one_comes_near_to(site, visits):
    names = [f"batch_{number}" for number in range(30)]
    note = "Not read yet. " * 20
    unread = [
        replace(batch_page(""), id=name, title=name, task_id=name, cards=(), next="item-1", note=note)
        for name in names
    ]
    serve(site, lambda at: gallery(*unread))
    for section in unread:
        first = replace(batch_page(""), id=section.id, title=section.title)
        serve(site, lambda at, first=first: gallery(first), f"tasks/{DAG}/{RUN}/{section.id}/-1")
    page = visits.open()
    until(page, "document.querySelectorAll('.card').length >= 60")
    assert 1 <= len(site.asked("/wiro/data/tasks")) < 20
    page.get_by_role("heading", name="batch_29", exact=True).scroll_into_view_if_needed()
    until(page, "[...document.querySelectorAll('section')].at(-1).querySelectorAll('.card').length === 60")


def test_the_counts_of_a_batch_are_a_bar_and_numbers(site, visits):
    progress = Progress(400, queued=195, running=20, done=182, failed=3, at="2026-11-27T09:13:49+00:00")
    serve(
        site, lambda at: gallery(Section("shots", "shots", (), "shots", state="deferred", progress=progress))
    )
    page = visits.open()
    bar = page.get_by_role("progressbar", name="shots")
    assert bar.get_attribute("aria-valuenow") == "185"
    assert bar.get_attribute("aria-valuetext") == "182 done, 3 failed, 20 running, 195 queued of 400"
    assert page.locator(".progress ul").inner_text().split("\n") == [
        "182 done",
        "3 failed",
        "20 running",
        "195 queued",
        "of 400",
        "counted 27 Nov 2026, 09:13:49",
    ]
    widths = [part.bounding_box()["width"] for part in bar.locator("span").all()]
    assert widths[0] / bar.bounding_box()["width"] == pytest.approx(0.455, abs=0.01)
    assert page.locator(".titlebar .badge").inner_text() == "Deferred"


def test_what_a_stopped_batch_left_is_not_done_and_no_longer_announced(site, visits):
    progress = Progress(9, failed=2, not_done=7)
    serve(site, lambda at: gallery(Section("shots", "shots", (), "shots", state="failed", progress=progress)))
    page = visits.open()
    counts = page.locator(".progress ul").inner_text().split("\n")
    assert counts == ["0 done", "2 failed", "7 not done", "of 9"]
    assert page.locator("#live").inner_text() == ""


def test_the_state_beside_a_short_name_is_whole(site, visits):
    section = replace(batch_page(""), title="big", state="up_for_retry")
    serve(site, lambda at: gallery(section))
    badge = visits.open().locator(".titlebar .badge")
    assert badge.inner_text() == "Up for retry"
    assert badge.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    assert badge.evaluate("(node) => getComputedStyle(node, '::before').width") == "8px"


def test_a_section_says_why_its_manifest_cannot_be_read(site, visits):
    note = "The manifest s3://shots/manifest.jsonl can't be read: access denied."
    serve(site, lambda at: gallery(Section("shots", "shots", (), "shots", state="success", note=note)))
    assert visits.open().get_by_text(note).is_visible()


def test_sixty_cards_are_there_within_a_moment(batch, visits):
    page = visits.open()
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    spent = page.evaluate("performance.now()")
    assert page.locator(".card").count() == 60
    assert painted < 1000
    assert spent < 3000  # generous: other tests run beside this one


def runs_of_a_dag(first, count, next_at):
    runs = tuple(
        a_run(
            replace(single_runs(a_card("poster", an_image("poster"))), total=30),
            run_id=f"manual__{number}",
            url=f"/dags/{DAG}/runs/manual__{number}",
        )
        for number in range(first, first + count)
    )
    return Gallery(DAG, runs, next=next_at)


def test_the_page_of_a_dag_shows_its_runs_and_older_ones_on_demand(site, visits):
    serve(site, lambda at: runs_of_a_dag(4, 3, None) if at else runs_of_a_dag(1, 3, "older"), f"dags/{DAG}")
    page = visits.open(f"dags/{DAG}")
    titles = page.get_by_role("heading", level=2)
    assert titles.all_inner_texts() == ["manual__1", "manual__2", "manual__3"]
    assert page.locator("time").first.inner_text().startswith("27 Nov 2026")
    page.get_by_role("button", name="Older runs").click()
    page.get_by_text("manual__6").wait_for()
    assert titles.count() == 6
    assert page.get_by_role("button", name="Older runs").count() == 0
    assert (
        page.get_by_role("link", name="All 30")
        .first.get_attribute("href")
        .endswith("/dags/studio/runs/manual__1")
    )


def test_times_are_in_the_zone_that_one_has_chosen_in_airflow(site, visits):
    serve(site, lambda at: runs_of_a_dag(1, 1, None), f"dags/{DAG}")
    page = visits.open(f"dags/{DAG}")
    for zone, shown in (("Asia/Tokyo", "27 Nov 2026, 18:00:00"), ("Nowhere/Else", "27 Nov 2026, 09:00:00")):
        page.evaluate("(zone) => localStorage.setItem('timezone', zone)", zone)
        page.reload()
        page.get_by_text(shown).wait_for()


def test_headings_are_in_order(site, visits):
    serve(site, lambda at: runs_of_a_dag(1, 2, None), f"dags/{DAG}")
    page = visits.open(f"dags/{DAG}")
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4')].map((node) => Number(node.tagName[1]))"
    )
    assert levels == [1, 2, 3, 4, 2, 3, 4]
