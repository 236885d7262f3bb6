"""The command ``python -m airflow_provider_wiro``."""

from __future__ import annotations

import sys

from airflow_provider_wiro.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
