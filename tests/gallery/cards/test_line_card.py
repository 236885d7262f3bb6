"""The card of an item of a batch, and of a task of an export: what its line of the manifest says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.gallery.cards.line_card import ManifestOwner, line_card
from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.gallery.page import Card, CardState, Gallery, GalleryRun, Section
from tests.gallery.cards.made import FILE, RULES, instance, left
from tests.gallery.cards.test_run_card import HOSTILE

BATCH = instance("batch", Kind.BATCH)
EXPORT = instance("export", Kind.EXPORT)
RENDERED: dict[str, Any] = {
    "model": "owner/model",
    "parameters": {"steps": 30, "prompt": "of all"},
    "files": None,
    "inputs": [{"prompt": "one"}, {"id": "A-2", "parameters": {"prompt": "two"}}],
    "aws_conn_id": "to_s3",
    "s3_bucket": "bucket",
}
LINE: dict[str, Any] = {
    "item": 1,
    "id": "SKU-2",
    "data": {"shelf": "B"},
    "input_digest": "d",
    "input": {"parameters": {"prompt": "a lamp", "seed": 9}},
    "status": "succeeded",
    "wiro_task_id": "2222",
    "attempts": 1,
    "cost_usd": "0.00351",
    "elapsed_seconds": 6.0,
    "outputs": [{"index": 0, "name": "0.png", "content_type": "image/png", "size": 427, "url": None}],
    "text": None,
    "finish_reason": None,
    "usage": None,
    "files": [FILE],
}


def card(
    line: Any, *, owner: Any = BATCH, rendered: Any = RENDERED, place: str = "1", note: str = ""
) -> Card:
    values = left(rendered=rendered, wiro_task_url="https://wiro.ai/models/owner/model")
    return line_card(ManifestOwner.of("shots", owner, values), place, line, note, RULES)


def test_an_item_shows_its_own_inputs_with_those_of_the_batch_and_its_data() -> None:
    shown = card(LINE)

    assert (shown.id, shown.title, shown.state) == ("1", "SKU-2", CardState.SUCCEEDED)
    assert (shown.model, shown.prompt, shown.seed) == ("owner/model", "a lamp", "9")
    assert shown.parameters == (("shelf", "B"), ("steps", "30"))
    (media,) = shown.media
    assert media.url == "/wiro/media/shots/manual__2026-11-27T10%3A00%3A00%2B00%3A00/batch/-1/1/0"
    assert shown.links is not None
    assert shown.links["wiro"] == "https://wiro.ai/models/owner/model#task-2222"
    assert shown.code is not None
    assert '"prompt": "a lamp",' in shown.code
    assert '"steps": 30,' in shown.code
    assert 'label="SKU-2",' in shown.code


def test_an_item_of_an_earlier_version_s_manifest_shows_its_input_as_the_batch_was_given_it() -> None:
    line = {name: value for name, value in LINE.items() if name not in {"input", "id"}}

    assert card(line).prompt == "two"
    assert card({**line, "item": 0}).prompt == "one"
    assert card({**line, "item": 7}).prompt == "of all"
    assert card({**line, "item": 7}).code is None
    assert card(line, rendered=None).prompt is None


def test_an_item_without_a_name_has_its_number_from_one() -> None:
    assert card({**LINE, "id": None}).title == "Item 2"


def test_an_item_with_files_of_its_own_has_no_code_since_only_their_names_are_kept() -> None:
    own = {"parameters": {"prompt": "a lamp"}, "files": {"inputImage": ["a.png"]}}

    shown = card({**LINE, "input": own})

    assert shown.code is None
    assert ("inputImage", "a.png") in shown.parameters


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("succeeded", CardState.SUCCEEDED),
        ("reused", CardState.REUSED),
        ("failed", CardState.FAILED),
        ("not_run", CardState.NOT_RUN),
        ("a later one", CardState.NOT_RUN),
        (None, CardState.NOT_RUN),
    ],
)
def test_an_item_s_state_is_its_status(status: Any, state: CardState) -> None:
    assert card({**LINE, "status": status}).state is state


def test_a_failed_item_shows_its_error() -> None:
    shown = card({**LINE, "status": "failed", "error": "exit code 1", "files": [], "outputs": []})

    assert (shown.error, shown.media) == ("exit code 1", ())


def test_a_line_that_can_t_be_read_says_why() -> None:
    shown = card(None, note="It has 2,000,000 bytes.")

    assert (shown.title, shown.state, shown.error) == ("Item 2", CardState.NOT_RUN, "It has 2,000,000 bytes.")
    assert card(None, owner=EXPORT, place="b512").title == "Line at byte 512"


@pytest.mark.parametrize(
    ("wiro", "error", "state"),
    [
        ("succeeded", None, CardState.SUCCEEDED),
        ("succeeded", "its link is dead", CardState.FAILED),
        ("failed", None, CardState.FAILED),
        ("cancelled", None, CardState.CANCELLED),
        ("a later one", None, CardState.NOT_RUN),
    ],
)
def test_an_exported_task_shows_what_landed_and_what_went_wrong(
    wiro: str, error: str | None, state: CardState
) -> None:
    line = {
        "wiro_task_id": "2222",
        "model": "owner/model",
        "state": wiro,
        "files": [FILE],
        "text": "An answer.",
        "finish_reason": "stop",
        **({} if error is None else {"error": error}),
    }

    shown = card(line, owner=EXPORT, rendered={"aws_conn_id": "to_s3"}, place="b512")

    assert (shown.id, shown.title, shown.state, shown.error) == ("b512", "Wiro task 2222", state, error)
    assert (shown.text, shown.finish_reason, shown.code) == ("An answer.", "stop", None)
    assert str(shown.media[0].url).endswith("/export/-1/b512/0")


def test_without_a_connection_the_files_are_named_but_not_shown() -> None:
    (media,) = card(LINE, rendered=None).media

    assert (media.url, media.uri) == (None, FILE["uri"])
    assert "no longer knows by which connection" in media.note


@given(line=HOSTILE, rendered=HOSTILE, owner=st.sampled_from([BATCH, EXPORT]))
def test_whatever_a_line_is_it_is_a_card_of_plain_json(line: Any, rendered: Any, owner: Any) -> None:
    shown = card(
        line if isinstance(line, dict) else {"data": line},
        owner=owner,
        rendered=rendered if isinstance(rendered, dict) else None,
    )

    gallery = Gallery("d", (GalleryRun("r", "s", None, "/", (Section("b", "b", (shown,)),)),))
    json.dumps(gallery.to_json(), allow_nan=False, ensure_ascii=False).encode()


SURROGATE = "\ud800\0 <img src=x onerror=alert(1)>"


@pytest.mark.parametrize("name", ["id", "error", "text", "finish_reason", "wiro_task_id", "model"])
def test_text_that_utf_8_lacks_is_replaced(name: str) -> None:
    shown = card(
        {
            **LINE,
            name: SURROGATE,
            "data": {SURROGATE: SURROGATE},
            "files": [{**FILE, "name": SURROGATE, "uri": f"s3://bucket/{SURROGATE}"}],
        }
    )

    assert "? <img src=x onerror=alert(1)>" in json.dumps(shown.parameters)
    for one in (
        shown.title,
        shown.error,
        shown.text,
        shown.parameters[0][0],
        shown.media[0].name,
        shown.media[0].uri,
        shown.model,
        shown.code,
        shown.wiro_task_id,
    ):
        (one or "").encode()
