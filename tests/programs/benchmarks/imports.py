"""How long importing an operator takes, beyond `from airflow.sdk import DAG`, with bytecode."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

_ROUNDS = 7
_PROGRAM = """
import time
from airflow.sdk import DAG
started_at = time.perf_counter()
import {module}
print((time.perf_counter() - started_at) * 1000)
"""

MODULES = {
    "airflow_provider_wiro.operators.wiro": 15.0,
    "airflow_provider_wiro.sensors.wiro": 15.0,
    "airflow_provider_wiro.transfers.wiro_to_s3": 25.0,
    "airflow.providers.standard.operators.bash": None,
    "airflow.providers.amazon.aws.transfers.http_to_s3": None,
}


def _environment() -> dict[str, str]:
    """Return an environment in which bytecode is kept: the first round writes it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def measure(module: str) -> float:
    """Return the median milliseconds of several fresh processes."""
    times = []
    for _ in range(_ROUNDS):
        program = _PROGRAM.format(module=module)
        done = subprocess.run(
            [sys.executable, "-c", program], env=_environment(), capture_output=True, text=True, check=True
        )
        times.append(float(done.stdout.splitlines()[-1]))
    return statistics.median(times)


def main() -> None:
    """Print a table."""
    print(f"\nImport cost over airflow.sdk, median of {_ROUNDS} processes")
    print(f"{'module':52} {'ms':>8} {'aim':>8}")
    for module, aim in MODULES.items():
        print(f"{module:52} {measure(module):8.1f} {'' if aim is None else f'<= {aim:.0f}':>8}")
