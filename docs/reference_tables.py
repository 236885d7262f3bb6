"""
Writes the tables of `docs/reference/*.md` from the package: docstrings, signatures, schemas, provider info.

A page is written by hand, except for what stands between two comments::

    <!-- table: parameters airflow_provider_wiro.operators.wiro.WiroRunOperator -->
    (written here)
    <!-- end of table -->

`make docs` writes all of them; `--check` only says which are not up to date. They are kept in the repository,
so that the pages can be read without building them.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import json
import re
import sys
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).resolve().parent / "reference"
TABLE = re.compile(r"(<!-- table: (\w+) ([^>]+?) -->\n).*?(<!-- end of table -->)", re.DOTALL)
FIELD = re.compile(r"^:(param|ivar|return|raises)\s*(\w*):", re.MULTILINE)
ROLE = re.compile(r":(class|attr|mod|exc|func|meth):`~?(?:[\w.]+\.)?(\w+)`")
#: Names that docstrings refer to, and where the reference has them.
SECTIONS = {
    "run_summary": "results.md#run-summary",
    "WiroRunOperator": "operators.md#wirorunoperator",
    "WiroTaskSensor": "operators.md#wirotasksensor",
    "WiroToS3Operator": "operators.md#wirotos3operator",
    "export_summary": "results.md#export-result",
    "WiroHook": "hooks.md#wirohook",
    "WiroError": "exceptions.md",
}


@dataclass
class Docstring:
    """A docstring in the form of this package: text, then a list of fields."""

    text: str = ""
    names: dict[str, str] = field(default_factory=dict)
    returns: str = ""
    raises: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, thing: Any) -> Docstring:
        """Read the docstring of a class or a function."""
        source = inspect.cleandoc(thing.__doc__ or "")
        parts = FIELD.split(source)
        found = cls(markdown(parts[0]))
        for kind, name, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            described = markdown(text)
            if kind == "return":
                found.returns = described
            elif kind == "raises":
                found.raises.append((name, described))
            else:
                found.names[name] = described
        return found


def markdown(text: str) -> str:
    """Return reStructuredText as Markdown, a paragraph a line."""
    text = ROLE.sub(link, text)
    text = re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text.strip()))


def link(role: re.Match[str]) -> str:
    """Return a name as Markdown, with a link where the reference has a section of that name."""
    kind, name = role.groups()
    shown = f"`{name}()`" if kind in {"func", "meth"} else f"`{name}`"
    return f"[{shown}]({SECTIONS[name]})" if name in SECTIONS else shown


def find(path: str) -> Any:
    """Return what a dotted path names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def constructor(cls: type) -> Any:
    """Return the constructor that a class has itself, as it was written."""
    return inspect.unwrap(cls.__dict__["__init__"])


def arguments(function: Any) -> dict[str, inspect.Parameter]:
    """Return the named arguments of a function or method."""
    found = inspect.signature(function).parameters
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {name: it for name, it in found.items() if name != "self" and it.kind in named}


def defaults(function: Any) -> dict[str, str]:
    """Return the defaults of a function's arguments, as a reader would write them."""
    written = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function))).body[0]
    if not isinstance(written, ast.FunctionDef | ast.AsyncFunctionDef):
        raise TypeError(f"{function} is no function")
    positional = written.args.args[len(written.args.args) - len(written.args.defaults) :]
    pairs = [*zip(positional, written.args.defaults, strict=True)]
    pairs += [
        (argument, default)
        for argument, default in zip(written.args.kwonlyargs, written.args.kw_defaults, strict=True)
        if default is not None
    ]
    values = arguments(function)
    shown = {}
    for argument, default in pairs:
        if isinstance(default, ast.Call):  # conf.getboolean("operators", "default_deferrable", …)
            section, option = (ast.literal_eval(it) for it in default.args[:2])
            shown[argument.arg] = f"[{section}] {option}"
        elif isinstance(default, ast.Attribute):  # a function of another module
            shown[argument.arg] = "..."
        elif isinstance(default, ast.Name):  # a constant of the module
            shown[argument.arg] = json.dumps(values[argument.arg].default)
        else:
            shown[argument.arg] = ast.unparse(default).replace("'", '"').replace(" ** ", "**")
    return shown


@functools.cache
def imported_literals(module: str) -> dict[str, str]:
    """Return what the names stand for that a module imports and that are a ``Literal``."""
    found = {}
    for imported in ast.walk(ast.parse(inspect.getsource(importlib.import_module(module)))):
        if isinstance(imported, ast.ImportFrom) and (imported.module or "").startswith(
            "airflow_provider_wiro"
        ):
            origin = importlib.import_module(imported.module or "")
            for it in imported.names:
                value = getattr(origin, it.name, None)
                if typing.get_origin(value) is typing.Literal:
                    found[it.name] = " | ".join(json.dumps(choice) for choice in typing.get_args(value))
    return found


def type_of(annotation: str, function: Any) -> str:
    """Return a type as it is annotated; a ``Literal`` as its values."""
    if literal := re.fullmatch(r"Literal\[(.+)\]", annotation):
        return literal[1].replace("'", '"').replace(", ", " | ")
    return imported_literals(function.__module__).get(annotation, annotation)


def cell(text: str) -> str:
    """Return a text for one cell of a table."""
    return text.replace("\n\n", "<br>").replace("|", "\\|")


def rows(head: tuple[str, ...], body: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ("---",) * len(head), *body]
    return "".join(f"| {' | '.join(cell(it) for it in line)} |\n" for line in lines)


def sentence(text: str) -> str:
    """Return a description as a sentence: with a capital and a full stop."""
    if not text:
        return text
    text = text if text[0] == "`" else text[0].upper() + text[1:]
    return text if text.endswith((".", ")", ":")) else f"{text}."


def parameters(path: str) -> str:
    """Return the table of a class's constructor."""
    cls = find(path)
    function = constructor(cls)
    documented = Docstring.of(cls).names
    shown = defaults(function)
    body = []
    for name, argument in arguments(function).items():
        text = sentence(documented[name].replace(" (templated)", ""))
        if name in getattr(cls, "template_fields", ()):
            text += " Templated."
        default = f"`{shown[name]}`" if name in shown else "required"
        kind = f"`{type_of(str(argument.annotation), function)}`\n\n{default}"
        body.append((f"`{name}`", kind, text))
    return rows(("Parameter", "Type, default", "Description"), body)


def described(path: str) -> str:
    """Return the text of a docstring, with what the class returns and raises."""
    found = Docstring.of(find(path))
    parts = [found.text]
    if found.returns:
        parts.append(f"**Returns** {found.returns}")
    parts += [f"**Raises** `{name}`: {text}" for name, text in found.raises]
    return "\n\n".join(parts) + "\n"


def signature(name: str, function: Any) -> str:
    """Return the first line of a method's definition, without ``self``."""
    shown = defaults(function)
    words = []
    for it, argument in arguments(function).items():
        if argument.kind is argument.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(f"{it}={shown[it]}" if it in shown else it)
    returned = inspect.signature(function).return_annotation
    line = f"def {name}({', '.join(words)}) -> {returned}: ..."
    if len(line) <= 100:
        return line
    return f"def {name}(\n    " + ",\n    ".join(words) + f",\n) -> {returned}: ..."


def methods(wanted: str) -> str:
    """Return a section for each of the named methods of a class."""
    path, *names = wanted.split()
    sections = []
    for name in names:
        function = inspect.unwrap(getattr(find(path), name))
        found = Docstring.of(function)
        section = f"### `{name}`\n\n```python\n{signature(name, function)}\n```\n\n{found.text}\n"
        if found.names:
            listed = [(f"`{it}`", sentence(text)) for it, text in found.names.items()]
            section += "\n" + rows(("Parameter", "Description"), listed)
        for error, text in found.raises:
            section += f"\nRaises `{error}`: {text}\n"
        sections.append(section)
    return "\n".join(sections)


def attributes(path: str) -> str:
    """Return the table of a dataclass's fields and properties."""
    cls = find(path)
    documented = Docstring.of(cls).names
    body = [
        (f"`{it.name}`", f"`{it.type}`", sentence(documented.get(it.name, "")))
        for it in dataclasses.fields(cls)
        if it.name[0] != "_"
    ]
    for name, member in vars(cls).items():
        if isinstance(member, property) and name[0] != "_" and member.__doc__:
            type_ = inspect.signature(member.fget).return_annotation
            body.append((f"`{name}`", f"`{type_}`", Docstring.of(member).text))
    return rows(("Attribute", "Type", "Description"), body)


def errors(path: str) -> str:
    """Return the table of an error and all that are derived from it, those below their base."""

    def line(cls: Any, depth: int) -> list[tuple[str, ...]]:
        text = Docstring.of(cls).text
        found = [("&emsp;" * depth + f"`{cls.__name__}`", "yes" if cls.may_retry else "no", text)]
        for derived in cls.__subclasses__():
            if derived.__module__ == cls.__module__:  # private ones of other modules are not for users
                found += line(derived, depth + 1)
        return found

    return rows(("Error", "May a retry help?", "When"), line(find(path), 0))


def options(section: str) -> str:
    """Return the table of a section of Airflow's configuration, from the provider info."""
    from airflow_provider_wiro.get_provider_info import get_provider_info

    found = get_provider_info()["config"][section]["options"]
    body = [
        (
            f"`{name}`",
            f"`AIRFLOW__{section.upper()}__{name.upper()}`",
            option["type"],
            f"`{option['default']}`" if option["default"] is not None else "none",
            option["description"],
        )
        for name, option in found.items()
    ]
    return rows(("Option", "Environment variable", "Type", "Default", "Description"), body)


def extras(conn_type: str) -> str:
    """Return the table of a connection's extra fields, from the provider info."""
    from airflow_provider_wiro.get_provider_info import get_provider_info

    [found] = [it for it in get_provider_info()["connection-types"] if it["connection-type"] == conn_type]
    body = [(f"`{name}`", it["description"]) for name, it in found["conn-fields"].items()]
    return rows(("Extra field", "Description"), body)


def schema(name: str) -> str:
    """Return the table of a JSON schema's fields; those of an object in an object stand below it."""
    top = json.loads((REFERENCE / "schemas" / f"{name}.schema.json").read_text())

    def lines(of: dict[str, Any], prefix: str) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        for key, part in of.get("properties", {}).items():
            optional = "" if key in of.get("required", ()) else " Not always there."
            types = part.get("type", [json.dumps(part["const"])] if "const" in part else [])
            types = " or ".join([types] if isinstance(types, str) else types)
            values = ", ".join(f"`{json.dumps(it)}`" for it in part.get("enum", ()))
            text = part.get("description", "") + (f" One of {values}." if values else "") + optional
            found.append((f"`{prefix}{key}`", types, text))
            inner = part.get("items", part)
            found += lines(inner, f"{prefix}{key}{'[]' if 'items' in part else ''}.")
        return found

    return f"Schema: [`{name}.schema.json`](schemas/{name}.schema.json)\n\n" + rows(
        ("Field", "Type", "Description"), lines(top, "")
    )


WRITERS = {
    writer.__name__: writer
    for writer in (parameters, described, methods, attributes, errors, options, extras, schema)
}


def written(page: str) -> str:
    """Return a page with its tables as they should be."""

    def table(found: re.Match[str]) -> str:
        return f"{found[1]}\n{WRITERS[found[2]](found[3])}\n{found[4]}"

    return TABLE.sub(table, page)


def main() -> int:
    """Write the pages, or say which are not up to date."""
    stale = []
    for path in sorted(REFERENCE.glob("*.md")):
        page = path.read_text()
        wanted = written(page)
        if page != wanted:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(wanted)
    if stale and "--check" in sys.argv:
        print(f"Not up to date: {', '.join(stale)}. `make docs` writes their tables.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
