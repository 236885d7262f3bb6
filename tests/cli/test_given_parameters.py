"""``KEY=VALUE`` on the command line: which of them are files, and how many."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.cli.given_parameters import read_given
from tests.catalog.schemas import item, model_of

URLS = ["https://a.example/1.png", "https://a.example/2.png"]
JOINED = ",".join(URLS)


@pytest.mark.parametrize("name", ["images", "imagesUrl"])
def test_urls_in_one_text_are_several_files_where_wiro_reads_them_so(name: str) -> None:
    several = model_of(item("images", "multifileinput"))
    assert read_given([f"{name}={JOINED}"], several).files == {"images": URLS}
    assert read_given([f"{name}={url}" for url in URLS], several).files == {"images": URLS}
    assert read_given([f"{name}=a,b.png"], several).files == {"images": ["a,b.png"]}
    assert read_given([f"{name}={JOINED}"], model_of(item("images", "fileinput"))).files == {
        "images": [JOINED]
    }
