"""Why the files of an item's task stay at Wiro: other runs may need them, or S3 may not have all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.input_files.sources import flattened, is_landed, is_web_url
from airflow_provider_wiro.landing.shared_inputs import shared_inputs

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.batch.inputs.items import Item

#: How many parameters a reason names.
_MOST_NAMED = 10


def why_kept(
    task: Task, item: Item, base_url: str, *, is_unverified: bool, deletes_shared: bool
) -> str | None:
    """
    Return why nothing of an item's task may be deleted from Wiro; None if all of it may be.

    A file whose bytes were sent with the run is a copy of its own. One that the run was given by its URL can
    be an input of other runs.

    :param task: that has landed, as Detail shows it.
    :param item: as it was sent.
    :param base_url: of the connection.
    :param is_unverified: an output may be truncated in S3.
    :param deletes_shared: the DAG's author says that no other run needs the inputs.
    """
    if task.has_empty_answer:
        return "its answer is empty, so that nothing of it has landed"
    if is_unverified:
        return "an output may be truncated in S3, since neither Wiro nor the CDN says its size"
    if deletes_shared:
        return None
    addresses = [base_url, *(output.url for output in task.outputs)]
    own = _uploaded_with_run(item)
    shared = [name for name in shared_inputs(task.parameters, addresses) if _base(name) not in own]
    if shared:
        names = ", ".join(map(repr, shared[:_MOST_NAMED]))
        return f"it has inputs in Wiro's storage that other runs may need ({names})"
    if not task.shows_parameters:
        return "Wiro doesn't show its parameters, so it may have inputs that other runs need"
    return None


def _uploaded_with_run(item: Item) -> set[str]:
    """Return the file parameters of which every file was sent as bytes, and nothing by a URL."""
    by_url = {_base(name) for name, given in item.files.items() if any(map(_is_url, flattened(given)))}
    return {_base(name) for name in item.files} - by_url - {_base(name) for name in item.parameters}


def _is_url(source: Any) -> bool:
    return is_web_url(source) or (isinstance(source, Mapping) and not is_landed(source))


def _base(name: str) -> str:
    return name.removesuffix("Url")
