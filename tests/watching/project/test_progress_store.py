"""Where a trigger's progress is kept, and whose it continues from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.task_history.position import Position
from airflow_provider_wiro.watching.project.progress import Progress
from airflow_provider_wiro.watching.project.progress_store import (
    AssetStateProgress,
    FolderProgress,
    NoProgress,
    find_store,
    identity_of,
)

if TYPE_CHECKING:
    from pathlib import Path

ADDRESS = "https://api.wiro.ai/v1"


class FakeAssetStore:
    """Airflow's accessor of one asset's state."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str) -> Any:
        return self.values.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = value


class FakeAccessors:
    """What Airflow 3.3 gives an event trigger."""

    def __init__(self, *names: str) -> None:
        self._by_name = {name: FakeAssetStore() for name in names}


def files_in(path: Path) -> set[str]:
    return {file.name for file in path.iterdir()}


def at(high: int, *open_ids: int) -> Progress:
    return Progress(Position(high), set(open_ids))


def folder(path: Path, trigger_id: int, identity: str = "conn-1") -> FolderProgress:
    return FolderProgress(str(path), identity, trigger_id)


async def test_a_folder_keeps_each_rows_progress_apart(tmp_path: Path) -> None:
    await folder(tmp_path, 1).save(at(10, 3), ADDRESS)
    await folder(tmp_path, 2).save(at(10), ADDRESS)

    assert await folder(tmp_path, 1).load(ADDRESS) == at(10, 3)
    assert await folder(tmp_path, 2).load(ADDRESS) == at(10)


async def test_a_row_that_is_new_after_a_pause_continues_where_the_furthest_equal_one_was(
    tmp_path: Path,
) -> None:
    await folder(tmp_path, 1).save(at(10, 3), ADDRESS)
    await folder(tmp_path, 2).save(at(20, 4), ADDRESS)
    await folder(tmp_path, 3, "conn-2").save(at(30), ADDRESS)

    assert await folder(tmp_path, 4).load(ADDRESS) == at(20, 4)


async def test_of_rows_that_have_seen_the_same_the_one_that_has_fired_more_is_continued(
    tmp_path: Path,
) -> None:
    await folder(tmp_path, 1).save(at(20, 18, 19), ADDRESS)  # replaced, by an edit, before it fired these
    await folder(tmp_path, 2).save(at(20), ADDRESS)

    assert await folder(tmp_path, 3).load(ADDRESS) == at(20)


async def test_what_a_row_has_now_is_its_own_progress_and_never_that_of_an_equal_row(tmp_path: Path) -> None:
    await folder(tmp_path, 1).save(at(20, 4), ADDRESS)

    assert await folder(tmp_path, 1).own(ADDRESS) == [at(20, 4)]
    assert await folder(tmp_path, 2).own(ADDRESS) == []


async def test_a_first_trigger_finds_no_progress(tmp_path: Path) -> None:
    assert await folder(tmp_path / "none", 1).load(ADDRESS) is None


async def test_files_of_rows_that_are_gone_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(30):
        await folder(tmp_path, number).save(at(number), ADDRESS)
    await folder(tmp_path, 100).load(ADDRESS)

    left = files_in(tmp_path)
    assert len(left) == 20
    assert "conn-1-29.json" in left


async def test_a_file_that_can_not_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "conn-1-1.json").write_text("rubbish")

    with pytest.raises(WiroRecordError):
        await folder(tmp_path, 1).load(ADDRESS)


async def test_progress_is_kept_with_all_assets_of_a_trigger_and_continues_at_the_furthest() -> None:
    assets = {"one": FakeAssetStore(), "other": FakeAssetStore()}
    store = AssetStateProgress(assets, "conn-1")
    await store.save(at(10), ADDRESS)
    assert assets["one"].values == assets["other"].values
    await AssetStateProgress({"one": assets["one"]}, "conn-1").save(at(20), ADDRESS)

    assert await store.load(ADDRESS) == at(20)
    assert await AssetStateProgress(assets, "conn-2").load(ADDRESS) is None


async def test_an_asset_that_another_trigger_serves_by_now_does_not_speak_for_the_others() -> None:
    assets = {"one": FakeAssetStore(), "other": FakeAssetStore()}
    store = AssetStateProgress(assets, "conn-1")
    assert await store.own(ADDRESS) == []
    await AssetStateProgress({"other": assets["other"]}, "conn-1").save(at(20), ADDRESS)
    assert await store.own(ADDRESS) == []
    await store.save(at(20, 19), ADDRESS)
    await AssetStateProgress({"other": assets["other"]}, "conn-1").save(at(20), ADDRESS)

    assert await store.own(ADDRESS) == [at(20, 19), at(20)]


def store_of(accessors: Any = None, state_path: str | None = None) -> Any:
    return find_store(state_path=state_path, asset_state_store=accessors, identity="conn-1", trigger_id=7)


def test_the_asset_state_store_is_used_where_airflow_has_one() -> None:
    assert isinstance(store_of(FakeAccessors("a")), AssetStateProgress)


def test_a_state_path_comes_before_it(tmp_path: Path) -> None:
    store = store_of(FakeAccessors("a"), str(tmp_path))

    assert isinstance(store, FolderProgress)
    assert store.location == f"{tmp_path}/~watchers"


def test_without_a_store_the_configured_folder_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__WIRO__ENVIRONMENT", "staging")

    assert store_of().location == f"{tmp_path}/staging/~watchers"


def test_without_any_place_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")

    assert isinstance(store_of(), NoProgress)


def test_triggers_that_wait_for_the_same_have_the_same_identity() -> None:
    one = identity_of("wiro", models=["a/b"], project_id=None)

    assert one == identity_of("wiro", project_id=None, models=["a/b"])
    assert one != identity_of("wiro", models=["a/c"], project_id=None)
    assert one != identity_of("other", models=["a/b"], project_id=None)
    assert "/" not in identity_of("../x/y")
