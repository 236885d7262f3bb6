"""A path or URI that could mean another file is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.input_files.resolve import resolve_file
from tests.input_files.object_storage import attach_memory, storage_path


@pytest.mark.parametrize("source", ["cat.png", "./cat.png", "~/cat.png", Path("cat.png")])
def test_a_relative_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any) -> None:
    (tmp_path / "cat.png").write_bytes(b"a cat")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WiroUsageError, match="Expected a file by its absolute path"):
        resolve_file(source)


@pytest.mark.parametrize(
    "uri",
    [
        "file:///{root}/cat.png",
        "file://localhost{root}/cat.png",
        "memory://{root}/cat.png::/x",
        "memory://{root}/cat.png?version=1",
        "simplecache::file://{root}/cat.png",
    ],
)
def test_a_uri_that_its_store_would_read_as_another_one_is_refused(tmp_path: Path, uri: str) -> None:
    attach_memory()
    (tmp_path / "cat.png").write_bytes(b"a cat")
    storage_path(f"memory://{tmp_path}/cat.png").write_bytes(b"a cat")
    with pytest.raises(WiroUsageError, match="Expected a file"):
        resolve_file(uri.format(root=tmp_path))


def test_an_airflow_path_with_chained_protocols_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"a cat")
    # Airflow 3.1 and later would open cat.png; before, there is no file of this name.
    with pytest.raises(WiroUsageError, match=r"Expected a file (to name one place|at )"):
        resolve_file(storage_path(f"file://{tmp_path}/cat.png::/x"))
