"""
One try of a batch, in a process that may be killed at any moment.

Ends with 0 and the operator's summary in a file, or with RETRY if Airflow would try again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator
from tests.operators.fakes import RETRO, SMALL, FakeTi, one_event
from tests.programs.soak import RETRY

_MAX_ACTIVE = 10


def run(folder: Path, name: str, *, try_number: int, is_deferrable: bool) -> Any:
    """Run one try to its end, deferrals included; return the operator's summary."""
    context: Any = {"ti": FakeTi(run_id=name, task_id="batch", try_number=try_number, max_tries=100)}
    method, arguments = "execute", dict[str, Any]()
    while True:
        operator = WiroBatchRunOperator(
            task_id="batch",
            model=RETRO,
            inputs=str(folder / f"{name}.inputs.jsonl"),
            parameters=SMALL,
            max_active=_MAX_ACTIVE,
            on_item_failure="continue",
            deferrable=is_deferrable,
            state_path=str(folder / "state"),
            manifest_uri=str(folder / f"{name}.manifest.jsonl"),
        )
        try:
            return getattr(operator, method)(context, **arguments)
        except TaskDeferred as deferred:
            path, kwargs = deferred.trigger.serialize()
            module, _, kind = path.rpartition(".")
            trigger = getattr(import_module(module), kind)(**json.loads(json.dumps(kwargs)))
            method = deferred.method_name
            arguments = json.loads(json.dumps(deferred.kwargs or {}))
            arguments["event"] = asyncio.run(one_event(trigger))


def main() -> None:
    folder, name, try_number, is_deferrable = sys.argv[1:]
    logging.basicConfig(level=logging.INFO)
    try:
        summary = run(
            Path(folder), name, try_number=int(try_number), is_deferrable=is_deferrable == "deferrable"
        )
    except AirflowFailException:
        raise
    except Exception as error:
        # In one line: any traceback in the log is a bug of the provider.
        print("This try failed:", traceback.format_exception_only(error)[-1].strip(), flush=True)
        sys.exit(RETRY)
    (Path(folder) / f"{name}.summary.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    main()
