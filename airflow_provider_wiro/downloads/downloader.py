"""What the downloads of one Wiro task share: connections, links that can be renewed, and how to stop."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_provider_wiro.downloads import ranges
from airflow_provider_wiro.downloads.session import OutputSession
from airflow_provider_wiro.exceptions import WiroOutputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from airflow_provider_wiro.api.models import Output, Task
    from airflow_provider_wiro.transport.connection import WiroConnection


class Downloader:
    """
    Connections and links for all outputs of one task. Usable from several threads; use it in a ``with``.

    :param task: whose outputs are fetched.
    :param fetch_task: reads the task again, for fresh links.
    :param check: raises what is to end the downloads; called before and while waiting.
    :param require_size: refuse a file of unknown size whose end is the connection's.
    :param session: of connections that several tasks share, which stays open; default: one of its own.
    :param awaits_files: what Wiro or the CDN doesn't show yet is waited for, for up to a minute.
    :ivar idle_seconds: how long a connection may bring nothing before another is made.
    :ivar unverified: indexes of the outputs that may be truncated: of unknown size, ended by the connection.
    """

    def __init__(
        self,
        connection: WiroConnection,
        task: Task,
        fetch_task: Callable[[], Task],
        check: Callable[[], None],
        *,
        require_size: bool = False,
        session: OutputSession | None = None,
        awaits_files: bool = True,
    ) -> None:
        self.check = check
        self.require_size = require_size
        self.awaits_files = awaits_files
        self.idle_seconds = ranges.idle_seconds(connection.read_timeout)
        self.unverified: set[int] = set()
        self.session = OutputSession(connection, self.idle_seconds) if session is None else session
        self._is_shared = session is not None
        self._fetch_task = fetch_task
        self._outputs = {output.index: output for output in task.outputs}
        self._renewing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._is_shared:
            self.session.__exit__(*exc_info)

    def renew(self, stale: Output) -> Output:
        """
        Return an output with a fresh link, from Wiro unless another thread has just renewed it.

        A link that Wiro has not shown yet may still be missing.

        :raises WiroOutputUnavailableError: Wiro doesn't show the file at the moment.
        :raises WiroError: Wiro can't be reached, or shows another file now.
        """
        with self._renewing:
            if self._outputs[stale.index].url == stale.url:
                fresh = {output.index: output for output in self._fetch_task().outputs}
                for index, known in self._outputs.items():
                    if index != stale.index and known.content is None:
                        with suppress(WiroOutputError):  # the thread that fetches it renews it itself
                            self._outputs[index] = ranges.check_renewed(known, fresh.get(index))
                self._outputs[stale.index] = ranges.check_renewed(stale, fresh.get(stale.index))
            return self._outputs[stale.index]

    def interrupt(self) -> None:
        """Let all requests and reads fail at once. For a signal handler: it takes no lock."""
        self.session.interrupt()

    def pause(self, seconds: float) -> None:
        """Wait, unless the downloads are to end."""
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(remaining, 0.2))
        self.check()
