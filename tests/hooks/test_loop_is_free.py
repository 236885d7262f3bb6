"""WiroAsyncHook: what takes time is done beside the event loop, which all triggers of a triggerer share."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = """
import asyncio, sys, threading

class Seen:
    threads = set()

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "aiohttp":
            self.threads.add(threading.current_thread())

sys.meta_path.insert(0, Seen())

from airflow_provider_wiro.hooks.wiro_async import WiroAsyncHook

async def main():
    hooks = [WiroAsyncHook() for _ in range(3)]
    await asyncio.gather(*(hook.get_session() for hook in hooks))
    await asyncio.gather(*(hook.close() for hook in hooks))

asyncio.run(main())
print(len(Seen.threads), threading.main_thread() in Seen.threads)
"""


def test_aiohttp_is_imported_beside_the_loop(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_WIRO_DEFAULT": "wiro://key-k123:secret-s456@",
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True
    )

    threads, in_the_loop = done.stdout.split()[-2:]
    assert int(threads) > 0, "nothing was imported: the test sees nothing"
    assert in_the_loop == "False"
