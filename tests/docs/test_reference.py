"""The reference is complete: its tables are made from docstrings, which describe every argument."""

from __future__ import annotations

import re
from typing import Any

import pytest

from docs import reference_tables as tables
from tests.docs.pages import ROOT

PUBLIC = [
    "hooks.wiro.WiroHook",
    "hooks.wiro.WiroAsyncHook",
    "operators.wiro.WiroRunOperator",
    "operators.wiro_batch.WiroBatchRunOperator",
    "operators.wiro_spend.WiroSpendOperator",
    "operators.wiro_upload.WiroUploadOperator",
    "sensors.wiro.WiroTaskSensor",
    "transfers.wiro_to_s3.WiroToS3Operator",
    "transfers.wiro_project_to_s3.WiroProjectToS3Operator",
    "transfers.wiro_to_object_storage.WiroToObjectStorageOperator",
    "triggers.wiro.WiroTaskTrigger",
    "triggers.wiro.WiroPauseTrigger",
    "triggers.wiro_batch.WiroBatchTrigger",
]
REFERENCE = ROOT / "docs" / "reference"
public = pytest.mark.parametrize("name", PUBLIC)


def find(name: str) -> Any:
    return tables.find(f"airflow_provider_wiro.{name}")


@public
def test_a_docstring_describes_each_argument_and_no_other(name: str) -> None:
    cls = find(name)

    assert sorted(tables.Docstring.of(cls).names) == sorted(tables.arguments(tables.constructor(cls)))


@public
def test_a_docstring_says_which_arguments_are_templated(name: str) -> None:
    cls = find(name)
    said = {
        argument
        for argument, text in tables.Docstring.of(cls).names.items()
        if text.rstrip(".").endswith("(templated)")
    }

    # Airflow's operators have a property `label`, so that the argument is kept, and rendered, as `run_label`.
    assert said == {field.removeprefix("run_") for field in getattr(cls, "template_fields", ())}


@public
def test_the_reference_has_its_table(name: str) -> None:
    page = "hooks.md" if name.startswith("hooks.") else "operators.md"

    assert f"<!-- table: parameters airflow_provider_wiro.{name} -->" in (REFERENCE / page).read_text()


@pytest.mark.parametrize("page", sorted(REFERENCE.glob("*.md")), ids=lambda page: page.name)
def test_the_tables_of_a_page_are_up_to_date(page: Any) -> None:
    assert page.read_text() == tables.written(page.read_text()), "make docs writes them"


def test_every_schema_has_a_table() -> None:
    named = set(re.findall(r"<!-- table: schema ([\w-]+) -->", (REFERENCE / "results.md").read_text()))

    assert named == {path.name.removesuffix(".schema.json") for path in REFERENCE.glob("schemas/*.json")}


def test_every_error_is_in_the_table_of_errors() -> None:
    from airflow_provider_wiro import exceptions

    page = (REFERENCE / "exceptions.md").read_text()

    assert [name for name in vars(exceptions) if name.startswith("Wiro") and f"`{name}`" not in page] == []


def test_text_of_a_docstring_becomes_markdown() -> None:
    text = "See :class:`~a.b.WiroHook` and :func:`~a.run`:\n    ``{x}`` of\n    two lines.\n\nMore."

    assert tables.markdown(text) == (
        "See [`WiroHook`](hooks.md#wirohook) and `run()`: `{x}` of two lines.\n\nMore."
    )
