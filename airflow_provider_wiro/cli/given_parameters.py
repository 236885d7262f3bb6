"""Reads ``key=value`` arguments as parameters and files of a run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.catalog.schema.kinds import Takes, what_it_takes
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.api.catalog import Model

#: Wiro's types of file parameters end with this.
_FILE_TYPE = "fileinput"


@dataclass(frozen=True)
class GivenRun:
    """
    A run as the command line names it.

    :ivar parameters: as text, or as what its JSON says for a value that begins like a list or an object
        and isn't for a text.
    :ivar files: file parameter → what was given, in order.
    """

    parameters: dict[str, Any]
    files: dict[str, list[str]]


def read_given(arguments: Sequence[str], model: Model) -> GivenRun:
    """
    Return the parameters and files that the arguments name.

    :param model: says which parameters are files.
    :raises WiroUsageError: an argument has no ``=``, no name, or broken JSON; or a name comes twice.
    """
    of_files = {one.id: one.kind for one in model.parameters if one.kind.endswith(_FILE_TYPE)}
    of_text = {one.id for one in model.parameters if what_it_takes(one) is Takes.TEXT}
    found = GivenRun({}, {})
    for argument in arguments:
        name, equals, value = argument.partition("=")
        name = name.strip()
        if not equals or not name:
            raise WiroUsageError(f"Expected KEY=VALUE, such as samples=2, found {argument!r:.100}.")
        of_file = name if name in of_files else name.removesuffix("Url")
        if of_file in of_files:
            found.files.setdefault(of_file, []).extend(_files(value, of_files[of_file]))
        elif name in found.parameters:
            raise WiroUsageError(
                f"Parameter {name!r:.100} is given twice; only a file parameter can be repeated."
            )
        else:
            # A text may begin like JSON: "[verse] …".
            found.parameters[name] = value if name in of_text else _value(name, value)
    return found


def _files(value: str, kind: str) -> list[str]:
    """Return the URLs that a ``multifileinput`` takes in one text; anything else is one file."""
    urls = [part.strip() for part in value.split(",")]
    is_list = kind == "multifileinput" and all(url.startswith(("https://", "http://")) for url in urls)
    return urls if is_list else [value]


def _value(name: str, value: str) -> Any:
    if not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise WiroUsageError(
            f"Parameter {name!r:.100} begins like JSON and isn't: {value!r:.100}. Quote it for the shell: "
            f'{name:.100}=\'["a", "b"]\'.'
        ) from None
