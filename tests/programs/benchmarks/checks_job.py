"""Runs that are sent one after the other in a process of its own: prints their CPU time as JSON."""

from __future__ import annotations

import json
import sys
import time

from tests.operators.fakes import FakeTi


def main(check_parameters: str, count: int) -> None:
    """Send the runs, each as a task instance of its own would."""
    from airflow_provider_wiro.operators.wiro import WiroRunOperator

    def send(number: int) -> None:
        WiroRunOperator(
            task_id=f"run_{number}",
            model="retroAIx/Retro-Cartoons",
            parameters={"prompt": f"a kite, number {number}", "samples": 1, "steps": 40, "scale": "4"},
            wait_for_completion=False,
            durable=False,
            check_parameters=check_parameters,  # type: ignore[arg-type]
        ).execute(FakeTi(task_id=f"run_{number}").context)  # type: ignore[arg-type]

    send(-1)  # what is imported at first use is not counted
    started_at = time.process_time()
    for number in range(count):
        send(number)
    print(json.dumps({"cpu_seconds": time.process_time() - started_at}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
