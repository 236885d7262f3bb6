"""The JSON schemas of docs/reference/schemas, by name."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from tests.airflow_home import ROOT

FOLDER = ROOT / "docs" / "reference" / "schemas"
NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.json"))


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text())
    return found


def check(value: object, name: str) -> None:
    """Raise a ValidationError where a value, once it is an XCom or a file, is not as its schema says."""
    validator = jsonschema.validators.validator_for(schema(name))
    validator(schema(name), format_checker=validator.FORMAT_CHECKER).validate(json.loads(json.dumps(value)))
