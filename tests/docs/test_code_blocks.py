"""Code blocks of README and docs/ work: they are parsed, DAGs are built, commands and arguments exist."""

from __future__ import annotations

import ast
import configparser
import importlib.util
import inspect
import json
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import jinja2
import pytest
import yaml

from airflow_provider_wiro.cli.program import parser as cli_parser
from airflow_provider_wiro.emulator import WiroEmulator
from airflow_provider_wiro.emulator.settings import Settings
from tests.docs.pages import PAGES, ROOT, CodeBlock, code_blocks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOCKS = [block for page in PAGES for block in code_blocks(page)]
MAKEFILE = (ROOT / "Makefile").read_text()
#: Programs that a page may name and that nothing here can ask whether it is right.
FOREIGN_PROGRAMS = {"aws", "cat", "cd", "curl", "docker", "export", "git", "jq", "ls", "pip", "prek"}


def of(*languages: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=str)


def test_every_block_names_a_language_that_is_checked() -> None:
    checked = {"console", "ini", "jinja", "json", "python", "toml", "yaml"}
    shown_as_they_are = {"text"}

    unchecked = [
        f"{block}: {block.language!r}"
        for block in BLOCKS
        if block.language not in checked | shown_as_they_are
    ]

    assert unchecked == []


@of("json")
def test_json_is_json(block: CodeBlock) -> None:
    json.loads(block.source)


@of("toml", "yaml", "ini", "jinja")
def test_configuration_can_be_read(block: CodeBlock) -> None:
    read: dict[str, Callable[[str], object]] = {
        "toml": tomllib.loads,
        "yaml": yaml.safe_load,
        "ini": configparser.ConfigParser().read_string,
        "jinja": jinja2.Environment(autoescape=True).parse,
    }
    read[block.language](block.source)


@of("python")
def test_python_imports_what_there_is_and_passes_arguments_that_there_are(block: CodeBlock) -> None:
    module = ast.parse(block.source, str(block))
    imports = [node for node in ast.walk(module) if isinstance(node, ast.Import | ast.ImportFrom)]
    names: dict[str, Any] = {}
    exec(compile(ast.Module(imports, []), str(block), "exec"), names)  # noqa: S102

    for call in ast.walk(module):
        if isinstance(call, ast.Call) and (called := called_class(call.func, names)):
            accepted = arguments_of(called)
            passed = {keyword.arg for keyword in call.keywords if keyword.arg}
            assert passed <= accepted, f"{block}: {called.__name__} has no {passed - accepted}"


def called_class(expression: ast.expr, names: dict[str, Any]) -> type | None:
    """Return the class of this package in `Class(…)`, `Class.partial(…)` and `Class.partial(…).expand(…)`."""
    if isinstance(expression, ast.Call):
        return called_class(expression.func, names)
    if isinstance(expression, ast.Attribute) and expression.attr in {"partial", "expand", "expand_kwargs"}:
        return called_class(expression.value, names)
    found = names.get(expression.id) if isinstance(expression, ast.Name) else None
    return (
        found if isinstance(found, type) and found.__module__.startswith("airflow_provider_wiro.") else None
    )


def arguments_of(cls: type) -> set[str]:
    own = {
        name
        for base in cls.__mro__
        if "__init__" in vars(base) and base is not object
        for name in inspect.signature(inspect.unwrap(vars(base)["__init__"])).parameters
    }
    # The emulator passes all other arguments to its settings.
    return own | {it.name for it in fields(Settings)} if cls is WiroEmulator else own


@pytest.mark.parametrize(
    "block",
    [it for it in BLOCKS if it.language == "python" and re.search(r"\bDAG\(|@dag\b", it.source)],
    ids=str,
)
def test_a_dag_is_built_and_can_be_stored(block: CodeBlock, tmp_path: Path) -> None:
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    file = tmp_path / "shown_dag.py"
    file.write_text(block.source)
    spec = importlib.util.spec_from_file_location("shown_dag", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dags = list(dags_of(module, DAG))

    assert dags, f"{block} builds no DAG"
    for dag in dags:
        assert dag.task_ids
        json.dumps(DagSerialization.to_dict(dag))
        # "On 2.11 write `from airflow import DAG`; everything else is the same": 2.11 wants a start.
        if type(dag.timetable).__name__ != "NullTimetable" and "AssetWatcher" not in block.source:
            assert dag.start_date, f"{block} is an import error on Airflow 2.11: no start_date"


def dags_of(module: Any, kind: type) -> list[Any]:
    """Return the DAGs of a module: by name, or as that of one of its tasks."""
    values = [getattr(value, "operator", value) for value in vars(module).values()]
    found = [value for value in values if isinstance(value, kind)]
    found += [value.dag for value in values if hasattr(value, "task_id") and hasattr(value, "dag")]
    return list({dag.dag_id: dag for dag in found}.values())


@of("console")
def test_a_console_shows_commands_that_there_are(block: CodeBlock) -> None:
    assert commands_of(block.source), f"{block} has no line that begins with $"
    check_line(block.source, str(block))


def check_line(source: str, where: str = "here") -> None:
    for command in commands_of(source):
        check_command(command, where)


def commands_of(source: str) -> list[list[str]]:
    """Return the words of each command after a `$`, pipes and lists taken apart, without redirections."""
    lines = re.findall(r"^\$ ((?:.*\\\n)*.*)", source, re.MULTILINE)
    commands: list[list[str]] = []
    for line in lines:
        lexer = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, "|"]:
            if set(word) <= set("|&;()"):
                commands.append(words)
                words = []
            else:
                words.append(word)
    return [command for command in commands if command]


def check_command(words: list[str], where: str) -> None:
    while words and re.match(r"[A-Z_0-9]+=", words[0]):
        words = words[1:]
    if not words:
        return
    program, arguments = words[0].rpartition("/")[2], words[1:]
    if program == "make":
        for word in arguments:
            name, is_variable, _ = word.partition("=")
            known = rf"\b{re.escape(name)}\b *[?:]?=" if is_variable else rf"^{re.escape(name)}:"
            assert re.search(known, MAKEFILE, re.MULTILINE), f"{where}: make knows no {word}"
    elif program == "airflow":
        assert airflow_takes(tuple(arguments)), f"{where}: airflow doesn't take {arguments}"
    elif program in {"python", "python3"} and arguments[:1] == ["-m"]:
        check_module(arguments[1], arguments[2:], where)
    elif program in {"python", "python3"}:
        assert arguments[:1] == ["-c"] or (ROOT / arguments[0]).is_file(), where
        if arguments[:1] == ["-c"]:
            ast.parse(arguments[1])
    else:
        assert program in FOREIGN_PROGRAMS, f"{where}: {program} is no program that this test knows"


@cache
def airflow_takes(arguments: tuple[str, ...]) -> bool:
    from airflow.cli.cli_parser import get_parser

    plain = [word for word in arguments if word not in {"<", ">"}]
    try:
        get_parser().parse_args(plain)
    except SystemExit as ended:
        return ended.code == 0
    return True


@cache
def help_of(module: str) -> str:
    command = [sys.executable, "-m", module, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def check_module(module: str, arguments: list[str], where: str) -> None:
    assert importlib.util.find_spec(module), f"{where}: there is no module {module}"
    if module == "airflow_provider_wiro":
        # It exits where it doesn't take them.
        cli_parser().parse_args([*takewhile(lambda word: word != ">", arguments)])
    if module.startswith(("airflow_provider_wiro.", "tests.")):
        for option in re.findall(r"--[a-z-]+", " ".join(arguments)):
            assert option in help_of(module), f"{where}: {module} knows no {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(r"`(?:\$ )?make ([a-z-]+)", page.read_text()))

    assert named <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


class TestTheCheckers:
    """They find what is wrong: else a green run would say nothing."""

    @pytest.mark.parametrize(
        "source",
        [
            "from airflow_provider_wiro.operators.wiro import WiroOperator",
            "from airflow_provider_wiro.operators.wiro import WiroRunOperator\nWiroRunOperator(modle='a/b')",
            "from airflow_provider_wiro.operators.wiro import WiroRunOperator\n"
            "WiroRunOperator.partial(task_id='a').expand(paramters=[])",
            "generate = (",
        ],
    )
    def test_wrong_python_is_found(self, source: str) -> None:
        block = CodeBlock(ROOT / "README.md", 1, "python", source)
        with pytest.raises((AssertionError, ImportError, SyntaxError)):
            test_python_imports_what_there_is_and_passes_arguments_that_there_are(block)

    @pytest.mark.parametrize(
        "line",
        [
            "make tset",
            "make demo KEPT=1",
            "airflow connection add x",
            "python -m airflow_provider_wiro.emulators",
            "python -m airflow_provider_wiro.emulator --prot 8900",
            "wiro run",
            "cd x && wiro run",
        ],
    )
    def test_a_command_that_is_not_there_is_found(self, line: str) -> None:
        with pytest.raises(AssertionError):
            check_line(f"$ {line}\n")

    @pytest.mark.parametrize(
        "line",
        [
            "make demo KEEP=1",
            "airflow connections add wiro_default --conn-type wiro --conn-login KEY --conn-password SECRET",
            "AIRFLOW_HOME=/tmp python -m airflow_provider_wiro.emulator --port 8900",
            "curl localhost | jq .",
        ],
    )
    def test_a_command_that_is_there_is_taken(self, line: str) -> None:
        check_line(f"$ {line}   # a comment\n")
