"""A local folder swaps a file for one writer only, and keeps what a crash interrupts."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.storage.local_folder import LocalFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("count", [2, 8])
def test_of_simultaneous_swaps_each_sees_the_one_before(tmp_path: Path, count: int) -> None:
    def add(number: int) -> None:
        folder = LocalFolder(str(tmp_path))
        while True:
            found = folder.read("numbers")
            if folder.compare_and_swap("numbers", (found or b"") + f"{number} ".encode(), found):
                return

    with ThreadPoolExecutor(count) as executor:
        list(executor.map(add, range(5 * count)))

    assert sorted(map(int, (tmp_path / "numbers").read_text().split())) == list(range(5 * count))
    assert [path.name for path in tmp_path.iterdir()] == ["numbers"]


def test_of_simultaneous_first_writers_one_wins(tmp_path: Path) -> None:
    def create(number: int) -> bool:
        return LocalFolder(str(tmp_path / "new")).compare_and_swap("head", str(number).encode(), None)

    with ThreadPoolExecutor(8) as executor:
        won = list(executor.map(create, range(8)))

    assert won.count(True) == 1
    assert (tmp_path / "new" / "head").read_bytes() == str(won.index(True)).encode()


def test_a_swap_waits_for_the_lock_and_then_reads_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock that it waited for is that of a file which is no longer there."""
    folder = LocalFolder(str(tmp_path))
    folder.write("head", b"1")
    replaced: list[Any] = []

    def replace_first(*_: object) -> None:
        if not replaced:
            replaced.append(True)
            LocalFolder(str(tmp_path)).write("head", b"theirs")

    monkeypatch.setattr("fcntl.flock", replace_first)

    assert not folder.compare_and_swap("head", b"mine", b"1")
    assert folder.read("head") == b"theirs"


@pytest.mark.parametrize("missing", ["fcntl.flock", "os.link"])
def test_a_file_system_without_locks_or_links_swaps_as_well_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(missing, unsupported)
    folder = LocalFolder(str(tmp_path))

    assert folder.compare_and_swap("head", b"1", None)
    assert not folder.compare_and_swap("head", b"2", None)
    assert folder.compare_and_swap("head", b"2", b"1")
    assert not folder.compare_and_swap("head", b"3", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["head"]


def test_a_write_that_fails_leaves_the_current_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = LocalFolder(str(tmp_path))
    folder.write("head", b"1")

    def disk_full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    for write in (
        lambda: folder.write("head", b"2"),
        lambda: folder.compare_and_swap("head", b"2", b"1"),
        lambda: folder.compare_and_swap("other", b"2", None),
    ):
        with pytest.raises(OSError, match="No space left"):
            write()

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("head", b"1")]


def test_a_rename_is_on_disk_before_a_write_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, (tmp_path / "head").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    LocalFolder(str(tmp_path)).write("head", b"1")

    assert [is_renamed for _, is_renamed in synced] == [False, True]
    assert synced[1][0] == tmp_path.stat().st_ino


def test_a_file_system_that_cannot_sync_a_folder_takes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def only_files(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    folder = LocalFolder(str(tmp_path))
    folder.write("head", b"1")

    assert folder.read("head") == b"1"
