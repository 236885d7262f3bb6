"""What the manifest says of an item's input: enough to know it again, no secret, and never much of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.batch.inputs.item_form import OwnInput, own_input
from airflow_provider_wiro.batch.inputs.items import Inputs
from airflow_provider_wiro.batch.inputs.shown_input import MOST_MANIFEST_BYTES, manifest_input

KEY = "sk-proj-abcdefghijklmnop123456"

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3000),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=400), inner, max_size=30),
    max_leaves=60,
)


def shown(raw: dict[str, Any]) -> dict[str, Any]:
    return manifest_input(own_input(raw))


def test_an_item_is_shown_with_its_own_parameters_as_they_were_given() -> None:
    raw = {"prompt": "a teapot", "seed": 7, "wide": True, "scale": 0.5, "loras": ["a", {"weight": 1}]}

    assert shown(raw) == {"parameters": raw}


def test_an_items_id_and_data_are_not_repeated_there() -> None:
    raw = {"id": "SKU-1", "data": {"row": 1}, "parameters": {"prompt": "a teapot"}}

    assert shown(raw) == {"parameters": {"prompt": "a teapot"}}


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/data/in/robot.png", "robot.png"),
        (Path("/data/in/robot.png"), "robot.png"),
        ("s3://aws_default@bucket/in/robot.png", "robot.png"),
        ("https://user:secret@example.com/a/robot.png?X-Amz-Signature=0123abcd", "robot.png"),
        ("https://example.com", "…"),
        ("http://[", "…"),
        ({"uri": "s3://bucket/in/robot.png", "size": 3}, "robot.png"),
        ({"url": "https://cdn1.wiro.ai/token/robot.png", "name": "../robot.png"}, "robot.png"),
        ("data:image/png;base64,iVBORw0KGgo=", "data:image/png;base64,… (34 characters)"),
        (3, "int"),
    ],
)
def test_a_file_is_shown_by_its_name_alone(source: Any, name: str) -> None:
    own = OwnInput({}, {"inputImage": source})

    assert manifest_input(own) == {"parameters": {}, "files": {"inputImage": [name]}}


def test_secrets_are_masked_also_where_they_are_repeated_and_those_of_all_items() -> None:
    raw = {"apiKey": "hunter2-hunter2", "prompt": f"say hunter2-hunter2 and {KEY} and shared-secret"}
    text = json.dumps(manifest_input(own_input(raw), ("shared-secret",)))

    assert "hunter2" not in text
    assert KEY not in text
    assert "shared-secret" not in text
    assert "say ***" in text


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    found = shown({"prompt": "word " * 10_000})["parameters"]["prompt"]

    assert len(found) == 1000
    assert found.startswith("word word")
    assert found.endswith("…")


def test_a_secret_at_the_cut_is_masked_as_a_whole() -> None:
    found = shown({"prompt": f"{'x ' * 495}{KEY}"})["parameters"]["prompt"]

    assert "sk-proj" not in found


def test_long_texts_in_any_script_share_the_room_that_there_is() -> None:
    raw = {"prompt": "猫" * 5000, "negativePrompt": "犬" * 5000, "style": "鳥" * 5000, "seed": 3}
    found = shown(raw)["parameters"]

    assert list(found) == list(raw)
    assert found["seed"] == 3
    assert all(found[name].startswith(raw[name][:80]) for name in ("prompt", "negativePrompt", "style"))


def test_of_thousands_of_parameters_those_that_fit_are_shown() -> None:
    found = shown({"prompt": "a teapot", **{f"option{number}": "x" * 100 for number in range(3000)}})

    assert found["parameters"]["prompt"] == "a teapot"
    assert 1 < len(found["parameters"]) < 3000


@given(parameters=st.dictionaries(st.text(max_size=400), ANY_JSON, max_size=30))
def test_whatever_an_item_has_its_input_is_json_and_takes_at_most_four_kibibytes(
    parameters: dict[str, Any],
) -> None:
    text = json.dumps(
        manifest_input(OwnInput(parameters, {"image": list(parameters.values())})),
        separators=(",", ":"),
        allow_nan=False,
    )

    assert len(text) <= MOST_MANIFEST_BYTES


def test_the_secrets_of_all_items_are_masked_in_each() -> None:
    with Inputs(
        [{"prompt": "say hunter2-hunter2"}],
        model="owner/model",
        parameters={"apiKey": "hunter2-hunter2"},
        files=None,
        project_id=None,
    ) as inputs:
        assert inputs.fields_of(0)["input"] == {"parameters": {"prompt": "say ***"}}
