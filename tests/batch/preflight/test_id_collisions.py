"""Ids in keys: two items never get one key; what could is refused before anything is paid for."""

from __future__ import annotations

import random
import re
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.batch.inputs.items import Inputs
from airflow_provider_wiro.batch.preflight.collisions import check_ids_in_keys, check_item_keys
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.storage.object_keys import key_segment

if TYPE_CHECKING:
    from collections.abc import Sequence


def named(*ids: str | None) -> Inputs:
    items = [{"parameters": {"prompt": str(n)}, "id": one} for n, one in enumerate(ids)]
    return Inputs(items, model="owner/model", parameters=None, files=None, project_id=None)


def check(template: str, *ids: str | None) -> None:
    check_item_keys(template, len(ids))
    check_ids_in_keys(template, named(*ids))


@pytest.mark.parametrize(
    ("given", "segment"),
    [
        ("SKU-001", "SKU-001"),
        ("../x", "x"),
        ("a/b", "a-b"),
        ("a\\b", "a-b"),
        ("..", ""),
        ("🫖", "🫖"),
        ("CON", "CON_"),
        ("nul.png", "nul_.png"),
        ("trailing...", "trailing"),
        (".hidden", "hidden"),
        ("{name}", "name"),
        ("e\u0301", "é"),
        ("a\u200bb", "ab"),
        ("ü" * 200, "ü" * 100),
    ],
)
def test_an_id_becomes_one_part_of_a_key(given: str, segment: str) -> None:
    assert key_segment(given) == segment


@pytest.mark.parametrize(
    "ids",
    [("a/b", "a-b"), ("e\u0301", "\u00e9"), ("a b", "a  b"), ("x" * 150 + "🫖" * 20, "x" * 150 + "🫖" * 21)],
)
def test_two_ids_that_are_one_in_a_key_are_refused(ids: Sequence[str]) -> None:
    with pytest.raises(
        WiroUsageError, match=r"Item 1 \(.*\) and item 3 \(.*\) have the same id in their keys"
    ):
        check("x/{id}/{name}", "0", ids[0], "2", ids[1])
    check("x/{id}-{item}/{name}", *ids)
    check("x/{id}/{wiro_task_id}/{name}", *ids)


def test_ids_that_differ_in_case_only_are_two_keys_in_s3() -> None:
    check("{id}/{name}", "sku", "SKU")


@pytest.mark.parametrize("template", ["{id}/{name}", "{item}/{id}{suffix}"])
def test_an_item_without_an_id_is_refused_where_the_key_needs_it(template: str) -> None:
    with pytest.raises(WiroUsageError, match=r"Item 1 has no id, and s3_key has \{id\}"):
        check(template, "a", None)
    with pytest.raises(WiroUsageError, match=r"Nothing of the id '\.\.' of Item 0 \(\.\.\) may be in a key"):
        check(template, "..", "a")
    check("{item}/{name}", "a", None)


@pytest.mark.parametrize(
    "template",
    [
        "x/{name}-{id}",
        "x/{stem}{id}",
        "x/{index}{id}",
        "x/{index}0{id}/{name}",
        "x/{id}-{id}",
        "s3://b-{id}/{name}",
    ],
)
def test_a_template_in_which_an_id_can_be_read_in_two_ways_is_refused(template: str) -> None:
    with pytest.raises(WiroUsageError, match="outputs of two of the 2 items could have one key"):
        check_item_keys(template, 2)


@pytest.mark.parametrize(
    ("template", "ids"),
    [
        ("{id}-{index}{suffix}", ("a", "a-1.b")),
        ("{id}{suffix}", ("a", "a.png")),
        ("{id}-{name}", ("a", "a-b")),
        ("{id}{index}", ("a", "a1")),
        ("x/{id}{name}", ("a", "ab")),
        ("{id}-x-{stem}{suffix}", ("a", "a-x-b")),
    ],
)
def test_two_ids_that_can_meet_beside_what_follows_them_are_refused(
    template: str, ids: Sequence[str]
) -> None:
    with pytest.raises(WiroUsageError, match="so their outputs could have one key"):
        check(template, *ids)
    with pytest.raises(WiroUsageError, match="so their outputs could have one key"):
        check(template, *reversed(ids))


def test_each_of_two_items_is_named_beside_its_own_id() -> None:
    with pytest.raises(WiroUsageError, match=r"Item 0 \(a\) and item 1 \(a\.png\) have 'a' and 'a\.png' in"):
        check("{id}{suffix}", "a", "a.png")
    with pytest.raises(WiroUsageError, match=r"Item 0 \(a\.png\) and item 1 \(a\) have 'a\.png' and 'a' in"):
        check("{id}{suffix}", "a.png", "a")


@pytest.mark.parametrize(
    ("template", "ids"),
    [
        ("{id}-{index}{suffix}", ("SKU-1", "SKU-1-2", "SKU-10", "SKU")),
        ("{id}/{index}-{name}", ("a", "a-b", "a.png")),
        ("{id}{suffix}", ("a", "ab", "a-b")),
        ("{id}_{name}", ("a-1", "a-12", "a-1.b")),
        ("{index}-{id}{suffix}", ("a", "1-a")),
        ("{id}.png", ("a", "a.png")),
        ("s3://bucket/{model}/{id}/{name}", ("a", "b")),
    ],
)
def test_ids_that_cannot_meet_are_taken(template: str, ids: Sequence[str]) -> None:
    check(template, *ids)


TEMPLATES = [
    "{id}-{index}{suffix}",
    "{id}{suffix}",
    "{id}-{name}",
    "{id}{index}",
    "{index}-{id}{suffix}",
    "{id}.{stem}",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_no_two_ids_that_are_taken_ever_get_one_key(template: str) -> None:
    """Two ids and all short outputs of each: what is not refused has no key in common."""
    chance = random.Random(template)
    names = ["0", "1", "b", "a-b", "0.png", "b.a", "1-a", "a.1-b"]
    for _ in range(400):
        ids = ["".join(chance.choices("a1-.b", k=chance.randint(1, 5))) for _ in range(2)]
        try:
            check(template, *ids)
        except WiroUsageError:
            continue
        one, other = ({filled(template, id_, n, i) for n, i in product(names, range(12))} for id_ in ids)
        assert not one & other, ids


def filled(template: str, item_id: str, name: str, index: int) -> str:
    stem, dot, end = name.rpartition(".")
    values: dict[str, Any] = {"name": name, "index": index, "id": key_segment(item_id)}
    values |= {"stem": stem, "suffix": dot + end} if stem else {"stem": name, "suffix": ""}
    return re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), template)
