"""The JSON schemas themselves: valid, strict, and described in the reference with examples that fit."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.docs.pages import ROOT, code_blocks
from tests.docs.schemas import NAMES, check, schema

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema_and_describes_every_field(name: str) -> None:
    whole = schema(name)
    jsonschema.validators.validator_for(whole).check_schema(whole)

    def fields(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for found in part.get("properties", {}).values():
            yield found
            yield from fields(found.get("items", found))
        if "items" in part:
            yield from fields(part["items"])

    assert all(field.get("description") for field in fields(whole))


@pytest.mark.parametrize("name", [name for name in NAMES if name != "upload-result"])
def test_a_schema_refuses_what_it_does_not_describe(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="unexpected"):
        check({"unexpected": 1}, name)


def test_the_examples_of_the_page_are_as_the_schemas_say() -> None:
    page = ROOT / "docs" / "reference" / "results.md"
    section = re.compile(r"^## (.+)$", re.MULTILINE)
    shown = []
    for block in code_blocks(page):
        if block.language == "json":
            before = "\n".join(page.read_text().splitlines()[: block.line])
            name = section.findall(before)[-1].lower().replace(" ", "-")
            check(json.loads(block.source), name)
            shown.append(name)

    assert shown == [
        "run-summary",
        "transfer-result",
        "export-result",
        "spend",
        "estimate",
        "batch-estimate",
        "batch-summary",
    ]
