"""ThreadHooks: one Airflow connection to Wiro, used by several threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.transport.connection import WiroConnection


class ThreadHooks:
    """
    A hook for each thread, as a :class:`~airflow_provider_wiro.landing.transfer.ReadsTasks`.

    Made in the main thread, where Airflow may be asked for the connection; use it in a ``with``.

    :param check: raises what is to end a wait of any of them.
    """

    def __init__(self, hook: WiroHook, check: Callable[[], None]) -> None:
        self.connection: WiroConnection = hook.connection
        self._main = hook
        self._check = check
        self._mine = threading.local()
        self._hooks: list[WiroHook] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for hook in self._hooks:
            hook.close()

    @property
    def hook(self) -> WiroHook:
        """The hook of the thread that asks."""
        found: WiroHook | None = getattr(self._mine, "hook", None)
        if found is None:
            found = self._mine.hook = self._main.for_thread()
            found.interrupted_by(self._check)
            self._hooks.append(found)
        return found

    def get_task(self, wiro_task_id: str) -> Task:
        """Return a task with its outputs."""
        return self.hook.get_task(wiro_task_id)

    def interrupted_by(self, check: Callable[[], None]) -> None:
        """Do nothing: what ends a wait is the same for all tasks."""
