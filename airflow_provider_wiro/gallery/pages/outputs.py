"""An output that a page shows, found again for the server of its bytes: only by what the result names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.gallery.cards.connections import reader_of, without_connection
from airflow_provider_wiro.gallery.cards.media import Landing, why_not_shown
from airflow_provider_wiro.gallery.cards.results import RunResult, TransferResult, read_result, read_run
from airflow_provider_wiro.gallery.cards.texts import line
from airflow_provider_wiro.gallery.landed_output import LandedOutput
from airflow_provider_wiro.gallery.left.dag_runs import find_dag_run
from airflow_provider_wiro.gallery.left.instances import find_instances
from airflow_provider_wiro.gallery.left.rows import Kind, Values
from airflow_provider_wiro.gallery.left.values import values_of
from airflow_provider_wiro.gallery.manifests import UnreadableManifestError
from airflow_provider_wiro.gallery.pages.list_sections import open_own_manifest
from airflow_provider_wiro.gallery.pages.page_parts import media_rules

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from airflow_provider_wiro.gallery.cards.results import LandedFile
    from airflow_provider_wiro.gallery.left.rows import DagRunRow, Instance, InstanceKey

_NONE = "This task's result names no such output."


def read_output(session: Session, dag_id: str, key: InstanceKey, place: str, index: int) -> LandedOutput:
    """Return an output, see :func:`~airflow_provider_wiro.gallery.reading.find_output`."""
    run = find_dag_run(session, dag_id, key.run_id)
    instance = next((one for one in find_instances(session, run, key) if one.key == key), None)
    if instance is None:
        raise LookupError(_NONE)
    values = values_of(session, [run], [key]).get(key, Values())
    session.rollback()  # S3 may be waited for, so the connection goes back to Airflow's pool
    wiro_task_id, files = _result(run, instance, values, place)
    file = next((one for one in files if one.index == index), None)
    if file is None or wiro_task_id is None:
        raise LookupError(_NONE)
    note = why_not_shown(file, Landing(dag_id, instance, values.rendered, place), media_rules())
    reader = reader_of(instance, values.rendered, file.uri)
    if note or reader is None:
        raise LookupError(note or _NONE)
    uri = without_connection(file.uri)
    return LandedOutput(
        uri=uri,
        name=file.name or line(uri.rpartition("/")[2]) or "",
        content_type=file.content_type,
        size=file.size,
        wiro_task_id=wiro_task_id,
        aws_conn_id=reader.conn_id,
        sha256=file.sha256,
        dag_id=dag_id,
    )


def _result(
    run: DagRunRow, instance: Instance, values: Values, place: str
) -> tuple[str | None, Sequence[LandedFile]]:
    """Return the Wiro task, and its files, of the result or of a line of its manifest."""
    if instance.kind in {Kind.BATCH, Kind.EXPORT}:
        try:
            line = read_run(open_own_manifest(run, instance, values).line(place))
        except UnreadableManifestError as error:
            raise LookupError(str(error)) from error
        return line.wiro_task_id, line.landed
    result = read_result(values.xcoms.get("return_value")) if instance.state == "success" else None
    if place != "-" or result is None:
        raise LookupError(_NONE)
    if isinstance(result, TransferResult):
        return result.wiro_task_id, result.files
    return (result.wiro_task_id, result.landed) if isinstance(result, RunResult) else (None, ())
