"""An item with an id and data of its own: what it is read as, and what is refused because it isn't clear."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_wiro.batch.inputs.item_form import own_input
from airflow_provider_wiro.batch.inputs.items import Inputs
from airflow_provider_wiro.exceptions import WiroUsageError


def opened(given: Any, **settings: Any) -> Inputs:
    defaults: dict[str, Any] = {"model": "owner/model", "parameters": None, "files": None, "project_id": None}
    return Inputs(given, **{**defaults, **settings})


def test_an_item_has_an_id_and_data_beside_what_is_sent() -> None:
    own = own_input(
        {
            "id": "SKU-001",
            "parameters": {"prompt": "a teapot"},
            "files": {"inputImage": "https://example.com/1.png"},
            "data": {"shelf": 7},
        }
    )
    assert (own.id, own.parameters, own.data) == ("SKU-001", {"prompt": "a teapot"}, {"shelf": 7})
    assert own.files == {"inputImage": "https://example.com/1.png"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"prompt": "a", "id": 5}, {"prompt": "a", "id": 5}),
        ({"prompt": "a", "data": {"x": 1}}, {"prompt": "a", "data": {"x": 1}}),
        ({"parameters": {"id": 5, "data": "x"}}, {"id": 5, "data": "x"}),
        ({"id": "a", "parameters": {}}, {}),
        ({"id": "a", "parameters": None, "files": {}}, {}),
        ({}, {}),
    ],
)
def test_a_parameter_that_is_called_id_or_data_is_sent(given: Any, sent: Any) -> None:
    assert own_input(given).parameters == sent


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"id": "SKU-1"}, 'found only \'id\'. Expected "parameters" or "files" beside it'),
        ({"id": "SKU-1", "data": {}}, "found only 'id' and 'data'"),
        ({"data": {"x": 1}}, "found only 'data'"),
        ({"id": "a", "parameters": [1]}, "Expected its `parameters` as a dict, found list"),
        ({"id": "a", "files": "x"}, "Expected its `files` as a dict, found str"),
        ({"id": "a", "prompt": "b", "parameters": {}}, "found 'parameters' beside 'id'"),
        ({"id": "", "parameters": {}}, "Expected its id as text, found an empty one"),
        ({"id": "  ", "parameters": {}}, "found an empty one"),
        ({"id": 1.5, "parameters": {}}, "Expected its id as text or a whole number, found float '1.5'"),
        ({"id": True, "parameters": {}}, "found bool 'True'"),
        ({"id": ["a"], "parameters": {}}, r"found list \"\['a'\]\""),
        ({"id": 10**5000, "parameters": {}}, "found one of more than 200 digits"),
        ({"id": float("nan"), "parameters": {}}, "found float 'nan'"),
        ({"id": "x" * 500, "parameters": {}}, "at most 200 characters, found 500"),
        ({"id": "a\nb", "parameters": {}}, r"without line breaks .*found 'a\\nb'"),
        ({"id": "a\u2028b", "parameters": {}}, "without line breaks"),
        ({"id": "a\ud800", "parameters": {}}, "without line breaks"),
        ({"parameters": {}, "data": [1]}, "Expected its `data` as a dict, found list"),
        ({"parameters": {}, "data": {"x": float("nan")}}, "Expected its `data` as JSON can write it"),
        ({"parameters": {}, "data": {"x": object()}}, "Expected its `data` as JSON can write it"),
        ({"parameters": {}, "data": {"x": "\ud800"}}, "Expected its `data` as JSON can write it"),
        ({"parameters": {}, "data": {"x": "y" * 65_536}}, "at most 65,536 bytes as JSON, found 65,545"),
        (("SKU-1", "a teapot"), r"A row needs the names of its columns: return dicts"),
        ([{"prompt": "a"}], "Put the items of all lists into one list"),
    ],
)
def test_what_is_not_clear_is_refused_before_anything_is_paid(given: Any, message: str) -> None:
    with pytest.raises(WiroUsageError, match=message):
        opened([given])


@pytest.mark.parametrize(
    ("given", "id_"), [("007", "007"), (7, "7"), ("a/b", "a/b"), ("🫖", "🫖"), (" x ", " x ")]
)
def test_an_id_is_text_as_it_was_given(given: Any, id_: str) -> None:
    assert own_input({"id": given, "parameters": {}}).id == id_


@pytest.mark.parametrize(
    "given",
    [Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), float("nan"), float("inf"), Decimal("1.5")],
    ids=str,
)
def test_a_number_that_is_not_whole_is_no_id(given: Any) -> None:
    with pytest.raises(WiroUsageError, match="Expected its id as text or a whole number, found"):
        own_input({"id": given, "parameters": {}})
    assert own_input({"id": Decimal("7.0"), "parameters": {}}).id == "7"


@pytest.mark.parametrize(("one", "other"), [("a", "a"), (7, "7")])
def test_two_items_with_one_id_are_refused_by_their_numbers(one: Any, other: Any) -> None:
    items = [{"id": one, "parameters": {}}, {"parameters": {}}, {"id": other, "parameters": {}}]
    with pytest.raises(WiroUsageError, match="Item 0 and item 2 of inputs have the same id"):
        opened(items)
    with pytest.raises(WiroUsageError, match="have the same id"):
        opened(items, keeps_bad=True)


def test_one_of_thousands_of_ids_that_comes_twice_is_found() -> None:
    items = [{"id": f"SKU-{number:06}", "parameters": {}} for number in range(5000)]
    assert all(opened(items).ids())
    with pytest.raises(
        WiroUsageError, match="Item 4321 and item 5000 of inputs have the same id 'SKU-004321'"
    ):
        opened([*items, items[4321]])


def test_an_item_is_called_by_its_id_and_its_line(tmp_path: Any) -> None:
    path = tmp_path / "inputs.jsonl"
    path.write_text('{"prompt": "a"}\n\n{"id": "SKU-001", "parameters": {"prompt": "b"}}')
    with opened(str(path)) as inputs:
        assert [inputs.name(0), inputs.name(1)] == ["Item 0 (line 1)", "Item 1 (SKU-001, line 3)"]
        assert list(inputs.ids()) == [None, "SKU-001"]
    listed = opened([{"id": "a", "parameters": {}}])
    assert listed.name(0) == "Item 0 (a)"


def test_a_run_is_the_same_whatever_it_is_called() -> None:
    """A new name or new data doesn't make a retry pay again."""
    plain = {"prompt": "a"}
    named = {"id": "x", "parameters": plain, "data": {"n": 1}}
    assert list(opened([plain]).fingerprints()) == list(opened([named]).fingerprints())
    assert opened([named]).fingerprint == opened([{**named, "data": {"n": 2}}]).fingerprint
    assert opened([named]).fingerprint != opened([{**named, "id": "y"}]).fingerprint
    assert opened([named]).fingerprint != opened([plain]).fingerprint


def test_a_batch_that_an_earlier_version_began_continues() -> None:
    """Digests that the version before ids computed."""
    assert opened([{"a": 1}, {"a": 2}]).fingerprint == WHOLE_BEFORE
    assert next(opened([{"a": 1}]).fingerprints()) == ITEM_BEFORE


def test_secrets_among_the_data_stay_out_of_the_manifest() -> None:
    data = {
        "password": "correct horse",
        "page": "https://shop.example/p?id=5",
        "note": "say correct horse",
        "n": 1,
    }
    [names] = [opened([{"parameters": {}, "data": data}]).names_of(0)]
    assert names == {
        "data": {"password": "***", "page": "https://shop.example/p?id=5", "note": "say ***", "n": 1}
    }


def test_data_may_not_name_more_than_parameters_and_files_do() -> None:
    """What it holds is never opened, so it may hold anything."""
    from airflow_provider_wiro.batch.inputs.data_trust import DataTrust

    item = {
        "id": "a",
        "parameters": {"prompt": "x"},
        "data": {"callbackUrl": "https://x", "f": "/etc/passwd"},
    }
    opened([item], trust=DataTrust()).check_files()
    with pytest.raises(WiroUsageError, match=r"Item 0 \(a\) of inputs: Parameter 'callbackUrl' says who is"):
        opened([{"id": "a", "parameters": item["data"]}], trust=DataTrust()).check_files()


WHOLE_BEFORE = "c092ba83f955e35b31754655dfe9a9e89682b27793b3cc1c8b3a2dbba990c86a"
ITEM_BEFORE = "115c593b25d436ade6b2af8c2e0d1ea4"
