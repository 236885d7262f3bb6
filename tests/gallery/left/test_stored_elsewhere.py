"""XComs that a custom backend keeps: read only from the task instance's own folder, and as plain JSON."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.gallery.left.rows import InstanceKey
from airflow_provider_wiro.gallery.left.stored_elsewhere import read_stored

if TYPE_CHECKING:
    from pathlib import Path

PLACE = InstanceKey("manual__1", "generate", 3)
LONGEST = 10_000
BACKEND = "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend"


def read(value: Any, key: str = "return_value") -> tuple[Any, str]:
    return read_stored(value, "shots", PLACE, key, LONGEST)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that Airflow's backend for object storage has for the task instance."""
    monkeypatch.setenv("AIRFLOW__CORE__XCOM_BACKEND", BACKEND)
    monkeypatch.setenv("AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH", f"file://{tmp_path}/xcoms")
    own = tmp_path / "xcoms" / "shots" / "manual__1" / "generate"
    own.mkdir(parents=True)
    return own


@pytest.mark.parametrize("value", [{"a": 1}, "a text", "https://wiro.ai/", None])
def test_without_a_backend_the_value_is_what_the_database_has(value: Any) -> None:
    assert read(value) == (value, "")


def test_what_the_backend_for_object_storage_keeps_is_read(folder: Path) -> None:
    (folder / "a.json").write_text(json.dumps({"wiro_task_id": "2221"}))
    with gzip.open(folder / "b.json.gz", "wb") as file:
        file.write(b'{"wiro_task_id": "2222"}')

    assert read(f"file://{folder}/a.json") == ({"wiro_task_id": "2221"}, "")
    assert read(f"file://{folder}/b.json.gz") == ({"wiro_task_id": "2222"}, "")


def test_small_values_and_links_are_in_the_database_there_too(folder: Path) -> None:
    assert read({"a": 1}) == ({"a": 1}, "")
    assert read("https://wiro.ai/", "wiro_task_url") == ("https://wiro.ai/", "")


def test_a_reference_to_another_task_s_value_is_not_followed(folder: Path) -> None:
    other = folder.parents[1] / "other" / "secret.json"
    other.parent.mkdir()
    other.write_text('"secret"')

    for reference in (
        f"{folder.parents[1]}/other/secret.json",
        f"{folder}/../../other/secret.json",
        f"{folder}/..",
    ):
        value, note = read(f"file://{reference}")
        assert value is None
        assert note == "It is kept outside of the folder that the XCom backend has for this task."
    assert read("file:///etc/passwd") == ("file:///etc/passwd", "")


def test_what_names_a_class_is_no_object_of_it(folder: Path) -> None:
    wrapped = {"__classname__": "builtins.set", "__version__": 1, "__data__": [1]}
    (folder / "a.json").write_text(json.dumps(wrapped))

    assert read(f"file://{folder}/a.json") == (wrapped, "")


def test_what_is_too_large_or_gone_is_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "large.json").write_text(json.dumps("x" * LONGEST))
    with gzip.open(folder / "bomb.json.gz", "wb") as file:
        file.write(b" " * 10_000_000)

    assert read(f"file://{folder}/large.json") == (None, "It is too large for this page.")
    assert read(f"file://{folder}/bomb.json.gz") == (None, "It is too large for this page.")
    value, note = read(f"file://{folder}/gone.json")
    assert value is None
    assert note.startswith("It can't be read from where the XCom backend keeps it")
    assert "An XCom of task generate can't be read from its backend" in caplog.text


def test_of_any_other_backend_a_reference_is_named_and_a_link_is_a_link(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__XCOM_BACKEND", "shop.xcoms.Backend")

    assert read("vault://x") == (
        None,
        "The XCom backend shop.xcoms.Backend keeps it, which this page doesn't read.",
    )
    assert read("https://wiro.ai/", "wiro_task_url") == ("https://wiro.ai/", "")
    assert read({"a": 1}) == ({"a": 1}, "")
