"""Secrets among parameters are found wherever they stand, and guessed if parameters are unknown."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.redaction.masking import masked
from airflow_provider_wiro.redaction.secret_values import (
    is_secret,
    secret_values,
    with_secret_numbers_as_text,
    without_likely_tokens,
)

TOKEN = "PREVTOK4f7b2c9d8e"


@pytest.mark.parametrize(
    "parameters",
    [
        {"previousTaskToken": TOKEN},
        {"prompt": "x", " previousTasktoken": f" {TOKEN} "},
        {"previous_task_token": TOKEN},
        {"previousTaskToken": [TOKEN]},
        {"previousTaskToken": {"token": TOKEN}},
        {"options": {"previousTaskToken": TOKEN}},
        {"options": json.dumps({"previousTaskToken": TOKEN})},
        {"options": [{"previousTaskToken": [None, {"a": TOKEN}]}]},
    ],
)
def test_a_secret_is_found_wherever_it_stands(parameters: dict[str, Any]) -> None:
    assert secret_values(parameters) == (TOKEN,)


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        "x",
        {},
        {"previousTaskToken": None},
        {"previousTaskToken": "short"},
        {"prompt": TOKEN},
        {"tags": ["cookies", "chocolate"]},
        {"tags": ["password", "strength of 12 words"]},
        {"p": "{["},
    ],
)
def test_nothing_else_is_a_secret(parameters: object) -> None:
    assert secret_values(parameters) == ()


SECRET = "s3cr3tValue0123456789abcd"
BASIC = base64.b64encode(f"bob:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    "parameters",
    [
        # Names, plural ones among them.
        {"apiKey": SECRET},
        {"api_keys": [SECRET]},
        {"apiKeys": {"openai": SECRET}},
        {"tokens": [SECRET]},
        {"accessTokens": SECRET},
        {"github_token": SECRET},
        {"passwords": {"db": SECRET}},
        {"dbPwd": SECRET},
        {"X-API-Key": SECRET},
        {"aws_secret_access_keys": [SECRET]},
        {"openaiKey": SECRET},
        {"cookies": SECRET},
        # Below a name.
        {"credentials": {"user": "robert", "value": SECRET}},
        {"auth": {"type": "basic", "username": "robert", "p": [SECRET]}},
        {"service": [{"db": {"login": {"password": SECRET}}}]},
        {"headers": [{"name": "X-Api-Key", "value": SECRET}]},
        {"headers": [{"key": "Authorization", "value": f"Bearer {SECRET}"}]},
        {"env": [{"Name": "DB_PASSWORD", "Value": SECRET}]},
        {"env": [{"key": "DB_PASSWORD", "val": SECRET}]},
        {"headers": [["Accept", "*/*"], ["X-Api-Key", SECRET]]},
        {"headers": (("Authorization", f"Bearer {SECRET}"),)},
        {"privateKey": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"},
        {"cert": f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----"},
        {"password": f'"{SECRET}"\\'},
        # JSON in text.
        {"config": json.dumps({"apiKey": SECRET})},
        {"config": json.dumps({"inner": json.dumps([{"passwords": [SECRET]}])})},
        {"credentials": json.dumps({"x": SECRET})},
        {"config": f"{{'apiKey': '{SECRET}'}}"},
        {"config": f"api_key={SECRET}&size=4"},
        # Headers.
        {"headers": f"Accept: */*\nX-Api-Key: {SECRET}\n"},
        {"note": f"use Bearer {SECRET} for it"},
        {"headers": {"Authorization": f"Basic {BASIC}"}},
        {"note": f"curl -H 'authorization: basic {BASIC}'"},
        # URLs.
        {"image": f"https://robert:{SECRET}@x.test/a.png"},
        {"repo": f"https://{SECRET}@github.com/x/y"},
        {"image": f"https://b.test/k.png?X-Amz-Expires=60&X-Amz-Signature={SECRET}"},
        {"callbackUrl": f"https://hook.test/done?token={SECRET}"},
        {"callbackUrl": f"https://hook.test/in/{SECRET}/wiro"},
        {"webhook": f"https://hooks.slack.com/services/T0001/B0001/{SECRET}"},
        {"webhook": f"https://hooks.slack-gov.com/services/T0001/B0001/{SECRET}"},
        {"text": f"tell https://discord.com/api/webhooks/123/{SECRET} about it"},
        {"url": f"https://acme.webhook.office.com/webhookb2/1@2/IncomingWebhook/{SECRET}/3"},
        {"url": f"https://api.telegram.org/bot{SECRET}/sendMessage"},
    ],
)
def test_a_secret_is_found_in_every_form(parameters: dict[str, Any]) -> None:
    shown = repr(parameters)
    for secret in secret_values(parameters):
        shown = shown.replace(secret, "***")
    kept = json.dumps(masked(parameters))

    for text in (shown, kept):
        assert SECRET not in text
        assert BASIC not in text
    assert "robert" in shown or "robert" not in repr(parameters)


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"password": 123456}, ("123456",)),
        ({"pin": 98765}, ("98765",)),
        ({"pins": [98765, 43210]}, ("43210", "98765")),
        ({"apiKeys": [1234567, {"a": 7654321.5}]}, ("7654321.5", "1234567")),
        ({"token": 31415926}, ("31415926",)),
        ({"token": 512, "password": True, "secret": 0.5}, ()),
        ({"a": json.dumps({"password": 123456})}, ("123456",)),
    ],
)
def test_a_number_is_a_secret_as_well(parameters: dict[str, Any], found: tuple[str, ...]) -> None:
    assert secret_values(parameters) == found


@pytest.mark.parametrize(
    "key",
    [
        "github_pat_11ABCDEFG0abcdefghijkl_ABCDEFGHIJKLMNOP",
        "glpat-ABCDEFGHIJKLMNOPQRST",
        f"AIza{'Sy0_' * 8}abc",
        "sk_live_abcdefghijklmnopqrstuv1",
        "rk_test_abcdefghijklmnopqrstuv1",
    ],
)
def test_keys_of_known_vendors_are_found_by_their_form(key: str) -> None:
    assert key in secret_values({"note": f"use {key}."})
    assert key not in json.dumps(masked({"note": f"use {key}."}))


def test_a_secret_is_masked_in_the_forms_of_json_and_logs() -> None:
    found = secret_values({"password": 'ab"cd\n01234567'})
    assert {'ab"cd\n01234567', 'ab\\"cd\\n01234567', "01234567"} <= set(found)


def test_a_secret_number_becomes_text_which_airflow_can_mask_and_nothing_else_changes() -> None:
    given = {"password": 123456, "seed": 5, "a": [{"apiKeys": [1, "x"]}], "credentials": {"n": 7}, "token": 5}

    assert with_secret_numbers_as_text(given) == {
        "password": "123456",
        "seed": 5,
        "a": [{"apiKeys": ["1", "x"]}],
        "credentials": {"n": "7"},
        "token": 5,
    }
    plain = {"seed": 5, "a": [{"b": (1, 2.5)}]}
    assert with_secret_numbers_as_text(plain) is plain


@pytest.mark.parametrize(
    "parameters",
    [
        {
            "max_tokens": 123456,
            "maxNewTokens": "123456",
            "tokenizer": "cl100k_base",
            "num_tokens": "longish text",
        },
        {
            "keyframe": "0123456789abcdef01",
            "key_frames": ["0123456789abcdef01"],
            "keyFrames": "frame-000000000001",
        },
        {"eosToken": "<|endoftext|>", "trigger_token": "ohwx0000", "placeholderTokens": "<cat-toy-1>"},
        {"author": "somebody1", "spin": "clockwise1", "timeSignature": "12/8 time", "monkey": "a monkey"},
        {"prompt": "basic watercolor, bearer documents; The password: something. key: C sharp minor"},
        {"prompt": "Bearer of the ring. Basic understanding. secret = garden"},
        {"image": "https://cdn1.wiro.ai/6bc3aaaa-1111-2222-3333-444444444444/0.png?width=12345678"},
        {"callbackUrl": "https://example.com/wiro/finished-tasks"},
        {"auth": "basic", "secret": None, "passwords": [], "tokens": ""},
    ],
)
def test_nothing_is_masked_that_only_sounds_like_a_secret(parameters: dict[str, Any]) -> None:
    assert secret_values(parameters) == ()


def test_of_all_real_models_parameters_only_the_secret_one_is_masked() -> None:
    catalog = json.loads((Path(__file__).parents[1] / "api/data/model-catalog.json").read_text())
    parameters = [parameter for model in catalog for parameter in model["parameters"]]
    assert len(catalog) == 200

    found = {
        parameter["id"]
        for parameter in parameters
        for value in (
            parameter.get("default"),
            *parameter.get("options", ()),
            123456 if parameter["type"] == "number" else "some words of a user, and some more",
        )
        if secret_values({parameter["id"]: value}) or is_secret(parameter["id"], value)
    }

    assert found == {"github_token"}


def test_a_hostile_text_is_searched_in_no_time() -> None:
    began = time.process_time()
    for text in (
        "a-" * 500_000,
        "https://" * 100_000,
        "key=" * 200_000,
        "basic " * 100_000,
        "eyJ" + "a." * 99_999,
    ):
        secret_values({"prompt": text, "callbackUrl": text})
    assert time.process_time() - began < 5


def test_parameters_that_contain_themselves_are_handled() -> None:
    value: Any = {"previousTaskToken": TOKEN}
    for _ in range(5000):
        value = [value]
    assert secret_values({"a": value, "b": "[" * 100_000}) == ()


@pytest.mark.parametrize("parameters", [None, "", "no JSON"])
def test_without_parameters_nothing_like_a_token_is_shown_in_error_lines(parameters: object) -> None:
    wire = {
        "id": "1",
        "status": "task_error",
        "debugerror": f"session of {TOKEN} gone",
        "parameters": parameters,
    }
    assert Task.from_wire(wire).status_with_reason == "task_error: session of *** gone"
    known = {**wire, "parameters": {"prompt": "x"}}
    assert TOKEN in Task.from_wire(known).status_with_reason


@pytest.mark.parametrize(
    "words",
    [
        "CUDA out of memory. Tried to allocate 20.00 MiB",
        "FileNotFoundError: prompt.txt",
        "exit 137",
        "a" * 40,
    ],
)
def test_ordinary_words_are_not_masked(words: str) -> None:
    assert without_likely_tokens(words) == words
