"""What docs/operations says of tests and error messages is what tests and code have."""

from __future__ import annotations

import ast
import functools
import re
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations"
PACKAGE = ROOT / "airflow_provider_wiro"

RELIABILITY = (OPERATIONS / "reliability.md").read_text()
RELIABILITY_TESTS = (OPERATIONS / "reliability-tests.md").read_text()
#: A text that a message begins with is shown as code. Two backticks enclose one that has backticks in it.
SHOWN = re.compile(r"``(.+?)``|`([^`]+)`")
#: Shorter pieces of a message are in the code anyway.
SHORTEST_PIECE = 8


def rows(page: str) -> Iterator[list[str]]:
    """Yield the cells of each row of a page's tables, headings left out."""
    lines = page.splitlines()
    for above, line in pairwise(lines):
        if line.startswith("| ") and not set(line) <= set("| -") and set(above) & set("|"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]


def test_each_case_of_the_reliability_page_has_tests() -> None:
    promised = [cells[0] for cells in rows(RELIABILITY[RELIABILITY.index("## Submitting") :])]
    tested = {cells[0]: cells[1:] for cells in rows(RELIABILITY_TESTS)}
    assert promised == list(tested)
    assert [case for case, names in tested.items() if not any(names)] == []


def test_the_tests_that_are_named_for_a_case_exist() -> None:
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", RELIABILITY_TESTS))
    files = list((ROOT / "tests").rglob("test_*.py"))
    functions = chain.from_iterable(re.findall(r"def (test_\w+)\(", file.read_text()) for file in files)
    assert named - {file.name for file in files} - set(functions) == set()


def test_the_fault_scenarios_that_are_named_exist() -> None:
    named = {name for cells in rows(RELIABILITY_TESTS) for name in re.findall(r"`(\w+)`", cells[2])}
    programs = "\n".join(file.read_text() for file in (ROOT / "tests").rglob("faults/*.py"))
    assert {name for name in named if f'"{name}"' not in programs} == set()


@functools.cache
def texts_of_the_code() -> str:
    """Return all texts of the package, with a … for each value that is filled in."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


MESSAGES = [
    double or single
    for cells in rows((OPERATIONS / "errors.md").read_text())
    if len(cells) == 3 and cells[1].startswith(("permanent", "passing", "waits", "an import", "as what"))
    for double, single in SHOWN.findall(cells[0])
]


def test_the_error_page_is_read() -> None:
    assert len(MESSAGES) > 70


@pytest.mark.parametrize("message", MESSAGES)
def test_a_documented_message_is_one_that_the_code_has(message: str) -> None:
    # Values are filled in; "Can't " stands before what was tried.
    pieces = [piece.strip(" '\":,") for piece in re.split(r"…|\d+|\(HTTP|code|'…|^Can't ", message)]
    code = texts_of_the_code()
    missing = [piece for piece in pieces if len(piece) >= SHORTEST_PIECE and piece not in code]
    assert missing == []
