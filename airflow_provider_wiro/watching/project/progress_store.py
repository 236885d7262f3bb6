"""Where a trigger's progress is kept: Airflow's asset state store, a folder, or nowhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.state_files.folder import file_name, find_state_folder
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.watching.project.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_provider_wiro.storage.folder import Folder

#: Beside the folders of DAGs, none of which can have this name.
_FOLDER = "~watchers"
#: How many files of equal triggers are kept.
_KEPT_FILES = 20


class ProgressStore(Protocol):
    """
    Keeps one trigger's progress. Any call may raise what the store's client raises.

    :ivar location: for messages.
    """

    location: str

    async def load(self, address: str) -> Progress | None:
        """
        Return the progress, None if there certainly is none.

        :param address: of the API whose ids are meant.
        """

    async def own(self, address: str) -> list[Progress]:
        """
        Return what is kept for this trigger alone, for each of its assets; nothing if one has nothing.

        Another triggerer, which runs the same trigger, can have stored it.
        """

    async def save(self, progress: Progress, address: str) -> None:
        """Write the progress in place of the current one."""


class NoProgress:
    """Keeps nothing: a trigger starts from now each time."""

    location = "nowhere"

    async def load(self, address: str) -> Progress | None:
        """See :meth:`ProgressStore.load`."""

    async def own(self, address: str) -> list[Progress]:
        """See :meth:`ProgressStore.own`."""
        return []

    async def save(self, progress: Progress, address: str) -> None:
        """See :meth:`ProgressStore.save`."""


class AssetStateProgress:
    """
    In Airflow's asset state store (3.3), with each asset of the trigger.

    :param assets: the accessors of the store by the assets' names.
    :param identity: distinguishes a trigger from the others of its assets.
    """

    location = "Airflow's asset state store"

    def __init__(self, assets: Mapping[str, Any], identity: str) -> None:
        self._assets = assets
        self._key = f"wiro_task_ended_{identity}"

    async def load(self, address: str) -> Progress | None:
        """Return the furthest progress: an asset that the trigger watched long ago has an old one."""
        return _furthest(await self._all(address))

    async def own(self, address: str) -> list[Progress]:
        """See :meth:`ProgressStore.own`. One of the assets may have another trigger by now."""
        found = await self._all(address)
        return [] if None in found else [progress for progress in found if progress is not None]

    async def _all(self, address: str) -> list[Progress | None]:
        found = [await asset.aget(self._key) for asset in self._assets.values()]
        return [Progress.from_text(text, address) if isinstance(text, str) else None for text in found]

    async def save(self, progress: Progress, address: str) -> None:
        """See :meth:`ProgressStore.save`."""
        text = progress.to_text(address)
        for asset in self._assets.values():
            await asset.aset(self._key, text)


class FolderProgress:
    """
    In a file for each row of Airflow's trigger table: equal triggers of two DAG files are two rows.

    A row is new after its DAG was paused, and then begins where the furthest of the equal ones was.

    :param uri: of the folder.
    :param identity: what equal triggers share.
    :param trigger_id: of the row.
    """

    def __init__(self, uri: str, identity: str, trigger_id: object) -> None:
        self.location = uri
        self._prefix = f"{identity}-"
        self._name = f"{self._prefix}{trigger_id}.json"
        self._folder: Folder | None = None

    async def load(self, address: str) -> Progress | None:
        """See :meth:`ProgressStore.load`."""
        folder = await self._opened()
        body = await asyncio.to_thread(folder.read, self._name)
        if body is not None:
            return Progress.from_text(body.decode(), address)
        return _furthest((await self._equal_ones(folder, address)).values())

    async def own(self, address: str) -> list[Progress]:
        """See :meth:`ProgressStore.own`. An equal row has events of its own, for other assets."""
        folder = await self._opened()
        body = await asyncio.to_thread(folder.read, self._name)
        progress = None if body is None else Progress.from_text(body.decode(), address)
        return [] if progress is None else [progress]

    async def save(self, progress: Progress, address: str) -> None:
        """See :meth:`ProgressStore.save`."""
        folder = await self._opened()
        body = progress.to_text(address).encode()
        await asyncio.to_thread(folder.write, self._name, body)

    async def _equal_ones(self, folder: Folder, address: str) -> dict[str, Progress]:
        """Return the progress of equal triggers by their files; and remove the oldest of too many."""
        names = await asyncio.to_thread(folder.names)
        found: dict[str, Progress] = {}
        for name in sorted(name for name in names if name.startswith(self._prefix)):
            body = await asyncio.to_thread(folder.read, name)
            progress = None if body is None else Progress.from_text(body.decode(), address)
            if progress is not None:
                found[name] = progress
        by_age = sorted(found, key=lambda name: found[name].high)
        for name in by_age[: max(0, len(by_age) - _KEPT_FILES)]:
            await asyncio.to_thread(folder.delete, name)
        return found

    async def _opened(self) -> Folder:
        if self._folder is None:
            from asgiref.sync import sync_to_async

            # sync_to_async and not to_thread: this asks Airflow for the store's connection.
            self._folder = await sync_to_async(open_folder)(self.location)
        return self._folder


def find_store(
    *, state_path: str | None, asset_state_store: Any, identity: str, trigger_id: object
) -> ProgressStore:
    """
    Return where a trigger's progress is kept: ``state_path``, else Airflow's asset state store, else
    ``[wiro] state_path``, else a folder in ``AIRFLOW_HOME`` where Airflow runs on one machine.

    :param asset_state_store: what Airflow 3.3 gives an event trigger; None before.
    """
    assets = _accessors(asset_state_store)
    if assets and not state_path:
        return AssetStateProgress(assets, identity)
    folder = find_state_folder(state_path)
    if folder is None:
        return NoProgress()
    return FolderProgress(f"{folder.uri}/{_FOLDER}", identity, trigger_id)


def identity_of(wiro_conn_id: str, **arguments: object) -> str:
    """Return a short name of what a trigger waits for; two that wait for the same have the same one."""
    compared = json.dumps([wiro_conn_id, arguments], sort_keys=True).encode()
    return f"{file_name(wiro_conn_id)[:40]}-{hashlib.sha256(compared).hexdigest()[:16]}"


def _accessors(asset_state_store: Any) -> Mapping[str, Any]:
    """Return the store's accessor of each asset. Airflow has no public way to ask for the assets' names."""
    found: Mapping[str, Any] = getattr(asset_state_store, "_by_name", None) or {}
    return found


def _furthest(found: Iterable[Progress | None]) -> Progress | None:
    """Return the progress that has seen most; of those that have seen the same, the one with fewest open."""
    known = [progress for progress in found if progress is not None]
    return max(known, key=lambda progress: (progress.high, -len(progress.open)), default=None)
