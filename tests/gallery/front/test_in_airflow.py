"""The page in Airflow's iframe, with exactly its sandbox: colours, links out, downloads."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.gallery.front.recorded import LOG, RUN_TAIL, gallery, media_path, serve, single_runs, studio_cards
from tests.gallery.front.site import SANDBOX, SANDBOX_FROM_3_3, Answer
from tests.gallery.front.waiting import until

_SCHEME = "getComputedStyle(document.documentElement).colorScheme"


@pytest.fixture
def studio(site):
    serve(site, lambda at: gallery(single_runs(*studio_cards())))
    return site


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("system", ["light", "dark"])
def test_light_and_dark_are_airflows_whatever_the_system_prefers(studio, visits, theme, system):
    _, frame = visits.open_in_airflow(theme=theme, color_scheme=system)
    assert frame.evaluate(_SCHEME) == theme


def test_it_follows_when_airflow_changes(studio, visits):
    page, frame = visits.open_in_airflow(theme="light")
    page.evaluate("document.documentElement.classList.replace('light', 'dark')")
    until(frame, f"{_SCHEME} === 'dark'")
    page.evaluate("document.documentElement.classList.replace('dark', 'light')")
    until(frame, f"{_SCHEME} === 'light'")


@pytest.mark.parametrize("system", ["light", "dark"])
def test_alone_in_a_tab_it_is_as_the_system_prefers(studio, visits, system):
    page = visits.open(color_scheme=system)
    assert page.evaluate(_SCHEME) == system
    page.emulate_media(color_scheme="dark" if system == "light" else "light")
    until(page, f"{_SCHEME} !== '{system}'")


def test_airflows_ground_shines_through(studio, visits):
    page, _ = visits.open_in_airflow(theme="dark")
    page.evaluate("document.documentElement.style.background = 'rgb(1, 2, 90)'")
    corner = page.screenshot(clip={"x": 1190, "y": 80, "width": 2, "height": 2}, type="png")
    assert bytes((1, 2, 90)) in _pixels(corner)


@pytest.mark.parametrize("sandbox", [SANDBOX, SANDBOX_FROM_3_3])
def test_links_open_a_page_although_the_sandbox_opens_none(studio, visits, sandbox):
    page, frame = visits.open_in_airflow(sandbox=sandbox)
    link = frame.get_by_role("link", name="Log").first
    for follow in (link.click, lambda: link.click(button="middle"), lambda: link.press("Enter")):
        with page.context.expect_page() as opened:
            follow()
        opened.value.wait_for_load_state()
        assert opened.value.url == f"{studio.url}{LOG}poster"
        assert opened.value.evaluate("window.opener") is None
    assert page.url.startswith(f"{studio.url}/airflow-ui")
    assert page.locator("body > a").count() == 0


def test_links_work_alone_in_a_tab_too(studio, visits):
    page = visits.open()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Log").first.click()
    opened.value.wait_for_load_state()
    assert opened.value.url == f"{studio.url}{LOG}poster"


@pytest.mark.parametrize("sandbox", [SANDBOX, SANDBOX_FROM_3_3])
def test_files_can_be_downloaded_although_older_sandboxes_allow_none(studio, visits, sandbox):
    attachment = {"Content-Disposition": 'attachment; filename="desk-lamp.glb"'}
    studio.media[media_path("mesh", 0)] = lambda: Answer(b"a mesh", headers=attachment)
    page, frame = visits.open_in_airflow(sandbox=sandbox)
    with page.expect_download() as download:
        frame.get_by_role("link", name="Download").first.click()
    assert download.value.path().read_bytes() == b"a mesh"


def test_below_a_base_path_everything_is_found_there(site_below_a_path, visits_below_a_path):
    site, visits = site_below_a_path, visits_below_a_path
    serve(site, lambda at: gallery(single_runs(*studio_cards())))
    page = visits.open()
    until(page, "document.images[0].naturalWidth > 0")
    assert (
        page.get_by_role("link", name="Log").first.get_attribute("href") == f"{site.url}/airflow{LOG}poster"
    )
    assert {path for path, _ in site.requests if not path.startswith("/airflow/")} <= {"/favicon.ico"}


def test_its_font_is_airflows(studio, visits):
    _, frame = visits.open_in_airflow()
    assert frame.evaluate("getComputedStyle(document.body).fontFamily").startswith("Inter, Arial")


def test_the_data_are_asked_for_once_and_at_once(studio, visits):
    visits.open()
    assert len(studio.asked("/wiro/data/")) == 1
    names = [path.rpartition("/")[2] for path in studio.asked("/wiro/")]
    assert RUN_TAIL.rpartition("/")[2] in names


def _pixels(png: bytes) -> bytes:
    return Image.open(io.BytesIO(png)).convert("RGB").tobytes()
