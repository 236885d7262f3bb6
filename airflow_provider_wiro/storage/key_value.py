"""Where a journal's segments are kept: named texts, each put as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.batch.state import damaged
from airflow_provider_wiro.storage.folder import check_then_write

if TYPE_CHECKING:
    from airflow_provider_wiro.storage.folder import Folder


class KeyValueStore(Protocol):
    """Holds texts by name. What was put is what everybody gets from then on."""

    where: str

    def at(self, name: str) -> str:
        """Return where a text is, for people."""

    def get(self, name: str) -> str | None:
        """Return a text, None if there certainly is none."""

    def put(self, name: str, text: str) -> None:
        """Put a text in place of the one before."""

    def swap(self, name: str, text: str, before: str | None) -> bool:
        """
        Put a text in place of this very one, or of none.

        :return: whether it is there now; False if another was.
        """

    def delete(self, name: str) -> None:
        """Delete a text, if it is there."""


class TaskStateKeys:
    """Airflow 3.3's task state store. Its calls may come from any thread: its socket has a lock there."""

    where = "Airflow's task state store"

    def __init__(self, state: Any) -> None:
        self._state = state

    def at(self, name: str) -> str:
        """See :class:`KeyValueStore`."""
        return f"{_key(name)} in {self.where}"

    def get(self, name: str) -> str | None:
        """See :class:`KeyValueStore`."""
        found = self._state.get(_key(name))
        if found is not None and not isinstance(found, str):
            raise damaged(found, self.at(name))
        return found

    def put(self, name: str, text: str) -> None:
        """See :class:`KeyValueStore`."""
        self._state.set(_key(name), text)

    def swap(self, name: str, text: str, before: str | None) -> bool:
        """
        See :class:`KeyValueStore`.

        The store knows no condition, so that of two at the very same moment the last one wins. Airflow itself
        refuses what an earlier try writes once the next one is scheduled.
        """
        return check_then_write(self.get, self.put, name, text, before)

    def delete(self, name: str) -> None:
        """See :class:`KeyValueStore`."""
        self._state.delete(_key(name))


class FolderKeys:
    """A folder in an object store."""

    def __init__(self, place: Folder) -> None:
        self._place = place
        self.where = place.uri

    def at(self, name: str) -> str:
        """See :class:`KeyValueStore`."""
        return f"{self.where}/{file_of(name)}"

    def get(self, name: str) -> str | None:
        """See :class:`KeyValueStore`."""
        body = self._place.read(file_of(name))
        return None if body is None else body.decode()

    def put(self, name: str, text: str) -> None:
        """See :class:`KeyValueStore`."""
        self._place.write(file_of(name), text.encode())

    def swap(self, name: str, text: str, before: str | None) -> bool:
        """See :class:`KeyValueStore`."""
        return self._place.swap(file_of(name), text.encode(), None if before is None else before.encode())

    def delete(self, name: str) -> None:
        """See :class:`KeyValueStore`."""
        self._place.delete(file_of(name))


def _key(name: str) -> str:
    return f"wiro_batch_{name}"


def file_of(name: str) -> str:
    """Return the file's name of a text in a folder."""
    return f"{name}.jsonl"
