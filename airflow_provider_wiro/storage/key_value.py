"""Small texts by key: in Airflow's task state store, or as the files of a folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.storage.folder import check_then_write

if TYPE_CHECKING:
    from airflow_provider_wiro.storage.folder import Folder


class KeyValueStore(Protocol):
    """
    Texts by key. Once a write has returned, every reader gets the new text.

    Any call may raise what the store's client raises.
    """

    location: str

    def describe(self, key: str) -> str:
        """Return where a text is kept, for messages."""

    def get(self, key: str) -> str | None:
        """Return a text, None if there certainly is none."""

    def put(self, key: str, text: str) -> None:
        """Write a text in place of the current one."""

    def compare_and_swap(self, key: str, text: str, expected: str | None) -> bool:
        """
        Write a text only if the current one is ``expected``; None: only if there is none.

        Where a store has no conditional write, the last of two simultaneous writers wins.

        :return: whether ``text`` is stored now; False if another text was.
        """

    def delete(self, key: str) -> None:
        """Delete a text, if it exists."""


class TaskStateKeys:
    """
    The task state store of Airflow 3.3, per task instance. Its calls may come from any thread.

    :param state: the store in the task's context.
    :param prefix: of the keys, since other code of the task may use the store.
    :param is_json: the texts are JSON and are stored as the values that they stand for; by default they are
        stored as strings.
    """

    location = "Airflow's task state store"

    def __init__(self, state: Any, *, prefix: str = "", is_json: bool = False) -> None:
        self._state = state
        self._prefix = prefix
        self._is_json = is_json

    def describe(self, key: str) -> str:
        """See :meth:`KeyValueStore.describe`."""
        return f"{self._prefix}{key} in {self.location}"

    def get(self, key: str) -> str | None:
        """
        See :meth:`KeyValueStore.get`.

        :raises WiroOrphanedRunError: the value is no text.
        """
        found = self._state.get(self._prefix + key)
        if found is None:
            return None
        if self._is_json:
            return json.dumps(found)
        if not isinstance(found, str):
            raise WiroOrphanedRunError(
                f"Expected a text at {self.describe(key)}, found {str(found)[:200]!r}. It should say what "
                "was started, so check the dashboard at wiro.ai before you delete it."
            )
        return found

    def put(self, key: str, text: str) -> None:
        """See :meth:`KeyValueStore.put`."""
        self._state.set(self._prefix + key, json.loads(text) if self._is_json else text)

    def compare_and_swap(self, key: str, text: str, expected: str | None) -> bool:
        """
        See :meth:`KeyValueStore.compare_and_swap`.

        The store has no conditional write. Airflow itself refuses what an earlier try writes once the next
        one is scheduled.
        """
        return check_then_write(self.get, self.put, key, text, expected)

    def delete(self, key: str) -> None:
        """See :meth:`KeyValueStore.delete`."""
        self._state.delete(self._prefix + key)


class FolderKeys:
    """
    The files of a folder: one for each key.

    :param suffix: of the files' names, after the key.
    """

    def __init__(self, folder: Folder, *, suffix: str) -> None:
        self._folder = folder
        self._suffix = suffix
        self.location = folder.uri

    def describe(self, key: str) -> str:
        """See :meth:`KeyValueStore.describe`."""
        return f"{self.location}/{key}{self._suffix}"

    def get(self, key: str) -> str | None:
        """See :meth:`KeyValueStore.get`."""
        body = self._folder.read(key + self._suffix)
        return None if body is None else body.decode()

    def put(self, key: str, text: str) -> None:
        """See :meth:`KeyValueStore.put`."""
        self._folder.write(key + self._suffix, text.encode())

    def compare_and_swap(self, key: str, text: str, expected: str | None) -> bool:
        """See :meth:`KeyValueStore.compare_and_swap`."""
        before = None if expected is None else expected.encode()
        return self._folder.compare_and_swap(key + self._suffix, text.encode(), before)

    def delete(self, key: str) -> None:
        """See :meth:`KeyValueStore.delete`."""
        self._folder.delete(key + self._suffix)
