from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.parameters import (
    Body,
    FileContent,
    check_web_url,
    run_body,
    slug_path,
    split_slug,
)
from airflow_provider_wiro.exceptions import WiroUsageError
from tests.api.decoding.test_fields import JSON_VALUES
from tests.api.fake_transport import quick

CAT = FileContent("cat.png", "image/png", 3, lambda: io.BytesIO(b"cat"))


def _json(body: Body) -> Any:
    assert body.form == ()
    assert body.json is not None
    return json.loads(body.json)


# Slugs


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("retroAIx/Retro-Cartoons", "retroAIx/Retro-Cartoons"),
        (" resemble-ai/chatterbox-multilingual ", "resemble-ai/chatterbox-multilingual"),
        ("wiro/ Animated Logo", "wiro/Animated%20Logo"),
        ("ACE-Step/text-to-song-ACE-Step1.5", "ACE-Step/text-to-song-ACE-Step1.5"),
        ("a+b/c&d=e", "a%2Bb/c%26d%3De"),
        ("möbel/日本", "m%C3%B6bel/%E6%97%A5%E6%9C%AC"),
    ],
)
def test_a_slug_is_stripped_encoded_and_keeps_its_case(model: str, path: str) -> None:
    assert slug_path(model) == path


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        b"a/b",
        ["a", "b"],
        "",
        " ",
        "/",
        "model",
        "owner/",
        "/model",
        "owner/ ",
        "owner/model/",
        "owner/model/extra",
        "owner//model",
        "../model",
        "owner/..",
        "./model",
        "https://wiro.ai/models/a",
        "https://wiro.ai/owner/model",
        "owner/model?x=1",
        "owner/model#x",
        "owner/mo%2Fdel",
        "owner\\model/x",
        "owner/mo\ndel",
        "owner/mo\0del",
        "owner/mo\u202edel",
        "owner/mo\u200bdel",
        "owner/\ud800",
        "owner/" + "m" * 201,
    ],
)
def test_an_invalid_slug_is_refused_and_the_message_shows_a_valid_one(bad: object) -> None:
    with pytest.raises(WiroUsageError, match="`owner/model`, such as 'retroAIx/Retro-Cartoons'") as refused:
        split_slug(bad)
    assert len(str(refused.value)) < 1500
    str(refused.value).encode()


@quick
@given(st.text())
def test_no_slug_leads_to_another_endpoint(model: str) -> None:
    try:
        path = slug_path(model)
    except WiroUsageError:
        return
    assert path.isascii()
    assert path.count("/") == 1
    assert not set(path.split("/")) & {"", ".", ".."}
    assert not set(path) & set("?#\\ ")


# Parameters


def test_without_file_contents_the_body_is_json_with_the_values_as_given() -> None:
    given_values = {
        "prompt": "Ein Bär 🐻",
        "steps": 60,
        "scale": "4",
        "hd": True,
        "tags": ["a", "b"],
        "x": {"y": 1},
    }
    assert _json(run_body(given_values, {})) == given_values


def test_none_is_left_out_and_empty_text_is_not() -> None:
    assert _json(run_body({"prompt": None, "refiner": "", "seed": 0, "tags": []}, {})) == {
        "refiner": "",
        "seed": 0,
        "tags": [],
    }


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        b"bytes",
        {1, 2},
        object(),
        {"a": b"x"},
        [float("nan")],
        "\ud800",
        ["\udfff"],
    ],
)
def test_a_value_that_json_or_utf_8_cannot_carry_is_refused_by_name(value: object) -> None:
    with pytest.raises(
        WiroUsageError, match=r"Parameter 'mask' can't be sent: .*Files belong into `files`"
    ) as no:
        run_body({"mask": value}, {})
    str(no.value).encode()


@pytest.mark.parametrize("name", ["", " ", None, 7])
def test_a_parameter_needs_a_name(name: object) -> None:
    with pytest.raises(WiroUsageError, match="parameter names as non-empty text"):
        run_body({name: 1}, {})  # type: ignore[dict-item]


def test_a_name_that_utf_8_cannot_carry_is_refused() -> None:
    with pytest.raises(WiroUsageError, match="can't be sent"):
        run_body({"\ud800": 1}, {})


@pytest.mark.parametrize("parameters", ["{'prompt': 'x'}", ["prompt"], None, 7])
def test_parameters_that_are_no_dict_point_at_the_template(parameters: Any) -> None:
    with pytest.raises(WiroUsageError, match="tojson"):
        run_body(parameters, {})


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(WiroUsageError, match="can't be sent"):
        run_body({"tags": endless}, {})


@quick
@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5))
def test_any_json_round_trips_or_is_refused(parameters: dict[str, Any]) -> None:
    try:
        body = run_body(parameters, {})
    except WiroUsageError:
        return
    assert body.json is not None
    assert json.loads(body.json.encode()) == {
        name: value for name, value in parameters.items() if value is not None
    }


@quick
@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5))
def test_beside_a_file_any_json_becomes_form_fields_or_is_refused(parameters: dict[str, Any]) -> None:
    try:
        body = run_body(parameters, {"inputImage": [CAT]})
    except WiroUsageError:
        return
    assert body.json is None
    for name, value in body.form:
        name.encode()
        assert value is CAT or value.encode() is not None  # type: ignore[union-attr]


def test_beside_a_file_the_parameters_are_form_fields() -> None:
    body = run_body(
        {
            "prompt": "Ein Bär",
            "steps": 60,
            "scale": 0.8,
            "hd": True,
            "tags": ["a", 2, None, False],
            "nothing": [],
            "size": {"w": "ü"},
            "gone": None,
        },
        {"inputImage": [CAT]},
    )

    assert body.json is None
    assert body.form == (
        ("prompt", "Ein Bär"),
        ("steps", "60"),
        ("scale", "0.8"),
        ("hd", "true"),
        ("tags", "a"),
        ("tags", "2"),
        ("tags", "false"),
        ("nothing", "[]"),
        ("size", '{"w": "ü"}'),
        ("inputImage", CAT),
        ("inputImageUrl", ""),
    )


def test_a_body_shows_no_content_in_its_repr() -> None:
    assert repr(run_body({"prompt": "hush"}, {})) == "Body()"


# URLs


@pytest.mark.parametrize(
    "url", ["https://a.example", "http://[::1]:8900/v1", " https://a.example/x?y=z#1 ", "HTTPS://A.example/ü"]
)
def test_a_web_url_passes_stripped(url: str) -> None:
    assert check_web_url(url, "a file") == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        "",
        None,
        7,
        "a.example",
        "//a.example/x",
        "ftp://a.example/x",
        "s3://bucket/key",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://a.example:port/",
        "https://a.example:99999/",
        "http://[",
        "https://a.example/a b",
        "https://a.example/a\r\nx: y",
        "https://a.example/\0",
        "https://a.example/\ud800",
    ],
)
def test_anything_else_is_no_web_url(url: Any) -> None:
    with pytest.raises(WiroUsageError, match=r"^Expected an http\(s\) URL for a file, found ") as refused:
        check_web_url(url, "a file")
    str(refused.value).encode()


def test_a_bad_url_is_named_without_its_query_which_may_be_a_signature() -> None:
    with pytest.raises(WiroUsageError, match=r"found 'ftp://host/picture\.png'") as failure:
        check_web_url("ftp://host/picture.png?X-Amz-Signature=s3cret", "a file")
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:s3cret@a.example:99999/x", "http://…@a.example:99999/x"),
        ("http://user:s3@cret@a.example:99999/x?y", "http://…@a.example:99999/x"),
        ("http://user:s3?cret@a.example:99999/x", "http://…"),
        ("http://user:s3#cret@a.example:99999/x", "http://…"),
        ("ftp://x@a.example/://user:s3cret@b.example", "ftp://…@b.example"),
        ("user:s3cret@a.example", "…@a.example"),
        ("https:user:s3cret@a.example", "…@a.example"),
        ("https://a.example:99999/x#s3cret", "https://a.example:99999/x"),
    ],
)
def test_a_bad_url_is_named_without_user_and_password(url: str, shown: str) -> None:
    with pytest.raises(WiroUsageError) as failure:
        check_web_url(url, "a file")
    assert f"found {shown!r}" in str(failure.value)
