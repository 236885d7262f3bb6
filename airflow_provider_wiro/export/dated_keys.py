"""The placeholder ``{created:%Y/%m/%d}`` of keys: when Wiro created a task, in any form of strftime."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.key_separation import is_apart
from airflow_provider_wiro.storage.object_keys import refuse_parent_folders

#: Stands for the time of a task of which Wiro doesn't say when it was created.
UNDATED = "undated"

_CREATED = re.compile(r"\{created(?::([^{}]*))?\}")
#: A time whose every part has two different digits or more, to try a form with.
_SOME_TIME = datetime(2026, 11, 27, 14, 38, 59, 123456, tzinfo=UTC)
_EXAMPLE = "{created:%Y/%m/%d}"


def dates_in(template: str) -> frozenset[str]:
    """
    Return the placeholders of a template that name a date, and the usual one, without their braces.

    :raises WiroUsageError: a form is missing, or gives nothing that may be in a key.
    """
    with_example_date(template)
    return frozenset({_EXAMPLE.strip("{}"), *(match[0].strip("{}") for match in _CREATED.finditer(template))})


def with_example_date(template: str, *, argument: str = "s3_key") -> str:
    """
    Return a key template with an example in place of each ``{created:…}``, to check the rest of it.

    :param argument: what the user knows the template as, for the message.
    :raises WiroUsageError: a form is missing, or gives nothing that may be in a key.
    """
    return _CREATED.sub(lambda match: _example(match[1], argument), template)


def with_date(template: str, created: datetime | None) -> str:
    """
    Return a key template with a task's time, in UTC, in place of each ``{created:…}``.

    :param template: that :func:`with_example_date` has accepted.
    :param created: None if Wiro doesn't say it. Then it is ``undated``: the key of an output depends on
        nothing but its task, so that it is found again.
    """
    if created is None:
        return _CREATED.sub(UNDATED, template)
    moment = created.astimezone(UTC)
    return _CREATED.sub(lambda match: moment.strftime(match[1] or ""), template)


def check_separation(template: str) -> None:
    """
    Refuse a key by which outputs of two tasks can meet: the first output of each may be ``0.png``.

    :raises WiroUsageError: ``{wiro_task_id}`` is not in it, or not separated from other placeholders.
    """
    # A date has slashes; in place of it, a placeholder without.
    if is_apart(_CREATED.sub("{created}", template), {"wiro_task_id"}):
        return
    raise WiroUsageError(
        "Expected {wiro_task_id} in s3_key, separated from other placeholders, as in "
        f"'wiro/{_EXAMPLE}/{{wiro_task_id}}/{{index}}-{{name}}', found {template[:200]!r}: outputs of two "
        "tasks could have one key."
    )


def _example(form: str | None, argument: str) -> str:
    if not form:
        raise WiroUsageError(
            f"Expected the form of the date in {argument}, as in '{_EXAMPLE}', found '{{created}}' without "
            "one."
        )
    try:
        filled = _SOME_TIME.strftime(form)
    except ValueError:  # what the platform's strftime doesn't know
        filled = ""
    is_readable = all(unicodedata.category(character)[0] != "C" for character in filled)
    # What strftime doesn't know stays as it is; `%s` is counted in the time zone of each worker.
    if not is_readable or not filled.strip("/ ") or "%" in filled or "%s" in form:
        raise WiroUsageError(
            f"Expected a date in {argument} as in '{_EXAMPLE}', found '{{created:{form[:100]}}}', which "
            f"gives {filled!r}. Use directives of strftime that name a date or a time in UTC."
        )
    refuse_parent_folders(filled, argument=argument)
    return filled
