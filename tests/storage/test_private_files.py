"""What holds prompts is readable for its owner only, from its first moment."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.recovery.record_store import FileRecordStore
from airflow_provider_wiro.recovery.run_record import RunRecord
from airflow_provider_wiro.recovery.sending import Sending
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.storage.private_files import open_in_folder, open_private, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_private_before_anything_is_written(tmp_path: Path) -> None:
    with open_private(tmp_path / "x", "xb"):
        assert mode(tmp_path / "x") == 0o600


def test_a_file_in_a_folder_that_exists_is_private(tmp_path: Path) -> None:
    with open_in_folder(tmp_path / "x"):
        assert mode(tmp_path / "x") == 0o600


def test_what_replaces_an_open_file_is_private(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    assert mode(tmp_path / "x") == 0o666
    with replacing(tmp_path / "x") as file:
        file.write(b"new")
        assert [mode(found) for found in tmp_path.iterdir() if found.name != "x"] == [0o600]
    assert ((tmp_path / "x").read_bytes(), mode(tmp_path / "x")) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "x"):
        raise RuntimeError
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("x", b"old")]


def test_parts_and_manifests_of_a_batch_are_private(tmp_path: Path) -> None:
    place = open_folder(f"{tmp_path}/parts")
    place.write("1.jsonl", b"{}")
    (tmp_path / "source").write_bytes(b"{}")
    place.upload("manifest.jsonl", tmp_path / "source")
    assert {mode(found) for found in (tmp_path / "parts").iterdir()} == {0o600}


def test_a_runs_record_is_private_wherever_it_is_kept(tmp_path: Path) -> None:
    FileRecordStore(f"{tmp_path}/1.json").write(RunRecord("fingerprint", Sending(1.0), 0, 1))
    assert [mode(found) for found in tmp_path.iterdir()] == [0o600]
