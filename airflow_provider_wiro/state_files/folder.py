"""
The folder of the files that outlive a worker (records, journals, results), and where in it each file is.

A folder on a local disk is the same for every try only if all tries run on one machine. That is assumed where
Airflow's executor says so, and nowhere else. A configured folder is expected to be shared.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow_provider_wiro import version_compat
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.storage.location import parse_location, refuse_marks
from airflow_provider_wiro.storage.object_keys import refuse_parent_folders

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: File systems allow 255 bytes; Airflow's ids have up to 250 characters, each of which quoting can triple.
_LONGEST_NAME = 180


@dataclass(frozen=True)
class StateFolder:
    """
    Where state is kept as files.

    :ivar uri: an absolute path, or an object-storage URI, without a slash at its end.
    :ivar is_assumed: it is not configured; other machines have another one.
    """

    uri: str
    is_assumed: bool = False

    def location(self, context: Context) -> str:
        """Return the beginning of the paths of a task instance's files."""
        return "/".join([self.uri, *map(file_name, instance_key(context))])


def find_state_folder(state_path: str | None = None) -> StateFolder | None:
    """
    Return the folder: the argument's, else ``[wiro] state_path``, else one in ``AIRFLOW_HOME``.

    The last is used only with an executor that runs every task on the scheduler's machine, and not in
    Kubernetes, where a pod's disk ends with the pod.

    :param state_path: the operator's argument.
    :return: None if nothing is configured and a local folder would not be the same for every try.
    :raises WiroUsageError: it is no absolute path or URI, or has a part ``..``.
    """
    if state_path:
        return StateFolder(_in_environment(state_place(state_path, "state_path")))
    if configured := version_compat.configured_state_path():
        return StateFolder(_in_environment(state_place(configured, "[wiro] state_path")))
    if assumed := version_compat.local_state_path():
        return StateFolder(_in_environment(assumed), is_assumed=True)
    return None


def absolute(path: str, what: str) -> str:
    """
    Return a path or URI with ``~`` replaced by the home directory.

    :param what: the setting, for the error.
    :raises WiroUsageError: it is relative, and so another place for each worker; or it would be read as
        another place than the one it shows.
    """
    prefix = "file://" if path.startswith("file://") else ""
    local = path.removeprefix(prefix)
    if "://" in local:
        location = parse_location(path, what)
        refuse_marks(location, location.path, what)
        return path if path.startswith(f"{location.scheme}://") else location.uri
    expanded = os.path.expanduser(local)  # noqa: PTH111  Path drops what makes `//` and `s3:/` differ
    if not os.path.isabs(expanded):  # noqa: PTH117
        raise WiroUsageError(
            f"Expected {what} as an absolute path or a URI such as s3://aws_default@my-bucket/wiro, found "
            f"{path!r}. A relative path is another place for each worker."
        )
    parse_location(expanded, what)
    return prefix + expanded


def environment_folder() -> str:
    """
    Return ``[wiro] environment`` as the name of a folder, empty if it isn't set.

    It separates what several Airflow deployments write into one bucket.
    """
    environment = version_compat.configured_environment()
    return file_name(environment) if environment else ""


def instance_key(context: Context) -> tuple[str, str, str, str]:
    """Return the ids that all tries of a task instance share: DAG, DAG run, task, map index."""
    ti = context["ti"]
    return ti.dag_id, ti.run_id, ti.task_id, str(getattr(ti, "map_index", -1))


def file_name(part: str) -> str:
    """Return a unique, safe file name for a part of a key: no ``..``, nothing too long."""
    name = quote(part, safe="")
    if not name.strip("."):
        return name.replace(".", "%2E")
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}~{hashlib.sha256(part.encode()).hexdigest()[:32]}"


def local_path(uri: str) -> Path | None:
    """Return the local path that a path or ``file://`` URI names, None for an object store."""
    path = uri.removeprefix("file://")
    return None if "://" in path else Path(path)


def trace_beside(file: Path) -> Path:
    """Return the file that a try leaves on its machine, beside a task instance's record or journal."""
    return file.with_name(f"{file.name.partition('.')[0].partition('~')[0]}.try")


def remove_with_trace(file: Path) -> None:
    """Remove a task instance's local file, its trace, and the folders of its task and DAG run if empty."""
    file.unlink(missing_ok=True)
    trace_beside(file).unlink(missing_ok=True)
    with suppress(OSError):
        for folder in list(file.parents)[:3]:
            folder.rmdir()


def state_place(path: str, what: str) -> str:
    """
    Return a local path or URI as :func:`absolute` does, if it can be a state folder.

    :param what: the setting, for the error.
    :raises WiroUsageError: see :func:`absolute`; or it has a part ``..``.
    """
    found = absolute(path, what)
    location = parse_location(found, what)
    refuse_parent_folders(location.path, argument=what)
    return "/" if location.is_local and location.path == "/" else found


def _in_environment(folder: str) -> str:
    return "/".join(filter(None, (folder.rstrip("/"), environment_folder())))
