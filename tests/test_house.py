"""Rules of this project that no linter knows: folders, docstrings, constructors, words."""

from __future__ import annotations

import ast
import re
import tokenize
from typing import TYPE_CHECKING

import pytest

from tests.airflow_home import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "airflow_provider_wiro"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({module.parent for module in MODULES})

#: Nobody finds a module in a folder with more files.
MOST_FILES = 15
#: A class with more constructor arguments knows too many others.
MOST_COLLABORATORS = 8

#: Classes whose constructors take a user's arguments from a DAG file, or what Airflow stores.
AIRFLOW_CLASSES = re.compile(r"(Operator|Sensor|Trigger|Hook)$")

#: Words that this project once used in its own sense; the field has better ones (see CONTRIBUTING.md).
HOUSE_WORDS = re.compile(
    r"\b(told|tells|telling|hears|heard|hearing|whoever|lest|so many|of ours|in hand|anew)\b|"
    r"\b(goes|going) on\b",
    re.IGNORECASE,
)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_has_few_modules(folder: Path) -> None:
    files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= MOST_FILES, files


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_module_says_in_a_sentence_what_is_in_it(module: Path) -> None:
    docstring = ast.get_docstring(ast.parse(module.read_text()))
    assert docstring, "no docstring"
    first = docstring.split("\n\n")[0]
    assert first.endswith((".", ":")), first
    assert len(first.split()) >= 3, first


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_a_constructor_takes_few_collaborators(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text())):
        if not isinstance(node, ast.ClassDef) or AIRFLOW_CLASSES.search(node.name):
            continue
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                given = [*method.args.posonlyargs, *method.args.args[1:], *method.args.kwonlyargs]
                assert len(given) <= MOST_COLLABORATORS, f"{node.name}: {[one.arg for one in given]}"


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_words_are_those_of_the_field(module: Path) -> None:
    with module.open("rb") as file:
        found = [
            f"{token.start[0]}: {match[0]}"
            for token in tokenize.tokenize(file.readline)
            if token.type in {tokenize.COMMENT, tokenize.STRING}
            for match in HOUSE_WORDS.finditer(token.string)
        ]
    assert not found
