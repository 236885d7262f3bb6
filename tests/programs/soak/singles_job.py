"""
Single durable runs, one after the other and many at once, in one process: operators in threads, as workers
would have them, and all their triggers on one event loop, as a triggerer has them.

Writes a line of JSON for each finished run and, each second, one with the process's memory and descriptors.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, Any

from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from tests.operators.fakes import RETRO, SMALL, DictStore, FakeTi, one_event, rebuild

_THREADS = 24
_RETRIES = 8
_RETRY_DELAY_SECONDS = 1.0


class Worker:
    """Runs one Airflow task instance to its end, across deferrals and retries."""

    def __init__(self, number: int, *, is_deferrable: bool, threads: ThreadPoolExecutor) -> None:
        self.prompt = f"single {number}"
        self._is_deferrable = is_deferrable
        self._threads = threads
        self._ti = FakeTi(run_id=f"run-{number}", max_tries=_RETRIES)
        self._store = DictStore()

    async def run(self) -> dict[str, Any]:
        """Return how it ended: `summary` or `error`."""
        while True:
            try:
                summary = await self._one_try()
            except AirflowFailException as error:
                return self._over(error=str(error))
            except Exception as error:
                if self._ti.try_number > _RETRIES:
                    return self._over(error=f"no retries left: {error}")
                self._ti.try_number += 1
                self._ti.xcoms.clear()
                await asyncio.sleep(_RETRY_DELAY_SECONDS)
            else:
                return self._over(wiro_task_id=summary["wiro_task_id"])

    def _over(self, **how: Any) -> dict[str, Any]:
        return {"prompt": self.prompt, "tries": self._ti.try_number, **how}

    async def _one_try(self) -> Any:
        method, arguments = "execute", dict[str, Any]()
        while True:
            # A new one each time, as a new worker process would have it.
            operator = WiroRunOperator(
                task_id=self._ti.task_id,
                model=RETRO,
                parameters={**SMALL, "prompt": self.prompt},
                deferrable=self._is_deferrable,
            )
            part = partial(getattr(operator, method), self._context, **arguments)
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, part)
            except TaskDeferred as deferred:
                method = deferred.method_name
                arguments = json.loads(json.dumps(deferred.kwargs or {}))
                arguments["event"] = await one_event(rebuild(deferred))

    @property
    def _context(self) -> Any:
        return {"ti": self._ti, "task_state_store": self._store}


async def sample(samples: IO[str]) -> None:
    """Write this process's memory and descriptors each second."""
    while True:
        samples.write(json.dumps({"at": time.time(), **held()}) + "\n")
        samples.flush()
        await asyncio.sleep(1)


def held() -> dict[str, int]:
    """Return the resident memory in bytes and the number of open file descriptors."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "bytes": pages * resource.getpagesize(),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }


async def soak(count: int, seconds: float, seed: int, folder: Path) -> None:
    """Start runs at random times within a number of seconds, and follow each to its end."""
    dice = random.Random(seed)
    moments = sorted(dice.uniform(0, seconds) for _ in range(count))
    with (
        ThreadPoolExecutor(_THREADS) as threads,
        (folder / "singles.jsonl").open("w") as outcomes,
        (folder / "samples.jsonl").open("w") as samples,
    ):

        async def begin(number: int) -> None:
            await asyncio.sleep(moments[number])
            worker = Worker(number, is_deferrable=number % 2 == 0, threads=threads)
            outcomes.write(json.dumps(await worker.run()) + "\n")
            outcomes.flush()

        # The first two, one of each kind, open everything that stays open.
        moments[:2] = [0.0, 0.0]
        await asyncio.gather(begin(0), begin(1))
        before = held()["descriptors"]
        sampling = asyncio.create_task(sample(samples))
        await asyncio.gather(*(begin(number) for number in range(2, count)))
        sampling.cancel()
        # Transports are closed by the loop, a moment later.
        await asyncio.sleep(1)
        gc.collect()
        after = held()["descriptors"]
        (folder / "descriptors.json").write_text(json.dumps({"before": before, "after": after}))


def main() -> None:
    count, seconds, seed, folder = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    asyncio.run(soak(int(count), float(seconds), int(seed), Path(folder)))


if __name__ == "__main__":
    main()
