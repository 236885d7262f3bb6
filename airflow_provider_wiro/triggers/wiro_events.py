"""WiroTaskEndedTrigger fires an event for each task of a project that ends: for Airflow's AssetWatcher."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from airflow.triggers import base as airflow_triggers
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.api.parameters import described, split_slug
from airflow_provider_wiro.dag_arguments.literals import check_conn_id
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.state_files.folder import state_place
from airflow_provider_wiro.watching.project.ended_tasks import END_STATES, TaskFilter
from airflow_provider_wiro.watching.project.progress import Progress
from airflow_provider_wiro.watching.project.progress_store import NoProgress, find_store, identity_of
from airflow_provider_wiro.watching.project.watch import ProjectWatch
from airflow_provider_wiro.watching.project.watcher import ProjectWatcher, place_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_provider_wiro.transport.connection import WiroConnection
    from airflow_provider_wiro.watching.project.progress_store import ProgressStore

#: Airflow's base class of triggers for AssetWatcher, None in 2.11.
_EVENT_TRIGGER: type[BaseTrigger] | None = getattr(airflow_triggers, "BaseEventTrigger", None)
#: A look is a request, and the rate limit is for the whole project.
SHORTEST_INTERVAL_SECONDS = 5.0
LONGEST_INTERVAL_SECONDS = 86_400.0
#: How many events are fired before the progress is stored: what a crash at that moment can fire twice.
CHUNK = 100
#: After a bug the trigger continues, but not in a loop that takes all the time.
_AFTER_A_BUG_SECONDS = 60.0


class WiroTaskEndedTrigger(PlainLogs, _EVENT_TRIGGER or BaseTrigger):  # type: ignore[misc]
    """
    Fires an event for each Wiro task that ends, no matter who started it: for Airflow's ``AssetWatcher``.

    An event's payload is ``{"wiro_task_id", "model", "status", "outputs", "cost_usd", "created", "ended"}``;
    ``outputs`` is their number. It has no URL, prompt or token, since Airflow stores events as plain text.

    The first start is from now: tasks that are unfinished then count once they end. After that the trigger
    continues from where it was.

    All triggers of a connection in a triggerer share one look a minute. Nothing that goes wrong ends a
    trigger: it logs what is wrong once, and tries again.

    Needs Airflow 3.

    :param wiro_conn_id: the Airflow connection, of type ``wiro``.
    :param model: only tasks of this model, or of these; default: of all.
    :param status: only tasks that ended so: ``"succeeded"``, ``"failed"``, ``"cancelled"``, or a list of
        these; default: all.
    :param project_id: only tasks of this project. Default: the connection's ``project_id``; if that isn't
        set, all tasks that the key sees, with a team's key also those of other members.
    :param interval: seconds between two looks, at least 5.
    :param state_path: a folder, as an absolute path or an object-storage URI, in which to keep how far the
        trigger has come. Default: Airflow's asset state store (3.3); before 3.3 ``[wiro] state_path``.
    """

    def __init__(
        self,
        *,
        wiro_conn_id: str = "wiro_default",
        model: str | list[str] | None = None,
        status: str | list[str] | None = None,
        project_id: str | None = None,
        interval: float = 60,
        state_path: str | None = None,
    ) -> None:
        if _EVENT_TRIGGER is None:
            raise WiroUsageError(
                "WiroTaskEndedTrigger needs Airflow 3: earlier ones have no event-driven scheduling."
            )
        super().__init__()
        check_conn_id(wiro_conn_id)
        self._models = _texts("model", model)
        for slug in self._models:
            split_slug(slug)
        self._states = _texts("status", status)
        if unknown := [state for state in self._states if state not in END_STATES]:
            raise WiroUsageError(
                f"Expected status as one of {', '.join(END_STATES)}, found {described(unknown[0])}."
            )
        if project_id is not None and not (isinstance(project_id, str) and project_id.strip()):
            raise WiroUsageError(f"Expected project_id as a text, found {described(project_id)}.")
        _check_interval(interval)
        if state_path is not None:
            state_place(state_path, "state_path")
        self.wiro_conn_id = wiro_conn_id
        # As lists: a tuple would come back from Airflow's database as another value.
        self.model = list(model) if isinstance(model, tuple) else model
        self.status = list(status) if isinstance(status, tuple) else status
        self.project_id = project_id
        self.interval = interval
        self.state_path = state_path

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what a triggerer needs; Airflow compares it, so only what was given is in it."""
        optional = {name: getattr(self, name) for name in ("model", "status", "project_id", "state_path")}
        stored: dict[str, Any] = {"wiro_conn_id": self.wiro_conn_id, "interval": self.interval}
        stored |= optional
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {name: value for name, value in stored.items() if value is not None},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each task that ends, for ever."""
        watcher = ProjectWatcher.of(self.wiro_conn_id)
        keeper = _Keeper(self.log)
        try:
            while True:
                pause = _AFTER_A_BUG_SECONDS
                try:
                    if keeper.watch is not None and not keeper.is_of(watcher):
                        watcher.remove(keeper.watch)
                        keeper = _Keeper(self.log)
                    if keeper.watch is None:
                        pause = await self._start(watcher, keeper)
                    if keeper.watch is not None:
                        pause = await watcher.look()
                        await keeper.store()
                        while events := keeper.watch.next_events(CHUNK):
                            await version_compat.wait_until_the_triggerer_answers()
                            for payload in events.values():
                                yield TriggerEvent(payload)
                            await version_compat.wait_until_events_are_stored()
                            keeper.watch.on_stored(events)
                            await keeper.store()
                except Exception:
                    self.log.exception(
                        "A watcher of connection %s continues after an error.", self.wiro_conn_id
                    )
                await asyncio.sleep(pause)
        finally:
            if keeper.watch is not None:
                watcher.remove(keeper.watch)
            await watcher.aclose()

    async def _start(self, watcher: ProjectWatcher, keeper: _Keeper) -> float:
        """Find out from where to continue; returns the seconds after which to try again if that fails."""
        connection = await watcher.connection(interval=float(self.interval))
        if connection is None or not await keeper.load(self._store(connection), connection):
            return float(self.interval)
        wanted = TaskFilter.of(self._models, self._states, self._project(connection))
        keeper.watch = ProjectWatch(wanted, keeper.progress, interval=float(self.interval))
        watcher.add(keeper.watch)
        return 0.0

    def _project(self, connection: WiroConnection) -> str | None:
        return self.project_id or connection.project_id

    def _store(self, connection: WiroConnection) -> ProgressStore:
        wanted = TaskFilter.of(self._models, self._states, self._project(connection))
        return find_store(
            state_path=self.state_path,
            asset_state_store=getattr(self, "asset_state_store", None),
            identity=identity_of(
                self.wiro_conn_id,
                models=sorted(wanted.models),
                states=sorted(wanted.states),
                project_id=wanted.project_id,
            ),
            trigger_id=self.trigger_id,
        )


class _Keeper:
    """Keeps a trigger's progress where it outlives a triggerer, and logs what is in the way, once."""

    def __init__(self, log: Any) -> None:
        self.watch: ProjectWatch | None = None
        self.progress = Progress()
        self._log = log
        self._store: ProgressStore = NoProgress()
        self._connection: WiroConnection | None = None
        self._address = ""
        self._stored = ""
        self._is_failing = False
        self._unassigned = 0

    def is_of(self, watcher: ProjectWatcher) -> bool:
        """Whether the connection still leads to the same API and project: somebody may have edited it."""
        now, then = watcher.seen_connection, self._connection
        return now is None or then is None or place_of(now) == place_of(then)

    async def load(self, store: ProgressStore, connection: WiroConnection) -> bool:
        """Load the progress; returns False, after a log line, if that isn't possible now."""
        self._store, self._connection, self._address = store, connection, connection.base_url
        try:
            found = await store.load(self._address)
        except Exception as error:
            self._note_failure("read from", error)
            return False
        self._is_failing = False
        if found is not None:
            self.progress, self._stored = found, found.to_text(self._address)
            self._log.info(
                "Continuing after Wiro task %s, with %d tasks open (kept in %s).",
                found.high,
                len(found.open),
                store.location,
            )
        elif isinstance(store, NoProgress):
            self._log.warning(
                "Starting from now, also after a restart: what ends while no triggerer runs fires no event. "
                "Set state_path, or [wiro] state_path, to keep where it was."
            )
        else:
            self._log.info("Starting from now (kept in %s).", store.location)
        return True

    async def store(self) -> None:
        """Store the progress if it has changed. A failure is logged once; the next look tries again."""
        self._warn_of_unassigned()
        await self._leave_out_what_is_stored_elsewhere()
        text = self.progress.to_text(self._address)
        if text == self._stored:
            return
        try:
            await self._store.save(self.progress, self._address)
        except Exception as error:
            self._note_failure("written to", error)
            return
        self._stored, self._is_failing = text, False

    async def _leave_out_what_is_stored_elsewhere(self) -> None:
        """Fire only what no other triggerer has fired: Airflow before 3.2.2 gives all watchers to each."""
        if self.watch is None or not len(self.watch):
            return
        try:
            self.watch.on_stored_elsewhere(await self._store.own(self._address))
        except Exception as error:
            self._note_failure("read from", error)

    def _note_failure(self, what: str, error: Exception) -> None:
        if not self._is_failing:
            self._log.warning(
                "The progress of this watcher can't be %s %s now: %s: %s. Trying again.",
                what,
                self._store.location,
                type(error).__name__,
                error,
            )
        self._is_failing = True

    def _warn_of_unassigned(self) -> None:
        unassigned = 0 if self.watch is None else self.watch.unassigned
        if unassigned and not self._unassigned:
            self._log.warning(
                "Wiro doesn't show the project or the model of some tasks that have ended. They fire no "
                "event, since this watcher is for one project, or for certain models."
            )
        self._unassigned = unassigned


def _texts(name: str, value: object) -> list[str]:
    """Return a text, or some, as a list."""
    given = [] if value is None else value
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list | tuple) or not all(isinstance(one, str) for one in found):
        raise WiroUsageError(f"Expected {name} as a text or a list of texts, found {described(value)}.")
    if value is not None and not found:
        raise WiroUsageError(f"Expected {name} as a text or a list of texts, or None for all; found none.")
    return list(found)


def _check_interval(interval: object) -> None:
    is_number = isinstance(interval, int | float) and not isinstance(interval, bool)
    if (
        not is_number
        or math.isnan(interval)  # type: ignore[arg-type]
        or not SHORTEST_INTERVAL_SECONDS <= interval <= LONGEST_INTERVAL_SECONDS  # type: ignore[operator]
    ):
        raise WiroUsageError(
            f"Expected interval as seconds, from {SHORTEST_INTERVAL_SECONDS:g} to a day, found "
            f"{described(interval)}."
        )
