"""Rules of this project that no linter knows: folders, docstrings, constructors, words."""

from __future__ import annotations

import ast
import re
import tokenize
from typing import TYPE_CHECKING

from tests.airflow_home import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = ROOT / "airflow_provider_wiro"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({module.parent for module in MODULES})
#: For people; CONTRIBUTING.md has the words themselves.
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

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

#: From Python 3.12 on, the text of an f-string is a token of its own.
COMMENTS_AND_TEXTS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_folder_has_no_more_files_than_a_person_takes_in_at_a_glance() -> None:
    counts = {name(folder): len(set(folder.glob("*.py")) - {folder / "__init__.py"}) for folder in FOLDERS}
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_a_module_says_in_a_sentence_what_is_in_it() -> None:
    first = {
        name(module): (ast.get_docstring(ast.parse(module.read_text())) or "").split("\n\n")[0]
        for module in MODULES
    }
    assert {
        module: sentence
        for module, sentence in first.items()
        if not sentence.endswith((".", ":")) or len(sentence.split()) < 3
    } == {}


def test_a_constructor_takes_few_collaborators() -> None:
    too_many = {}
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if not isinstance(node, ast.ClassDef) or AIRFLOW_CLASSES.search(node.name):
                continue
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                    given = [*method.args.posonlyargs, *method.args.args[1:], *method.args.kwonlyargs]
                    if len(given) > MOST_COLLABORATORS:
                        too_many[f"{name(module)}: {node.name}"] = [one.arg for one in given]
    assert too_many == {}


def test_words_are_those_of_the_field() -> None:
    found = []
    for module in MODULES:
        with module.open("rb") as file:
            found += [
                f"{name(module)}:{token.start[0]}: {match[0]}"
                for token in tokenize.tokenize(file.readline)
                if token.type in COMMENTS_AND_TEXTS
                for match in HOUSE_WORDS.finditer(token.string)
            ]
    assert found == []


def test_words_of_the_pages_are_those_of_the_field_as_well() -> None:
    found = [
        f"{name(page)}:{number}: {match[0]}"
        for page in PAGES
        for number, line in enumerate(page.read_text().splitlines(), 1)
        for match in HOUSE_WORDS.finditer(line)
    ]
    assert found == []
