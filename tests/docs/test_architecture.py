"""What docs/development/architecture.md says of folders and files is what the package has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "development" / "architecture.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def test_the_drawn_floors_are_those_that_import_linter_holds() -> None:
    held = [
        set(floor.split(" | "))
        for contract in CONTRACTS
        if contract["type"] == "layers" and contract["containers"] == ["airflow_provider_wiro"]
        for floor in contract["layers"]
    ]
    drawing = next(block for block in PAGE.split("```") if "\noperators " in block)
    drawn = [set(re.split(r" {2,}", line)[:-1]) for line in drawing.splitlines()[1:] if "  " in line]
    # What Airflow asks first and what stands alone are drawn apart.
    assert drawn == [*held[1:], {"emulator"}]


def test_each_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`([a-z_0-9]+(?:/[a-z_0-9]+)*\.py)`", PAGE))
    assert len(named) > 15
    assert {name for name in named if not (ROOT / "airflow_provider_wiro" / name).is_file()} == set()
