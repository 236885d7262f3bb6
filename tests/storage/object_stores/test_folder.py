"""A folder in Google Cloud Storage or Azure keeps its files, and no swap overwrites another writer's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.storage.open_folder import open_folder

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.storage.folder import Folder
    from tests.storage.object_stores.object_store import Store

MIB = 1024 * 1024


@pytest.fixture
def folder(object_store: Store) -> Folder:
    return open_folder(object_store.uri("state/of a dag"))


def test_what_is_written_is_read_and_nothing_is_none(folder: Folder) -> None:
    assert folder.read("a.json") is None
    folder.write("a.json", b"{}")
    folder.write("a.json", b"[]")
    assert folder.read("a.json") == b"[]"
    assert folder.read("a.json", 1) == b"["
    folder.write("empty", b"")
    assert folder.read("empty") == b""
    assert folder.read("empty", 10) == b""


def test_its_objects_say_what_they_are(folder: Folder, object_store: Store) -> None:
    folder.write("a.json", b"{}")
    folder.write("a.jsonl", b"{}\n")
    assert object_store.get("state/of a dag/a.json").content_type == "application/json"
    assert "json" in object_store.get("state/of a dag/a.jsonl").content_type


def test_names_are_those_that_are_there_now_whoever_changed_them(folder: Folder, object_store: Store) -> None:
    assert folder.names() == set()
    folder.write("a", b"1")
    folder.write("b", b"2")
    assert folder.names() == {"a", "b"}
    object_store.put("state/of a dag/c", b"another process's")
    object_store.delete("state/of a dag/a")
    assert folder.names() == {"b", "c"}
    assert folder.read("a") is None


def test_a_file_is_deleted_if_it_is_there(folder: Folder) -> None:
    folder.delete("a")
    folder.write("a", b"1")
    folder.delete("a")
    assert folder.read("a") is None


def test_a_swap_happens_only_if_nothing_has_changed(folder: Folder) -> None:
    assert folder.compare_and_swap("a", b"1", None)
    assert not folder.compare_and_swap("a", b"2", None)
    assert folder.compare_and_swap("a", b"2", b"1")
    assert not folder.compare_and_swap("a", b"3", b"1")
    assert folder.compare_and_swap("a", b"2", b"1")  # it holds that already
    assert not folder.compare_and_swap("b", b"1", b"0")
    assert folder.read("a") == b"2"


@pytest.mark.parametrize("before", [None, b"0"])
def test_of_many_swaps_at_once_one_succeeds(folder: Folder, before: bytes | None) -> None:
    if before is not None:
        folder.write("a", before)
    all_at_once = threading.Barrier(8, timeout=20)
    results: dict[bytes, Any] = {}

    def swap(body: bytes) -> None:
        all_at_once.wait()
        results[body] = folder.compare_and_swap("a", body, before)

    threads = [threading.Thread(target=swap, args=(b"%d" % (number + 1),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    [swapped] = [body for body, is_mine in results.items() if is_mine]
    assert folder.read("a") == swapped


@pytest.mark.parametrize("size", [0, 1000, 8 * MIB, 17 * MIB + 3])
def test_a_file_of_any_size_is_copied_there_and_back(folder: Folder, tmp_path: Path, size: int) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes((bytes(range(256)) * (size // 256 + 1))[:size])
    folder.upload("results.jsonl", there)
    folder.download("results.jsonl", back)
    assert back.read_bytes() == there.read_bytes()


def test_a_file_that_is_not_there_is_not_downloaded(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        folder.download("a", tmp_path / "a")
