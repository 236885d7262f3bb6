"""Where a trigger's position is kept: Airflow's asset state store, a folder, or nowhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.state_files.folder import file_name, find_state_folder
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.watching.project.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.storage.folder import Folder

#: Beside the folders of DAGs, none of which can have this name.
_FOLDER = "~watchers"
#: How many files of equal triggers are kept.
_KEPT_FILES = 20


class PositionStore(Protocol):
    """
    Keeps one trigger's position. Any call may raise what the store's client raises.

    :ivar location: for messages.
    """

    location: str

    async def load(self, address: str) -> Position | None:
        """
        Return the position, None if there certainly is none.

        :param address: of the API whose ids are meant.
        """

    async def save(self, position: Position, address: str) -> None:
        """Write the position in place of the current one."""


class NoPositions:
    """Keeps nothing: a trigger starts from now each time."""

    location = "nowhere"

    async def load(self, address: str) -> Position | None:
        """See :meth:`PositionStore.load`."""

    async def save(self, position: Position, address: str) -> None:
        """See :meth:`PositionStore.save`."""


class AssetStatePositions:
    """
    In Airflow's asset state store (3.3), with each asset of the trigger.

    :param assets: the accessors of the store by the assets' names.
    :param identity: tells a trigger from the others of its assets.
    """

    location = "Airflow's asset state store"

    def __init__(self, assets: Mapping[str, Any], identity: str) -> None:
        self._assets = assets
        self._key = f"wiro_task_ended_{identity}"

    async def load(self, address: str) -> Position | None:
        """Return the furthest position: an asset that the trigger watched long ago has an old one."""
        found = [await asset.aget(self._key) for asset in self._assets.values()]
        positions = [Position.from_text(text, address) for text in found if isinstance(text, str)]
        return _furthest(positions)

    async def save(self, position: Position, address: str) -> None:
        """See :meth:`PositionStore.save`."""
        text = position.to_text(address)
        for asset in self._assets.values():
            await asset.aset(self._key, text)


class FolderPositions:
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

    async def load(self, address: str) -> Position | None:
        """See :meth:`PositionStore.load`."""
        folder = await self._opened()
        body = await asyncio.to_thread(folder.read, self._name)
        if body is not None:
            return Position.from_text(body.decode(), address)
        return _furthest((await self._equal_ones(folder, address)).values())

    async def save(self, position: Position, address: str) -> None:
        """See :meth:`PositionStore.save`."""
        folder = await self._opened()
        body = position.to_text(address).encode()
        await asyncio.to_thread(folder.write, self._name, body)

    async def _equal_ones(self, folder: Folder, address: str) -> dict[str, Position]:
        """Return the positions of equal triggers by their files; and remove the oldest of too many."""
        names = await asyncio.to_thread(folder.names)
        found: dict[str, Position] = {}
        for name in sorted(name for name in names if name.startswith(self._prefix)):
            body = await asyncio.to_thread(folder.read, name)
            position = None if body is None else Position.from_text(body.decode(), address)
            if position is not None:
                found[name] = position
        by_age = sorted(found, key=lambda name: found[name].high or 0)
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
) -> PositionStore:
    """
    Return where a trigger's position is kept: ``state_path``, else Airflow's asset state store, else
    ``[wiro] state_path``, else a folder in ``AIRFLOW_HOME`` where Airflow runs on one machine.

    :param asset_state_store: what Airflow 3.3 gives an event trigger; None before.
    """
    assets = _accessors(asset_state_store)
    if assets and not state_path:
        return AssetStatePositions(assets, identity)
    folder = find_state_folder(state_path)
    if folder is None:
        return NoPositions()
    return FolderPositions(f"{folder.uri}/{_FOLDER}", identity, trigger_id)


def identity_of(wiro_conn_id: str, **arguments: object) -> str:
    """Return a short name of what a trigger waits for; two that wait for the same have the same one."""
    compared = json.dumps([wiro_conn_id, arguments], sort_keys=True).encode()
    return f"{file_name(wiro_conn_id)[:40]}-{hashlib.sha256(compared).hexdigest()[:16]}"


def _accessors(asset_state_store: Any) -> Mapping[str, Any]:
    """Return the store's accessor of each asset. Airflow has no public way to ask for the assets' names."""
    found: Mapping[str, Any] = getattr(asset_state_store, "_by_name", None) or {}
    return found


def _furthest(positions: Any) -> Position | None:
    known = [position for position in positions if position is not None]
    return max(known, key=lambda position: position.high or 0, default=None)
