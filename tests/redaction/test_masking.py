"""What is kept of a task's parameters is what was asked for, and never a secret."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from airflow_provider_wiro.redaction.masking import (
    MAX_TEXT,
    masked,
    text_without_secrets,
    web_addresses,
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", 'a robot on the moon, 4k, trending; don\'t: "quote" 日本語'),
        ("max_tokens", "512"),
        ("maxTokens", 512),
        ("token", "7.5"),
        ("key", "C sharp minor, slowly"),
        ("musicKey", "F minor"),
        ("seed", "123456"),
        ("scale", 4.5),
        ("refiner", ""),
        ("tiled", True),
        ("nothing", None),
        ("images", ["https://cdn1.wiro.ai/a/0.png", "https://x.test/b.png"]),
        ("options", {"a": [1, {"b": "c"}]}),
    ],
)
def test_what_was_asked_for_stays_as_it_is(name: str, value: Any) -> None:
    assert masked({name: value}) == {name: value}


SECRET = "s3cr3tValue0123456789abcd"


@pytest.mark.parametrize(
    "parameters",
    [
        {"apiKey": SECRET},
        {"openai_api_key": SECRET},
        {"hfToken": SECRET},
        {"PASSWORD": SECRET},
        {"db": {"password": [SECRET]}},
        {"aws_secret_access_key": SECRET},
        {"openaiKey": SECRET},
        {"Authorization": f"Basic {SECRET}"},
        {"note": f"use Bearer {SECRET} for it"},
        {"prompt": f"my key is sk-{SECRET}, keep it"},
        {"prompt": "AKIAABCDEFGHIJKLMNOP"},
        {"prompt": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.{SECRET}"},
        {"callbackUrl": f"https://user:{SECRET}@hook.test/path"},
        {"callbackUrl": f"https://hook.test/path?sig={SECRET}"},
        {"image": f"https://b.s3.amazonaws.com/k.png?X-Amz-Signature={SECRET}&X-Amz-Expires=60"},
        {"image": f"https://x.test/k#access={SECRET}"},
        {"prompt": f"look at https://x.test/k?t={SECRET} please"},
        {"list": [{"deep": [f"https://u:{SECRET}@x.test"]}]},
        {f"https://x.test/?{SECRET}": 1},
        {"prompt": "x" * (2 * MAX_TEXT - 30) + f" https://x.test/?{SECRET}"},
    ],
)
def test_a_secret_never_stays(parameters: dict[str, Any]) -> None:
    kept = json.dumps(masked(parameters))
    assert SECRET not in kept
    assert "AKIA" not in kept


def test_a_known_secret_is_taken_out_wherever_it_stands() -> None:
    scrub = lambda text: text.replace("wiro-key", "***")  # noqa: E731
    assert masked({"a": ["xwiro-keyx"], "wiro-key": "b"}, scrub) == {"a": ["x***x"], "***": "b"}


@pytest.mark.parametrize("value", ["data:image/png;base64," + "iVBORw0KGgo" * 500, "iVBORw0KGgo" * 500])
def test_a_files_content_is_shortened_and_its_length_shown(value: str) -> None:
    kept = masked({"inputImage": value})["inputImage"]
    assert len(kept) < 120
    assert f"({len(value):,} characters)" in kept


def test_a_very_long_text_is_truncated_and_its_length_shown() -> None:
    kept = masked("word " * 100_000)
    assert len(kept) < MAX_TEXT + 50
    assert kept.endswith("(500,000 characters)")


def test_whatever_came_is_json_in_the_end() -> None:
    deep: Any = "end"
    for _ in range(500):
        deep = [deep, {"k": deep}] if _ < 5 else [deep]
    strange = {"deep": deep, "nan": float("nan"), "inf": float("inf"), "bytes": b"x", 1: 2}
    json.dumps(masked(strange), allow_nan=False)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "://",
        "data:",
        "data:a/a",
        "eyJ-",
        "eyJaaaaaaaaaa.",
        "Bearer ",
        "sk-",
        "@",
        "http://a@",
        "?",
        "a@b",
        ";x=y",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    text_without_secrets(piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 2


def test_input_files_are_found_wherever_they_stand() -> None:
    parameters = {
        "prompt": "look at https://not.test/this",
        "inputImage": "https://a.test/1.png?sig=x",
        "many": "https://a.test/2.png, https://a.test/3.png",
        "list": [{"u": "http://a.test/4.png"}, "https://a.test/2.png"],
        "s3": "s3://b/k",
    }
    assert web_addresses(parameters) == [
        "https://a.test/1.png",
        "https://a.test/2.png",
        "https://a.test/3.png",
        "http://a.test/4.png",
    ]
