"""`WiroEmulator`: an emulator in a thread of its own, for tests and notebooks."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self, TypeVar

from airflow_provider_wiro.emulator.server import EmulatorServer
from airflow_provider_wiro.emulator.settings import Settings
from airflow_provider_wiro.emulator.state.clock import Clock, ManualClock
from airflow_provider_wiro.emulator.state.faults import Fault
from airflow_provider_wiro.emulator.state.runs import start_tasks
from airflow_provider_wiro.emulator.state.snapshots import TaskSnapshot, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.emulator.state.recording import Counts, ReceivedRequest
    from airflow_provider_wiro.emulator.state.world import World

Result = TypeVar("Result")


class WiroEmulator:
    """
    A local Wiro on a free port, for as long as the `with` block (or `async with`) lasts.

    ::

        with WiroEmulator(speed=50) as wiro:
            monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", wiro.connection)
            wiro.inject(Fault("rate_limit", endpoint="Task/Detail", retry_after=1))
            ...
            assert wiro.counts.tasks_started == 1

    The server has its own thread and event loop, so it responds even while the test's own thread is busy. All
    methods and attributes may be used from any thread, and also after the block has ended. A speed of 1 is a
    task's real pace; with `clock=ManualClock()` time stands still until `advance`.
    """

    def __init__(self, *, port: int = 0, clock: Clock | None = None, **settings: Any) -> None:
        """
        Prepare an emulator; nothing listens before `start`.

        :param port: the port, 0 for a free one.
        :param clock: the emulator's time, by default this machine's.
        :param settings: the fields of `Settings`.
        """
        self._settings = Settings(**settings)
        self._port = port
        self._clock = clock
        self._server: EmulatorServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None

    def start(self) -> Self:
        """Start the server and return once it listens."""
        if self._thread is not None:
            raise RuntimeError("this emulator was started already; make another one")
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="wiro-emulator", daemon=True)
        self._thread.start()
        started.result()
        return self

    def stop(self) -> None:
        """Stop the server and return once its port is free. A second call does nothing."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None and not loop.is_closed():
            loop.call_soon_threadsafe(stopping.set)
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        """Stop."""
        self.stop()

    async def __aenter__(self) -> Self:
        """Start without blocking the caller's event loop."""
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop without blocking the caller's event loop."""
        await asyncio.to_thread(self.stop)

    @property
    def url(self) -> str:
        """The API's base address, such as `http://127.0.0.1:40001/v1`."""
        return self._started().url

    @property
    def websocket_url(self) -> str:
        """The WebSocket's address, such as `ws://127.0.0.1:40001/socket/v1`."""
        return self._started().websocket_url

    @property
    def connection(self) -> str:
        """The JSON for `AIRFLOW_CONN_WIRO_DEFAULT`."""
        return self._started().connection

    @property
    def counts(self) -> Counts:
        """The counters at this moment."""
        return self._on_loop(lambda world: world.counts())

    @property
    def tasks(self) -> list[TaskSnapshot]:
        """Every task as it is at this moment, oldest first."""
        return self._on_loop(lambda world: [snapshot_of(task, world) for task in world.tasks])

    @property
    def received(self) -> list[ReceivedRequest]:
        """The requests to the API, the CDN and the WebSocket, oldest first; the last 20,000 are kept."""
        return self._on_loop(lambda world: list(world.activity.received))

    def inject(self, *faults: Fault | Mapping[str, Any]) -> None:
        """Arm faults, given as `Fault` or as the control endpoint's JSON. They fire in the order given."""
        made = [fault if isinstance(fault, Fault) else Fault.from_json(fault) for fault in faults]

        def arm(world: World) -> None:
            for fault in made:
                world.arm(fault)

        self._on_loop(arm)

    def start_teammates_task(
        self, model: str, parameters: Mapping[str, Any], *, seconds: float | None = None
    ) -> str:
        """
        Let another member of the team start a run, and return its task's id.

        The task is in the list, and in none of the counters.

        :param seconds: how long it lasts; `None` is as long as the model takes.
        """
        return self._on_loop(
            lambda world: start_tasks(world, model, parameters, seconds=(seconds,), teammate=True)[0].id
        )

    def start_tasks(
        self,
        model: str,
        parameters: Mapping[str, Any],
        *,
        seconds: Sequence[float | None] = (None,),
        project_id: str = "",
    ) -> list[str]:
        """
        Let somebody else start runs, as at Wiro's site or by another tool, and return their tasks' ids.

        They are the project's own, as those of Run are.

        :param seconds: starts a task for each entry, which is how long it lasts; `None` is as long as the
            model takes.
        :param project_id: the project that is billed; empty for the caller's own.
        """
        body = {**parameters, "projectid": project_id} if project_id else parameters
        return self._on_loop(
            lambda world: [task.id for task in start_tasks(world, model, body, seconds=seconds)]
        )

    def forget_task(self, task_id: str) -> None:
        """
        Let a task vanish: Detail and List don't know it any more. The counters do.

        :raises ValueError: if there is no such task.
        """
        self._on_loop(lambda world: world.forget(task_id))

    def clear_faults(self) -> None:
        """Disarm every fault that can still fire."""
        self._on_loop(lambda world: world.faults.clear())

    def advance(self, seconds: float) -> None:
        """Move the manual clock forward by `seconds`."""
        if not isinstance(self._clock, ManualClock):
            raise TypeError("only an emulator with clock=ManualClock() can be advanced")
        self._clock.advance(seconds)

    def _started(self) -> EmulatorServer:
        if self._server is None:
            raise RuntimeError("the emulator was not started; use it in a with block")
        return self._server

    def _run(self, started: Future[None]) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        server = EmulatorServer(self._settings, port=self._port, clock=self._clock)
        try:
            self._server = await server.start()
        except BaseException as error:  # the thread in `start` waits for the outcome, whatever it is
            await server.stop()
            started.set_exception(error)
            return
        started.set_result(None)
        await self._stopping.wait()
        await server.stop()

    def _on_loop(self, call: Callable[[World], Result]) -> Result:
        """Call a function in the server's thread, which owns the state; after its end, in this thread."""
        world, loop = self._started().world, self._loop
        if loop is None or loop.is_closed():
            return call(world)

        async def run() -> Result:
            return call(world)

        return asyncio.run_coroutine_threadsafe(run(), loop).result()
