"""The section of a batch or an export: a page of its manifest, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.cards.connections import (
    manifest_reader_of,
    reader_of,
    without_connection,
)
from airflow_provider_wiro.gallery.cards.line_card import ManifestOwner, line_card
from airflow_provider_wiro.gallery.cards.results import EstimateResult, ListResult, files_in, read_result
from airflow_provider_wiro.gallery.cards.states import instance_state, is_over
from airflow_provider_wiro.gallery.cards.texts import (
    LONGEST_ERROR,
    LONGEST_TITLE,
    mapping,
    shown,
    text,
    truncated,
    whole,
)
from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.gallery.manifests import UnreadableManifestError, open_manifest
from airflow_provider_wiro.gallery.page import Progress, Section
from airflow_provider_wiro.gallery.pages.manifest_place import is_own_manifest, likely_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from airflow_provider_wiro.gallery.cards.media import MediaRules
    from airflow_provider_wiro.gallery.cards.results import Result
    from airflow_provider_wiro.gallery.left.rows import DagRunRow, Instance, Values
    from airflow_provider_wiro.gallery.manifests import Manifest, ManifestPage
    from airflow_provider_wiro.gallery.pages.origins import Origins

_NOT_OWN = (
    "Its manifest isn't read: the result names a place that the task's own arguments, as far as Airflow "
    "still has them, don't lead to."
)
_NO_READER = "Its manifest isn't read: Airflow no longer knows by which connection the task wrote it."
_RUNNING = "The items are shown once the task has ended: it writes their manifest then."
_NOTHING = "The task left no manifest."
_NO_RESULT = "The task left no result, which would say where its manifest is."
_ESTIMATE = "Nothing was run: the task returned an estimate."


def list_section(
    run: DagRunRow,
    instance: Instance,
    values: Values,
    rules: MediaRules,
    origins: Origins,
    *,
    at: str = "",
    reads: bool = True,
    most: int | None = None,
) -> Section:
    """
    Return the section of a batch or an export.

    :param at: the page of its manifest.
    :param reads: whether the manifest is read. Otherwise the section has no cards, and a next page.
    :param most: how many cards it has at most; None: a whole page.
    """
    result = read_result(values.xcoms.get("return_value")) if instance.state == "success" else None
    uri, note = _place(run, instance, values, result)
    page, problem = (None, "") if uri is None or not reads else _read(instance, values, uri, at)
    if problem and isinstance(result, ListResult):
        note = problem
    elif problem and instance.state == "success":
        note = _NO_RESULT
    elif page is not None:
        note = page.note
    is_left = uri is not None and not reads
    owner = ManifestOwner.of(run.dag_id, instance, values)
    lines = () if page is None else page.lines[:most]
    if page is not None:
        for line in lines:
            _see_files(instance, values, line.value, origins)
    is_cut = page is not None and len(lines) < len(page.lines)
    total = (page.total if page is not None else None) or (
        result.total if isinstance(result, ListResult) else None
    )
    first_page = "item-1" if instance.kind is Kind.BATCH else "b0"
    return Section(
        id=instance.name,
        title=shown(instance.title, LONGEST_TITLE),
        cards=tuple(line_card(owner, line.place, line.value, line.note, rules) for line in lines),
        task_id=instance.key.task_id,
        map_index=instance.key.map_index,
        state=instance.state,
        progress=_progress(run, instance, values, result),
        first=page.first if page is not None else None,
        total=total,
        here=page.here if page is not None else "",
        previous=None if page is None else page.previous,
        next=first_page if is_left else None if page is None or is_cut else page.next,
        jumps=page is not None and page.jumps and (page.next or page.previous) is not None and not is_cut,
        note=_with_error(values, instance, note, run),
    )


def open_own_manifest(run: DagRunRow, instance: Instance, values: Values) -> Manifest:
    """
    Return the manifest of a batch or an export.

    :raises LookupError: the task has left none, or none that may be read.
    """
    result = read_result(values.xcoms.get("return_value")) if instance.state == "success" else None
    uri, note = _place(run, instance, values, result)
    reader = None if uri is None else manifest_reader_of(instance, values.rendered, uri)
    if uri is None or reader is None:
        raise LookupError(note or _NO_READER)
    try:
        return open_manifest(uri, reader.conn_id)
    except UnreadableManifestError as error:
        raise LookupError(str(error)) from error


def _place(
    run: DagRunRow, instance: Instance, values: Values, result: Result | None
) -> tuple[str | None, str]:
    """Return where the manifest is, and a note; None if there is none to read."""
    if isinstance(result, EstimateResult):
        return None, _ESTIMATE
    if isinstance(result, ListResult):
        if result.manifest_uri is None:
            return None, _NOTHING
        if not is_own_manifest(result.manifest_uri, run.dag_id, instance, values):
            return None, _NOT_OWN
        return result.manifest_uri, ""
    if not is_over(instance_state(instance.state, is_on_its_way=run.is_on_its_way)):
        return None, _RUNNING
    if "return_value" in values.unread:
        return None, f"The result can't be shown. {values.unread['return_value']}"
    if instance.state == "failed":
        return likely_manifest(run, instance, values), ""
    if instance.state != "success":
        return None, ""
    place = None if result is not None else likely_manifest(run, instance, values)  # do_xcom_push=False
    return place, "" if place is not None else _NO_RESULT


def _read(instance: Instance, values: Values, uri: str, at: str) -> tuple[ManifestPage | None, str]:
    reader = manifest_reader_of(instance, values.rendered, uri)
    if reader is None:
        return None, _NO_READER
    try:
        return open_manifest(uri, reader.conn_id).page(at), ""
    except UnreadableManifestError as error:
        return None, truncated(str(error), LONGEST_ERROR)


def _progress(run: DagRunRow, instance: Instance, values: Values, result: Result | None) -> Progress | None:
    """Return how far a batch is: by its result, else by what it has noted on its way."""
    if instance.kind is not Kind.BATCH:
        return None
    if isinstance(result, ListResult) and result.total is not None:
        noted: Mapping[str, Any] = {
            "total": result.total,
            "done": result.succeeded,
            "failed": result.failed,
        }
    else:
        noted = mapping(values.xcoms.get("progress"))
    total = whole(noted.get("total"))
    if total is None:
        return None
    counts = {name: whole(noted.get(name)) or 0 for name in ("queued", "running", "ended", "done", "failed")}
    done, failed = counts["done"], counts["failed"]
    at = text(noted.get("at"), 100)
    if is_over(instance_state(instance.state, is_on_its_way=run.is_on_its_way)):
        return Progress(total, done=done, failed=failed, not_done=max(total - done - failed, 0), at=at)
    running = counts["running"] + counts["ended"]
    return Progress(total, queued=counts["queued"], running=running, done=done, failed=failed, at=at)


def _with_error(values: Values, instance: Instance, note: str, run: DagRunRow) -> str:
    """Return the note, after why the task failed; a person may have marked it as a success since."""
    if instance.state == "success":
        return note
    error = text(mapping(values.xcoms.get("wiro_error")).get("error"), LONGEST_ERROR)
    if error is None and instance.state == "failed":
        error = "The task failed. Its log says why."
    return " ".join(filter(None, (error, note)))


def _see_files(instance: Instance, values: Values, line: Mapping[str, Any] | None, origins: Origins) -> None:
    for file in files_in(mapping(line).get("files")):
        reader = reader_of(instance, values.rendered, file.uri)
        if reader is not None and file.etag is not None:
            origins.see(without_connection(file.uri), reader.conn_id)
