"""The manifest of an export's run is put together of its parts, as the state says, and of nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.export.manifest import ExportManifest
from airflow_provider_wiro.export.state import Part
from airflow_provider_wiro.storage.s3.put_object import OwnObjects

if TYPE_CHECKING:
    from pathlib import Path


def line(number: int) -> dict[str, Any]:
    return {"wiro_task_id": str(number), "files": []}


@pytest.fixture
def manifest(tmp_path: Path) -> ExportManifest:
    return ExportManifest(str(tmp_path / "out.jsonl"), str(tmp_path / "parts"), "run", OwnObjects())


def write(manifest: ExportManifest, *parts: Part) -> list[int]:
    """Write a manifest; return the tasks that it lists."""
    taken: list[int] = []
    uri = manifest.write(parts, lambda: None, lambda found: taken.append(int(found["wiro_task_id"])))
    if uri is None:
        return []
    with open(uri) as file:  # noqa: PTH123
        assert [int(json.loads(text)["wiro_task_id"]) for text in file] == taken
    return taken


def test_parts_come_in_their_order(manifest: ExportManifest) -> None:
    first, second = manifest.write_part([line(1), line(2)]), manifest.write_part([line(3)])
    assert write(manifest, Part(str(first)), Part(str(second))) == [1, 2, 3]


def test_a_chunk_without_lines_makes_no_part_and_no_lines_make_no_manifest(
    manifest: ExportManifest, tmp_path: Path
) -> None:
    assert manifest.write_part([]) is None
    assert write(manifest) == []
    assert list(tmp_path.iterdir()) == []


def test_lines_of_tasks_that_another_run_has_committed_are_left_out(manifest: ExportManifest) -> None:
    name = str(manifest.write_part([line(1), line(2), line(3)]))
    assert write(manifest, Part(name, frozenset({2}))) == [1, 3]


def test_parts_of_a_run_that_has_died_are_read_by_another_one(
    manifest: ExportManifest, tmp_path: Path
) -> None:
    name = str(manifest.write_part([line(1)]))
    other = ExportManifest(str(tmp_path / "other.jsonl"), str(tmp_path / "parts"), "next", OwnObjects())
    assert write(other, Part(name), Part(str(other.write_part([line(2)])))) == [1, 2]


def test_the_manifest_of_an_earlier_try_is_a_part_and_may_be_in_the_same_place(
    manifest: ExportManifest,
) -> None:
    uri = manifest.write([Part(str(manifest.write_part([line(1)])))], lambda: None)
    assert write(manifest, Part(str(uri)), Part(str(manifest.write_part([line(2)])))) == [1, 2]


def test_a_part_that_is_gone_is_said_and_does_not_stop_the_export(
    manifest: ExportManifest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = str(manifest.write_part([line(1)]))
    (tmp_path / "parts" / name).unlink()
    assert write(manifest, Part(name), Part(str(manifest.write_part([line(2)])))) == [2]
    assert f"{name} is gone" in caplog.text


def test_parts_are_deleted_and_a_manifest_among_them_is_not(manifest: ExportManifest, tmp_path: Path) -> None:
    name = str(manifest.write_part([line(1)]))
    uri = manifest.write([Part(name)], lambda: None)
    manifest.delete([Part(str(uri)), Part(name)])
    assert [path.name for path in (tmp_path / "parts").iterdir()] == []
    assert (tmp_path / "out.jsonl").exists()


def test_a_place_that_can_not_be_written_is_an_error_of_records(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    manifest = ExportManifest(str(tmp_path / "out.jsonl"), str(tmp_path / "file"), "run", OwnObjects())
    with pytest.raises(WiroRecordError, match="a part of the export's manifest"):
        manifest.write_part([line(1)])


def test_nothing_local_stays_behind(
    manifest: ExportManifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    name = str(manifest.write_part([line(1)]))

    def stop() -> None:
        raise KeyboardInterrupt

    manifest.write([Part(name)], lambda: None)
    with pytest.raises(KeyboardInterrupt):
        manifest.write([Part(name)], stop)
    assert list(scratch.iterdir()) == []


def test_the_manifest_of_a_run_that_was_taken_over_does_not_list_its_tasks_as_well(
    manifest: ExportManifest, tmp_path: Path
) -> None:
    other = ExportManifest(str(tmp_path / "other.jsonl"), str(tmp_path / "parts"), "dead", OwnObjects())
    theirs = Part(str(other.write([Part(str(other.write_part([line(1)])))], lambda: None)))
    own = Part(str(manifest.write_part([line(2)])))
    assert write(manifest, theirs, own) == [1, 2]
    manifest.delete([theirs, own])
    assert not (tmp_path / "other.jsonl").exists()
    manifest.delete([Part(manifest.uri)])
    assert (tmp_path / "out.jsonl").exists()


def test_a_task_is_listed_once_where_its_part_is_in_a_manifest_already(manifest: ExportManifest) -> None:
    part = Part(str(manifest.write_part([line(2), line(3)])))
    uri = manifest.write([Part(str(manifest.write_part([line(1)]))), part], lambda: None)
    assert write(manifest, Part(str(uri)), part, Part(str(manifest.write_part([line(4)])))) == [1, 2, 3, 4]


def test_what_another_run_lists_meanwhile_is_listed_here_no_more(
    manifest: ExportManifest, tmp_path: Path
) -> None:
    """Unless it continues a manifest, which the other run may not have read yet."""
    part = Part(str(manifest.write_part([line(1)])))
    uri = manifest.write([part], lambda: None)
    assert write(manifest) == []
    assert not (tmp_path / "out.jsonl").exists()
    manifest.write([part], lambda: None)
    manifest.write([Part(str(uri)), part], lambda: None)
    assert write(manifest) == []
    assert (tmp_path / "out.jsonl").exists()
