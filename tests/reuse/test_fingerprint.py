"""Which inputs are equal: those that make the same for certain. In doubt they differ."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.api.parameters import FileContent, FileUrl
from airflow_provider_wiro.reuse.contents import RunInputs, UnreadableContentError
from airflow_provider_wiro.reuse.fingerprint import inputs_fingerprint, is_conversation

API = "https://api.wiro.ai/v1"
MODEL = "retroAIx/Retro-Cartoons"


def of(parameters: dict[str, Any] | None = None, *, model: str = MODEL, api: str = API, **more: Any) -> str:
    return inputs_fingerprint(api, model, parameters or {}, more.get("contents", {}), more.get("linked", {}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": "x"}, {"b": "x", "a": 1}),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"a": [1, 2]}, {"a": (1, 2)}),
    ],
    ids=["another order", "None is left out", "a tuple is a list"],
)
def test_equal_parameters_meet(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert of(one) == of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"seed": 5}, {"seed": "5"}),
        ({"seed": 5}, {"seed": 5.0}),
        ({"on": True}, {"on": "true"}),
        ({"on": True}, {"on": 1}),
        ({"prompt": "a robot"}, {"prompt": "a robot "}),
        ({"prompt": "a robot"}, {"prompt": "A robot"}),
        ({"prompt": ""}, {}),
        ({"images": ["a", "b"]}, {"images": ["b", "a"]}),
        ({"a": "b"}, {"b": "a"}),
    ],
)
def test_what_may_make_something_else_differs(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert of(one) != of(other)


def test_both_spellings_of_a_model_meet_and_no_two_models_do() -> None:
    assert of(model="wiro/Animated Logo") == of(model=" wiro/animated-logo ")
    assert of(model="wiro/flux1") != of(model="wiro/flux-1")
    assert of(model="wiro/flux.1") != of(model="wiro/flux-1")
    assert of(model="a/b") != of(model="a-b/b")


def test_another_api_makes_other_outputs() -> None:
    assert of(api="http://127.0.0.1:8900/v1") != of()
    assert of(api="https://API.wiro.ai/v1/") == of()


def test_files_count_by_content_order_and_parameter() -> None:
    pair = {"contents": {"inputImage": ["a" * 64, "b" * 64]}}
    assert of(**pair) == of(contents={"inputImage": ["a" * 64, "b" * 64], "mask": []})
    assert of(**pair) != of(contents={"inputImage": ["b" * 64, "a" * 64]})
    assert of(**pair) != of(contents={"inputImage": ["a" * 64], "mask": ["b" * 64]})


def content(body: bytes, identity: str = "") -> FileContent:
    import io

    return FileContent("a.png", "image/png", len(body), lambda: io.BytesIO(body), identity=identity)


def inputs(files: dict[str, Any], **parameters: Any) -> RunInputs:
    return RunInputs(API, MODEL, parameters, files)


def test_a_url_counts_by_what_is_there_and_not_by_its_text() -> None:
    import hashlib

    digest = hashlib.sha256(b"robot").hexdigest()
    by_url = inputs({"inputImage": [FileUrl("https://shop.test/a.png?sig=1")]})
    again = inputs({"inputImage": [FileUrl("https://mirror.test/b.png?sig=2")]})
    sent = inputs({"inputImage": [content(b"robot")]})
    assert by_url.fingerprint(lambda _: digest) == again.fingerprint(lambda _: digest)
    assert by_url.fingerprint(lambda _: digest) == sent.fingerprint(lambda _: None)
    assert by_url.fingerprint(lambda _: "0" * 64) != by_url.fingerprint(lambda _: digest)


def test_a_url_among_the_parameters_counts_by_what_is_there_too() -> None:
    given = inputs({}, inputImageUrl="https://shop.test/latest.png", n=[{"u": "http://x.test/y"}])
    contents = {"https://shop.test/latest.png": "1" * 64, "http://x.test/y": "2" * 64}
    today = given.fingerprint(contents.get)
    contents["http://x.test/y"] = "3" * 64
    assert given.fingerprint(contents.get) != today


def test_each_content_is_read_once() -> None:
    asked: list[str] = []

    def fetch(url: str) -> str:
        asked.append(url)
        return "1" * 64

    url = "https://shop.test/a.png"
    inputs({"a": [FileUrl(url), FileUrl(url)], "b": [FileUrl(url)]}, c=url).fingerprint(fetch)
    assert asked == [url]

    def fail() -> Any:
        raise AssertionError("its digest is known")

    known = FileContent("a.png", "image/png", 5, fail, identity=f"sha256:{'1' * 64}")
    inputs({"a": [known]}).fingerprint(fetch)


@pytest.mark.parametrize("where", ["file", "parameter"])
def test_what_cannot_be_fetched_has_no_fingerprint_and_its_query_is_not_shown(where: str) -> None:
    url = "https://shop.test/a.png?X-Amz-Signature=5ecret"
    given = inputs({"a": [FileUrl(url)]}) if where == "file" else inputs({}, a=url)
    with pytest.raises(
        UnreadableContentError, match=r"https://shop\.test/a\.png, can't be fetched"
    ) as caught:
        given.fingerprint(lambda _: None)
    assert "5ecret" not in str(caught.value)


def test_only_inputs_that_cannot_have_changed_are_recognised_later() -> None:
    assert inputs({}).are_fixed
    assert inputs({"a": [content(b"x", f"sha256:{'1' * 64}")]}).are_fixed
    assert not inputs({"a": [content(b"x", "s3://bucket/a.png (1 bytes)")]}).are_fixed
    assert not inputs({"a": [FileUrl("https://shop.test/a.png")]}).are_fixed
    assert not inputs({}, a="https://shop.test/a.png").are_fixed


@pytest.mark.parametrize("name", ["session_id", "sessionId", "SESSION_ID"])
def test_a_conversation_is_never_reused(name: str) -> None:
    assert is_conversation({"prompt": "and then?", name: "abc"})
    assert not is_conversation({"prompt": "and then?", name: ""})
    assert not is_conversation({"prompt": "my session_id"})


@pytest.mark.parametrize(
    "text",
    [
        "https://a.test/1.png, https://a.test/2.png",
        "https://a.test/1.png?x=1,https://a.test/2.png",
        "https://a.test/1.png\nhttps://a.test/2.png",
        '[{"role": "user", "content": [{"image_url": {"url": "https://a.test/2.png"}}]}]',
        '{"url": "https:\\/\\/a.test\\/2.png"}',
    ],
    ids=["list", "list after a query", "lines", "JSON text", "JSON text with escapes"],
)
def test_each_url_that_a_text_lists_counts_by_what_is_there(text: str) -> None:
    contents: dict[str, str] = dict.fromkeys(
        ["https://a.test/1.png", "https://a.test/1.png?x=1", "https://a.test/2.png"], "1" * 64
    )
    given = inputs({}, messages=text)
    assert not given.are_fixed
    today = given.fingerprint(contents.get)
    contents["https://a.test/2.png"] = "2" * 64
    assert given.fingerprint(contents.get) != today


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("https://a.test/x,y.png", ["https://a.test/x,y.png"]),
        ("https://proxy.test/?u=https://a.test/", ["https://proxy.test/?u=https://a.test/"]),
        ("a poster that says https://a.test", []),
        ("[a robot] https://a.test", []),
        ("", []),
        (",", []),
    ],
)
def test_which_texts_list_urls(text: str, urls: list[str]) -> None:
    from airflow_provider_wiro.reuse.fingerprint import web_urls

    assert list(web_urls(text)) == urls
