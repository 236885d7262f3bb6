"""Whether a task's files may be deleted from Wiro once its outputs have landed. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.landing.shared_inputs import shared_inputs

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow_provider_wiro.api.models import Task

_MOST_NAMED = 10


def reason_to_keep(
    task: Task,
    unverified: Collection[int],
    base_url: str,
    *,
    deletes_shared_inputs: bool,
    own_inputs: Collection[str] = (),
) -> str | None:
    """
    Return why a task's files must stay at Wiro, as a part of a sentence; None if they may be deleted.

    :param task: all of whose outputs have landed.
    :param unverified: indexes of those that may be truncated.
    :param base_url: of the API.
    :param deletes_shared_inputs: the user says that no other run needs its inputs.
    :param own_inputs: file parameters whose files are this run's alone, since their bytes were sent with it.
    """
    if unverified:
        which = ", ".join(str(index) for index in sorted(unverified))
        return f"output {which} may be truncated, since neither Wiro nor the CDN says its size"
    if task.has_empty_answer:
        return "its answer is empty, so that nothing of it has landed"
    if deletes_shared_inputs:
        return None
    if not task.shows_parameters:
        return "Wiro doesn't show its parameters, and its inputs may be other runs', too"
    addresses = [base_url, *(output.url for output in task.outputs)]
    names = [name for name in shared_inputs(task.parameters, addresses) if base_name(name) not in own_inputs]
    if names:
        named = ", ".join(map(repr, names[:_MOST_NAMED]))
        return f"it has inputs in Wiro's storage that other runs may need ({named})"
    return None


def base_name(name: str) -> str:
    """Return a file parameter's name without the suffix by which Wiro shows it if a URL was given."""
    return name.removesuffix("Url")
