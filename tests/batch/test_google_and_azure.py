"""A batch keeps its journal, its results and its cards in Google Cloud Storage or Azure as it does in S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.batch.batch_work import prompts

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.storage.object_stores.object_store import Store


@pytest.fixture
def settings(work: BatchWork, object_store: Store) -> dict[str, str]:
    work.settings = {
        "state_path": object_store.uri("state"),
        "manifest_uri": object_store.uri("results/manifest.jsonl"),
    }
    return work.settings


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
def test_a_batch_runs_and_its_results_are_there(
    work: BatchWork, object_store: Store, deferrable: bool
) -> None:
    inputs = prompts(5)
    summary = work.run(inputs, deferrable=deferrable)
    assert (summary["succeeded"], summary["failed"]) == (5, 0)
    manifest = object_store.get("results/manifest.jsonl").body.splitlines()
    assert [json.loads(line)["status"] for line in manifest] == ["succeeded"] * 5
    assert any(key.startswith("state/") and ".batch/" in key for key in object_store.keys)


@pytest.mark.usefixtures("settings")
def test_another_try_continues_by_the_journal_and_starts_nothing_again(
    work: BatchWork, object_store: Store
) -> None:
    inputs = prompts(4)
    first = work.run(inputs)
    object_store.delete("results/manifest.jsonl")
    work.retry()
    assert work.run(inputs)["succeeded"] == first["succeeded"] == 4
    assert work.started_once(inputs)


@pytest.mark.usefixtures("settings")
def test_inputs_are_read_there_and_results_fed_back(work: BatchWork, object_store: Store) -> None:
    lines = "".join(json.dumps(item) + "\n" for item in prompts(3))
    object_store.put("in/items.jsonl", lines.encode())
    assert work.run(object_store.uri("in/items.jsonl"))["succeeded"] == 3


def test_cards_of_one_batch_are_found_by_the_next(work: BatchWork, object_store: Store) -> None:
    work.settings = {"reuse_results": object_store.uri("cards"), "state_path": object_store.uri("state")}
    inputs = prompts(2)
    work.run(inputs)
    work.clear()
    summary = work.run(inputs)
    assert summary["succeeded"] == 2
