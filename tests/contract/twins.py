"""
The blocking and the asynchronous hook behind one interface, so that one test covers both.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.downloads import async_stream, stream
from airflow_provider_wiro.hooks.wiro import WiroAsyncHook, WiroHook

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Output
    from airflow_provider_wiro.transport.connection import WiroConnection


class Twin:
    """
    Calls any method of either hook, and waits for its result: ``twin.get_task("1")``.

    Between two calls nothing runs on the asynchronous hook's loop, as in a trigger that sleeps.
    """

    kind = ""

    def __init__(self) -> None:
        self.hook: Any = None

    def __getattr__(self, method: str) -> Any:
        raise NotImplementedError

    def fetch(self, output: Output, piece_bytes: int = 64 * 1024) -> bytes:
        """Read an output to its end."""
        raise NotImplementedError

    def fetch_over(self, connection: WiroConnection, output: Output) -> bytes:
        """Read an output to its end, over a connection that Airflow doesn't have."""
        raise NotImplementedError

    def settle(self) -> None:
        """Let callbacks that are left on the event loop run."""

    def close(self) -> None:
        raise NotImplementedError


class BlockingTwin(Twin):
    kind = "blocking"

    def __init__(self) -> None:
        super().__init__()
        self.hook = WiroHook()

    def __getattr__(self, method: str) -> Any:
        return getattr(self.hook, method)

    def fetch(self, output: Output, piece_bytes: int = 64 * 1024) -> bytes:
        return self._read(self.hook.open_output(output), piece_bytes)

    def fetch_over(self, connection: WiroConnection, output: Output) -> bytes:
        return self._read(stream.open_output(connection, output), 64 * 1024)

    def close(self) -> None:
        self.hook.close()

    @staticmethod
    def _read(opening: Any, piece_bytes: int) -> bytes:
        pieces = []
        with opening as stream:
            while piece := stream.read(piece_bytes):
                pieces.append(piece)
        return b"".join(pieces)


class AsyncTwin(Twin):
    kind = "asynchronous"

    def __init__(self) -> None:
        super().__init__()
        self.hook = WiroAsyncHook()
        self._runner = asyncio.Runner()

    def __getattr__(self, method: str) -> Any:
        bound = getattr(self.hook, method)
        return lambda *args, **kwargs: self._runner.run(bound(*args, **kwargs))

    def fetch(self, output: Output, piece_bytes: int = 64 * 1024) -> bytes:
        return self._runner.run(self._read(self.hook.open_output(output), piece_bytes))

    def fetch_over(self, connection: WiroConnection, output: Output) -> bytes:
        return self._runner.run(self._read(async_stream.open_output(connection, output), 64 * 1024))

    def settle(self) -> None:
        self._runner.run(asyncio.sleep(0.05))

    def close(self) -> None:
        self._runner.run(self.hook.close())
        self._runner.close()

    @staticmethod
    async def _read(opening: Any, piece_bytes: int) -> bytes:
        pieces = []
        async with opening as stream:
            while piece := await stream.read(piece_bytes):
                pieces.append(piece)
        return b"".join(pieces)


TWINS = {twin.kind: twin for twin in (BlockingTwin, AsyncTwin)}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
