"""A card says what was made and where it is; anything that is no whole card of these inputs is a miss."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.reuse.card import MAX_BYTES, CardOutput, NotACardError, ResultCard, card_name
from airflow_provider_wiro.storage.landed_object import LandedObject

KEY = "a" * 64
LANDED = LandedObject(0, "", "0.png", "image/png", "s3://outputs/0.png", 7, "b" * 64, "c" * 32)
CARD = ResultCard(
    KEY,
    "2221",
    "retroAIx/Retro-Cartoons",
    1_764_216_729.25,
    (CardOutput(0, "0.png", "image/png", 7),),
    (LANDED,),
    elapsed_seconds=6.0,
    cost_usd="0.00351",
)
ANSWER = replace(
    CARD,
    outputs=(CardOutput(0, "answer", "raw", None),),
    landed=(),
    text="Forty-two.",
    finish_reason="stop",
    usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
)


@pytest.mark.parametrize("card", [CARD, ANSWER])
def test_a_card_is_read_as_it_was_written(card: ResultCard) -> None:
    assert ResultCard.from_bytes(card.to_bytes(), KEY) == card


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(CARD.to_bytes()), **fields}).encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe\x00", "codec|Expecting"),
        (b"[]", "no result card"),
        (b"{}", "no result card"),
        (b"[" * 100_000, "recursion|no result card"),
        (CARD.to_bytes()[:-40], "Expecting|delimiter|Unterminated"),
        (changed(version=2), "version 2, not 1"),
        (changed(fingerprint="f" * 64), "other inputs"),
        (changed(wiro_task_id=" "), "task"),
        (changed(wiro_task_id=None), "task"),
        (changed(made_at="yesterday"), "moment"),
        (changed(made_at=None), "moment"),
        (changed(outputs=None), "a list is missing"),
        (changed(outputs=[{"index": -1, "name": "x", "content_type": None, "size": 1}]), "-1"),
        (changed(outputs=[{"index": 0}]), "is missing"),
        (changed(landed=[{**LANDED.to_json(), "sha256": "x"}]), "64 hex digits"),
        (changed(landed=[{**LANDED.to_json(), "size": "7"}]), "size"),
        (changed(landed=[{**LANDED.to_json(), "part": "exe"}]), "part"),
        (changed(landed=[None]), "an object"),
        (changed(text=["x"]), "Expected text"),
        (changed(usage=[1]), "usage"),
        (changed(elapsed_seconds="6"), "elapsed_seconds"),
        (changed(cost_usd="free"), "cost_usd"),
        (changed(cost_usd="NaN"), "cost_usd"),
        (changed(cost_usd="-1"), "cost_usd"),
        (changed(text="x" * MAX_BYTES), "more than"),
    ],
)
def test_what_is_no_card_of_these_inputs_is_refused_with_the_reason(body: bytes, why: str) -> None:
    with pytest.raises(NotACardError, match=why):
        ResultCard.from_bytes(body, KEY)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    ),
    st.sampled_from(sorted(json.loads(CARD.to_bytes()))),
)
def test_no_value_in_a_card_is_worse_than_a_miss(value: Any, name: str) -> None:
    try:
        found = ResultCard.from_bytes(changed(**{name: value}), KEY)
    except NotACardError:
        return
    assert found.is_of_age(found.made_at, None)


def test_names_from_a_card_are_plain_text() -> None:
    found = ResultCard.from_bytes(
        changed(outputs=[{"index": 0, "name": "a\n::group::b", "content_type": "x\x1b[0m", "size": 1}]), KEY
    )
    assert found.outputs[0].name.isprintable()
    assert "::group" not in found.outputs[0].name
    assert (found.outputs[0].content_type or "").isprintable()


def test_a_card_is_whole_only_if_each_output_is_somewhere() -> None:
    two = (*CARD.outputs, CardOutput(1, "1.png", "image/png", 7))
    assert CARD.is_whole
    assert not replace(CARD, outputs=two).is_whole
    assert replace(CARD, outputs=two, landed=(LANDED, replace(LANDED, output=1))).is_whole
    assert not replace(CARD, landed=()).is_whole
    assert not replace(CARD, outputs=()).is_whole
    assert ANSWER.is_whole
    assert not replace(ANSWER, text=" \n").is_whole
    assert not replace(ANSWER, finish_reason="length").is_whole


def test_age_counts_from_the_end_of_the_run_and_the_future_is_no_age() -> None:
    made = CARD.made_at
    assert CARD.is_of_age(made + 10, 11)
    assert not CARD.is_of_age(made + 10, 10)
    assert CARD.is_of_age(made + 1e9, None)
    assert CARD.is_of_age(made - 60, 10)  # clocks differ by a minute
    assert not CARD.is_of_age(made - 3600, None)


@pytest.mark.parametrize("name", ["", "../x", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_fingerprint_names_a_card(name: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        card_name(name)
