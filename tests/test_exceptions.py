from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from airflow_provider_wiro import exceptions
from airflow_provider_wiro.exceptions import WiroApiError, WiroError, WiroServerError, WiroTaskError

ERRORS = [
    found for _, found in inspect.getmembers(exceptions, inspect.isclass) if issubclass(found, WiroError)
]


def _drawn() -> dict[str, tuple[str, str | None]]:
    """Return class → (parent, yes/no) as the module's docstring draws them."""
    tree: dict[str, tuple[str, str | None]] = {}
    parents: list[tuple[int, str]] = []
    for line in (exceptions.__doc__ or "").splitlines():
        found = re.match(r"^(?P<indent>[ │├└─]*)(?P<name>Wiro\w+)(?:\s+(?P<retry>yes|no)\b)?", line)
        if found is None:
            continue
        depth = len(found["indent"])
        parents = [parent for parent in parents if parent[0] < depth]
        tree[found["name"]] = (parents[-1][1] if parents else "Exception", found["retry"])
        parents.append((depth, found["name"]))
    return tree


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    assert {name: parent for name, (parent, _) in _drawn().items()} == {
        error.__name__: error.__mro__[1].__name__ for error in ERRORS
    }


def test_the_docstring_says_of_each_error_whether_a_retry_may_help() -> None:
    documented = {name: retry == "yes" for name, (_, retry) in _drawn().items() if retry}

    assert documented == {error.__name__: error.may_retry for error in ERRORS if error.__name__ in documented}
    leaves = {error for error in ERRORS if not error.__subclasses__()}
    assert {leaf.__name__ for leaf in leaves} <= set(documented)


@pytest.mark.parametrize("error_class", ERRORS)
def test_every_error_can_be_pickled(error_class: type[WiroError]) -> None:
    if issubclass(error_class, WiroTaskError):
        error: WiroError = error_class("what happened", wiro_task_id="2221")
    elif issubclass(error_class, WiroApiError):
        error = error_class("what happened", code=97, http_status=200)
    else:
        error = error_class("what happened")

    for arrived in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301  # our own bytes
        assert type(arrived) is error_class
        assert str(arrived) == "what happened"
        assert vars(arrived) == vars(error)


def test_an_api_error_knows_wiros_code_and_the_http_status() -> None:
    error = WiroServerError("down", code=0, http_status=503)
    assert (error.code, error.http_status) == (0, 503)
