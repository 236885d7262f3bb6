"""XComs that a custom backend keeps: Airflow's database only has where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.configuration import conf

from airflow_provider_wiro.gallery.left.json_text import read_json
from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from airflow_provider_wiro.gallery.left.rows import InstanceKey

log = plain_logger(__name__)

#: The backend whose references can be read: it says where they are, and nothing but JSON is there.
_OBJECT_STORAGE = "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend"
#: Of Airflow's own backends, which keep values in the database.
_DATABASE = frozenset(
    {
        "",
        "airflow.sdk.execution_time.xcom.BaseXCom",
        "airflow.sdk.bases.xcom.BaseXCom",
        "airflow.models.xcom.BaseXCom",
    }
)
#: XComs that are objects; the others are links, which can't be distinguished from a backend's references.
_OBJECTS = frozenset({"return_value", "wiro_error", "progress"})


def read_stored(value: Any, dag_id: str, place: InstanceKey, key: str, longest: int) -> tuple[Any, str]:
    """
    Return a value that the database has, or that the configured backend keeps.

    What a backend keeps is read only below the folder of this very task instance: users who are no authors
    of DAGs can write XComs, and so any reference. It is read as JSON, without Airflow's own reader, which
    imports the classes that a value names.

    :param place: the task instance.
    :param key: of the XCom.
    :param longest: bytes.
    :return: the value, and an empty text; or None, and a sentence why it can't be read.
    """
    backend = conf.get("core", "xcom_backend", fallback="")
    if not isinstance(value, str) or backend in _DATABASE:
        return value, ""
    if backend != _OBJECT_STORAGE:
        if key not in _OBJECTS:
            return value, ""
        return None, f"The XCom backend {backend} keeps it, which this page doesn't read."
    base = _base()
    if not base or not value.startswith(f"{base}/"):
        return value, ""  # the value itself: the backend reads it so, too
    name = _name_below(value, "/".join((base, dag_id, place.run_id, place.task_id, "")))
    if name is None:
        return None, "It is kept outside of the folder that the XCom backend has for this task."
    try:
        return _read(dag_id, place, name, longest)
    except Exception as error:  # of any store's library
        log.warning("An XCom of task %s can't be read from its backend: %r", place.task_id, error)
        return None, "It can't be read from where the XCom backend keeps it; the API server's log says why."


def _base() -> str:
    return str(conf.get("common.io", "xcom_objectstorage_path", fallback="")).rstrip("/")


def _name_below(reference: str, folder: str) -> str | None:
    """Return a reference's name in the folder of the task instance; None if it is elsewhere."""
    name = reference.removeprefix(folder)
    is_below = reference.startswith(folder) and bool(name.strip("."))
    return name if is_below and "/" not in name and "\\" not in name else None


def _read(dag_id: str, place: InstanceKey, name: str, longest: int) -> tuple[Any, str]:
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(_base()).joinpath(dag_id, place.run_id, place.task_id, name)
    file: Any
    with path.open(mode="rb", compression="infer") as file:  # type: ignore[no-untyped-call]
        content = file.read(longest + 1)
    if len(content) > longest:
        return None, "It is too large for this page."
    return read_json(content.decode()), ""
