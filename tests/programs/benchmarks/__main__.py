"""Run all benchmarks, or those named: `python -m tests.programs.benchmarks imports transfer`."""

from __future__ import annotations

import os
import platform
import sys

from tests.programs.benchmarks import checks, gallery, imports, transfer

BENCHMARKS = {
    "imports": imports.main,
    "checks": checks.main,
    "transfer": transfer.main,
    "gallery": gallery.main,
}


def main() -> None:
    """Name the machine, then run."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{platform.system()}"
    )
    for name in sys.argv[1:] or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
