"""
Checks of arguments that are written out in a DAG file.

What is known only when the task runs (templates, XComs, values of mapped tasks) passes here, and is checked
then, before anything is billed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_wiro.api.json_values import is_operator, json_value
from airflow_provider_wiro.api.parameters import check_web_url, clean_parameters, described, split_slug
from airflow_provider_wiro.exceptions import WiroUsageError

_TEMPLATE_MARKS = ("{{", "{%", "{#")


def is_known_later(value: object) -> bool:
    """Whether a value is a template, an XCom or anything else that Airflow replaces when the task runs."""
    if isinstance(value, str):
        return any(mark in value for mark in _TEMPLATE_MARKS)
    if isinstance(value, os.PathLike):  # those of pathlib have a `resolve` of their own
        return False
    # XComArg and DagParam have `resolve`; Airflow calls a template field that is a function.
    return hasattr(value, "resolve") or (callable(value) and not is_operator(value))


def check_closed(name: str, value: object) -> None:
    """
    Raise for a template without an end, with which Jinja would fail when the task runs.

    :raises WiroUsageError: names the argument and quotes the template.
    """
    if not isinstance(value, str) or "{%" in value:  # as in {% raw %}
        return
    _, opened, rest = value.rpartition("{{")
    if opened and "}}" not in rest:
        raise WiroUsageError(
            f"Expected a template in {name} to end with `}}}}`, found {(opened + rest)[:100]!r}."
        )


#: The beginning of a usual template, in single braces: an f-string turns two braces into one. It is compiled
#: when a task runs, since importing is to cost little.
_SINGLE_BRACES = (
    r"(?<!\{)\{\s*(?:params|ti|task_instance|dag_run|ds|ts|run_id|var|conn|macros|data_interval_\w+"
    r"|logical_date)\b[^{}]*\}(?!\})"
)


def likely_templates(parameters: Mapping[str, Any]) -> list[str]:
    """Return a warning for each rendered parameter that seems to have a template in single braces."""
    return [
        f"Parameter {name!r} has {found[0][:100]!r}, which is sent as it is. A template has two braces on "
        "each side, `{{ … }}`; inside an f-string four."
        for name, value in parameters.items()
        if isinstance(value, str) and (found := re.search(_SINGLE_BRACES, value))
    ]


def check_model(model: object) -> None:
    """
    Raise for a model that can't be right.

    :raises WiroUsageError: says what to write instead.
    """
    _check_no_operator("model", model)
    check_closed("model", model)
    if not is_known_later(model):
        split_slug(model)


def check_parameter_values(parameters: object) -> None:
    """
    Raise for parameters that can't be sent.

    :raises WiroUsageError: names the parameter and says what to write instead.
    """
    _check_no_operator("parameters", parameters)
    check_closed("parameters", parameters)
    if parameters is None or is_known_later(parameters):
        return
    if not isinstance(parameters, Mapping):
        clean_parameters(parameters)
        return
    for name, value in parameters.items():
        if not is_known_later(name):
            json_value(str(name), _without_templates(f"parameter {name!r}", value))


def check_files(files: object) -> None:
    """
    Raise for files that are no mapping, and for an operator where its return value is meant.

    :raises WiroUsageError: says what to write instead.
    """
    _check_no_operator("files", files)
    if files is None or is_known_later(files):
        return
    if not isinstance(files, Mapping):
        raise WiroUsageError(
            'Expected `files` as a dict of file parameter to file, such as {"inputImage": "/data/cat.png"}, '
            f"found {described(files)}."
        )
    for name, given in files.items():
        for source in given if isinstance(given, list | tuple) else (given,):
            _check_no_operator(f"files[{name!r}]", source)
            check_closed(f"files[{name!r}]", source)
            check_written_file(f"File parameter {name!r}", source)


def check_written_file(where: str, source: object) -> None:
    """
    Raise for a file that no worker can open: bytes, an open file, a relative path.

    :param where: names the argument, as the beginning of the message.
    :raises WiroUsageError: says what to write instead.
    """
    if isinstance(source, bytes | bytearray) or hasattr(source, "readline"):
        kind = type(source).__name__
        raise WiroUsageError(f"{where}: Expected the path or URL of a file, found {kind}. Give its path.")
    if is_known_later(source) or not isinstance(source, str | os.PathLike) or hasattr(source, "protocol"):
        return
    path = os.fspath(source)
    if "://" not in path and path.strip() and not path.startswith(("/", "data:", "DATA:")):
        raise WiroUsageError(
            f"{where}: Expected a file by its absolute path, or as an object-storage URI or an http(s) URL, "
            f"found {path[:200]!r}. A relative path is another file for each worker."
        )


def check_uploads(files: object) -> None:
    """
    Raise for files that can't be uploaded.

    :raises WiroUsageError: says what to write instead.
    """
    _check_no_operator("files", files)
    if files is None:
        raise WiroUsageError("Expected `files` as the path or URI of a file, or a list of these, found None.")
    for number, source in enumerate(files if isinstance(files, list | tuple) else (files,)):
        check_closed("files", source)
        check_written_file(f"File {number} of `files`", source)


def check_callback_url(url: object) -> None:
    """
    Raise for an address that Wiro can't POST to.

    :raises WiroUsageError: it is no http(s) URL.
    """
    if url and not is_known_later(url):
        check_web_url(url if isinstance(url, str) else str(url), "`callback_url`")


def check_inputs(inputs: object) -> None:
    """
    Raise for inputs of a batch that are neither a list nor the path or URI of a file.

    :raises WiroUsageError: says what to write instead.
    """
    _check_no_operator("inputs", inputs)
    if inputs is None or isinstance(inputs, Mapping | bytes | bool | int | float):
        raise WiroUsageError(
            "Expected `inputs` as a list of dicts, one for each run, or the path or URI of a file of JSON "
            f"Lines, found {described(inputs)}."
        )
    if hasattr(inputs, "__next__"):
        raise WiroUsageError(
            f"Expected `inputs` as a list of dicts, found {described(inputs)}, which can be read only once: "
            "a retry would find nothing. Write list(…)."
        )
    for number, item in enumerate(inputs if isinstance(inputs, list | tuple) else ()):
        _check_no_operator(f"item {number} of inputs", item)
        if not isinstance(item, Mapping) and not is_known_later(item):
            raise WiroUsageError(
                f"Item {number} of inputs: expected a dict of the model's parameters, such as "
                f'{{"prompt": "a teapot"}}, found {described(item)}.'
            )


def check_wiro_task_id(wiro_task_id: object) -> None:
    """
    Raise for a value that is neither the id of a Wiro task nor a run summary.

    :raises WiroUsageError: says what to write instead.
    """
    _check_no_operator("wiro_task_id", wiro_task_id)
    check_closed("wiro_task_id", wiro_task_id)
    if is_known_later(wiro_task_id) or (isinstance(wiro_task_id, str) and wiro_task_id.strip().isdigit()):
        return
    from airflow_provider_wiro.api.run_summary import task_id_of  # a literal that is no number is rare

    task_id_of(wiro_task_id)


def check_conn_id(wiro_conn_id: object) -> None:
    """
    Raise for a ``wiro_conn_id`` that is no text.

    :raises WiroUsageError: says what was found.
    """
    if not is_known_later(wiro_conn_id) and not (isinstance(wiro_conn_id, str) and wiro_conn_id.strip()):
        raise WiroUsageError(
            f"Expected `wiro_conn_id` as the id of an Airflow connection, found {described(wiro_conn_id)}."
        )


def check_project_id(project_id: object) -> None:
    """
    Raise for a ``project_id`` that is no project's: no task is of a list of projects, and all are left out.

    :raises WiroUsageError: says what was found.
    """
    is_number = isinstance(project_id, int) and not isinstance(project_id, bool)
    if not (project_id is None or is_number or isinstance(project_id, str) or is_known_later(project_id)):
        raise WiroUsageError(
            f"Expected project_id as the id of one project, found {described(project_id)}. For several, use "
            "one operator each or `.expand(project_id=[…])`."
        )


def check_flags(**flags: object) -> None:
    """
    Raise for a flag that is neither True nor False: any text would be true, also ``"false"`` and a template.

    :raises WiroUsageError: names the argument.
    """
    for name, value in flags.items():
        if value not in (True, False):
            hint = " It is no template field." if isinstance(value, str) and "{" in value else ""
            raise WiroUsageError(f"Expected {name} as True or False, found {described(value)}.{hint}")


def _check_no_operator(name: str, value: object) -> None:
    if hasattr(value, "operator_class") and callable(function := getattr(value, "function", None)):
        called = getattr(function, "__name__", "task")
        raise WiroUsageError(
            f"Expected {name} as a value, found the @task function {called!r}. Call it: `{called}()`."
        )
    if is_operator(value):
        task_id = getattr(value, "task_id", "")
        raise WiroUsageError(
            f"Expected {name} as a value, found the operator {task_id!r}. For what it returns, write "
            f"`{task_id}.output`."
        )


def _without_templates(name: str, value: Any) -> Any:
    """Return a value with an empty text in place of everything that is known only when the task runs."""
    if isinstance(value, Mapping):
        return {key: _without_templates(name, inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_templates(name, inner) for inner in value]
    check_closed(name, value)
    return "" if not isinstance(value, str) and is_known_later(value) and not callable(value) else value
