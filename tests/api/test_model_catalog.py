"""
Each of the 200 real models of data/model-catalog.json gets a correct request.

The data was read off Wiro's official n8n nodes (April 2026). Kinds there are n8n's, so that file parameters
appear as text parameters `…Url`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.catalog import ModelParameter
from airflow_provider_wiro.api.parameters import FileContent, FileUrl

CATALOG: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data/model-catalog.json").read_text())
CAT = FileContent("cat.png", "image/png", 3, lambda: io.BytesIO(b"cat"))


def _defaults(model: dict[str, Any]) -> dict[str, Any]:
    return {parameter["id"]: parameter["default"] for parameter in model["parameters"]}


def test_the_catalog_is_complete() -> None:
    assert len(CATALOG) == 200


@pytest.mark.parametrize("model", CATALOG, ids=lambda model: model["model"].strip())
def test_a_run_of_the_model_with_its_defaults_is_sent_as_they_are(model: dict[str, Any]) -> None:
    run = endpoints.run_model(model["model"], _defaults(model), {})

    word, owner, name = run.path.split("/")
    assert word == "Run"
    assert [unquote(owner), unquote(name)] == [part.strip() for part in model["model"].split("/")]
    assert set(run.path) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%")
    assert run.body.json is not None
    assert json.loads(run.body.json) == _defaults(model)
    assert not run.is_repeatable


TAKES_A_FILE = [
    (model, parameter["id"])
    for model in CATALOG
    for parameter in model["parameters"]
    if parameter["id"].startswith("input") and parameter["id"].endswith("Url")
]


def test_a_file_for_any_models_input_goes_under_its_name_and_a_url_under_its_url_name() -> None:
    assert len(TAKES_A_FILE) > 150
    for model, name in TAKES_A_FILE:
        others = [(key, value) for key, value in _defaults(model).items() if key != name]

        content = endpoints.run_model(model["model"], _defaults(model), {name: [CAT]}).body
        assert content.form[-2:] == ((name.removesuffix("Url"), CAT), (name, ""))
        assert {key for key, _ in content.form[:-2]} == {key for key, _ in others}

        url = endpoints.run_model(model["model"], _defaults(model), {name: [FileUrl("https://a.example/1")]})
        assert json.loads(url.body.json or "") == {
            **dict(others),
            name.removesuffix("Url"): "",
            name: "https://a.example/1",
        }


def test_several_files_for_any_models_input_have_the_empty_url_field_beside_them() -> None:
    for model, name in TAKES_A_FILE:
        file = name.removesuffix("Url")
        pair = ModelParameter(file, "multifileinput")

        contents = endpoints.run_model(model["model"], _defaults(model), {name: [CAT, CAT]}, [pair]).body
        assert contents.form[-3:] == ((file, CAT), (file, CAT), (name, ""))

        urls = [FileUrl("https://a.example/1"), FileUrl("https://a.example/2")]
        other = ModelParameter("inputOther", "fileinput")
        mixed = {name: urls, "inputOther": [CAT]}
        form = endpoints.run_model(model["model"], _defaults(model), mixed, [pair, other]).body.form
        assert form[-4:-2] == ((file, ""), (name, "https://a.example/1,https://a.example/2"))
