"""
`make bench-scale`: thousands of runs at once, short ones, and an export out of a long list.

PARTS="triggers airflow short export" and SIZES="100 1000" choose.
"""

from __future__ import annotations

import os
import platform

from tests.programs.benchmarks import export, scale_airflow, scale_triggers, short_runs
from tests.programs.system.servers import stopping_on_signals

PARTS = {
    "triggers": scale_triggers.main,
    "airflow": scale_airflow.main,
    "short": short_runs.main,
    "export": export.main,
}


def main() -> None:
    """Name the machine, then run."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{platform.system()}",
        flush=True,
    )
    with stopping_on_signals():
        for part in os.environ.get("PARTS", "").replace(",", " ").split() or PARTS:
            PARTS[part]()


if __name__ == "__main__":
    main()
