"""Small texts by key: kept apart, and swapped only for the expected one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.storage.key_value import FolderKeys, KeyValueStore, TaskStateKeys
from airflow_provider_wiro.storage.open_folder import open_folder
from tests.operators.fakes import DictStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["task state", "folder"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> KeyValueStore:
    if request.param == "task state":
        return TaskStateKeys(DictStore(), prefix="wiro_")
    return FolderKeys(open_folder(f"{tmp_path}/a"), suffix=".txt")


def test_a_text_is_read_as_it_was_written_until_it_is_deleted(keys: KeyValueStore) -> None:
    assert keys.get("a") is None
    keys.put("a", "é\n")
    keys.put("b", "2")
    assert keys.get("a") == "é\n"
    keys.delete("a")
    keys.delete("a")
    assert keys.get("a") is None
    assert keys.get("b") == "2"


def test_a_text_is_swapped_only_for_the_expected_one(keys: KeyValueStore) -> None:
    assert keys.compare_and_swap("a", "1", None)
    assert not keys.compare_and_swap("a", "2", None)
    assert not keys.compare_and_swap("a", "2", "0")
    assert keys.compare_and_swap("a", "2", "1")
    assert keys.compare_and_swap("a", "2", "1"), "it is stored already"
    assert not keys.compare_and_swap("b", "2", "1")
    assert keys.get("a") == "2"


def test_keys_stand_under_their_prefix_or_suffix(tmp_path: Path) -> None:
    store = DictStore()
    TaskStateKeys(store, prefix="wiro_").put("a", "1")
    FolderKeys(open_folder(str(tmp_path)), suffix=".json").put("a", "1")
    assert store.values == {"wiro_a": '"1"'}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_json_is_stored_as_the_value_that_it_stands_for() -> None:
    store = DictStore()
    keys = TaskStateKeys(store, is_json=True)
    keys.put("wiro_run", '{"a": 1}')
    assert store.get("wiro_run") == {"a": 1}
    assert keys.get("wiro_run") == '{"a": 1}'


def test_a_value_that_is_no_text_is_an_error_that_names_its_key() -> None:
    store = DictStore()
    store.set("wiro_a", [1])
    with pytest.raises(WiroOrphanedRunError, match=r"at wiro_a in Airflow's task state store, found '\[1\]'"):
        TaskStateKeys(store, prefix="wiro_").get("a")
