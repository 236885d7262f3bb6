"""PreparedRun: what is to be sent, from an operator's arguments; also where input files are gone by now."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.parameters import clean_parameters, split_slug
from airflow_provider_wiro.catalog.schema.local_paths import path_in_parameters
from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.input_files.resolve import AWS_CONN_ID, files_as_far_as_known, resolve_files
from airflow_provider_wiro.input_files.sent_files import references, sent_files
from airflow_provider_wiro.input_files.sources import reference_of, sources_of
from airflow_provider_wiro.recovery.fingerprint import fingerprint
from airflow_provider_wiro.recovery.resume import RunSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.parameters import FileValue
    from airflow_provider_wiro.state_files.task_try import TaskTry


#: Characters of a longer text are no path.
_LONGEST_PATH = 1024


@dataclass(frozen=True)
class PreparedRun:
    """
    A run that may be sent.

    :ivar wanted: what an earlier try's record is compared with.
    :ivar files: the files to send; empty where ``wanted.problem`` says why they can't be sent.
    """

    wanted: RunSpec
    files: Mapping[str, Sequence[FileValue]]


def prepare_run(
    model: str,
    parameters: Mapping[str, Any] | None,
    files: Mapping[str, Any] | None,
    *,
    project_id: str | None,
    max_tries: int,
    task_try: TaskTry,
    patience_seconds: float,
    min_outputs: int | None = None,
    aws_conn_id: str | None = AWS_CONN_ID,
) -> PreparedRun:
    """
    Return what an operator's arguments say is to be run.

    A missing file is no error yet: a run that an earlier try started is followed without it.

    :param max_tries: Airflow's, of the task instance.
    :param task_try: the try that is running.
    :param patience_seconds: ``[wiro] lost_run_patience``.
    :param min_outputs: a task that succeeded with fewer outputs is not the wanted result.
    :param aws_conn_id: the connection by which ``s3://bucket/key`` is read.
    :raises WiroUsageError: model or parameters can't be right, or the files are no mapping.
    """
    split_slug(model)
    given = clean_parameters({} if parameters is None else parameters)
    found: dict[str, list[FileValue]] = {}
    digest, problem = "", None
    try:
        _check_no_paths(given)
        found = resolve_files(files, aws_conn_id)
        digest, sent = fingerprint(model, given, found, project_id), sent_files(found)
    except WiroError as error:
        problem, sent = error, files_as_far_as_known(files, aws_conn_id)
    wanted = RunSpec(
        model,
        given,
        digest,
        max_tries,
        task_try,
        files=sent,
        references=references(model, given, _names(files), project_id),
        project_id=project_id,
        problem=problem,
        patience_seconds=patience_seconds,
        min_outputs=min_outputs,
    )
    return PreparedRun(wanted, found)


def _check_no_paths(parameters: Mapping[str, Any]) -> None:
    """
    Raise for a parameter that is the path of a file here: Wiro would get the text of the path, and bill it.

    :raises WiroUsageError: names the parameter.
    """
    for name, value in parameters.items():
        is_path = isinstance(value, str) and value.startswith("/") and len(value) < _LONGEST_PATH
        if is_path and os.path.isfile(value):  # noqa: PTH113  Path raises for what can't be a path
            raise WiroUsageError(path_in_parameters(name, value))


def _names(files: Mapping[str, Any] | None) -> dict[str, list[str]]:
    return {name: [reference_of(source) for source in sources] for name, sources in sources_of(files).items()}
