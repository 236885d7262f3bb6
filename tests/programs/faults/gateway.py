"""A gateway between Airflow and Wiro, which can hold back a Run even if its sender dies."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from tests.programs.system.servers import HOST

if TYPE_CHECKING:
    from types import TracebackType

_RUN = b"POST /v1/Run/"
_PIECE_BYTES = 64 * 1024


class Gateway:
    """
    Passes on bytes in both directions, but holds Runs, except the first few, until `release`.

    A Run is the first request of a fresh connection, so the first bytes identify it.
    """

    def __init__(self, page: str, *, runs_let_through: int = 0) -> None:
        self._target = urlsplit(page)
        self._listener = socket.create_server((HOST, 0))
        self._released = threading.Event()
        self._runs_let_through = runs_let_through
        self._runs = 0

    @property
    def held(self) -> int:
        """How many Runs were held back so far."""
        return max(0, self._runs - self._runs_let_through)

    @property
    def address(self) -> str:
        return f"{HOST}:{self._listener.getsockname()[1]}"

    def release(self) -> None:
        self._released.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                sender, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sender,), daemon=True).start()

    def _serve(self, sender: socket.socket) -> None:
        # Either end may be gone at any time: that is its purpose.
        with sender, contextlib.suppress(OSError):
            first = sender.recv(_PIECE_BYTES)
            if first.startswith(_RUN):
                self._runs += 1
                if self._runs > self._runs_let_through:
                    self._released.wait()
            with socket.create_connection((HOST, self._target.port or 80)) as wiro:
                answers = threading.Thread(target=_pass_on, args=(wiro, sender), daemon=True)
                answers.start()
                wiro.sendall(first)
                _pass_on(sender, wiro)
                answers.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE_BYTES):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
