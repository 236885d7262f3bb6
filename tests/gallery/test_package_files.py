"""The gallery's own files: small, and looked up in a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_wiro import gallery
from airflow_provider_wiro.gallery.package_files import package_file, page_html

STATIC = Path(gallery.__file__).parent / "static"


def test_all_files_together_are_below_60_kilobytes() -> None:
    files = list(STATIC.iterdir())

    assert {"gallery.html", "gallery.css", "gallery.js", "icon.svg"} <= {file.name for file in files}
    assert sum(file.stat().st_size for file in files) < 60_000


def test_each_file_but_the_page_is_served_as_it_is() -> None:
    for file in STATIC.iterdir():
        if file.suffix != ".html":
            assert package_file(file.name).content == file.read_bytes()


@pytest.mark.parametrize(
    "name", ["gallery.html", "../page.py", "", ".", "static", "gallery.CSS", "gallery.css/"]
)
def test_nothing_else_is(name: str) -> None:
    with pytest.raises(LookupError, match="no such file"):
        package_file(name)


def test_what_fills_the_page_stays_inside_its_attributes() -> None:
    hostile = "\"'><script>alert(1)</script>{{ kind }}"
    page = page_html({"root": "/airflow", "kind": "run", "data_url": hostile})

    assert "<script>alert" not in page
    assert page.count("{{ kind }}") == page.count("&quot;&#x27;&gt;&lt;script&gt;") > 0
    assert 'data-root="/airflow"' in page
