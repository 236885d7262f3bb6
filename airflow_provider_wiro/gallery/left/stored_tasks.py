"""The tasks of this provider in a stored DAG, subclasses and decorated functions included. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_wiro.gallery.left.rows import DagTask, Kind

#: Where results are, and by which connection.
_ARGUMENTS = ("aws_conn_id", "s3_bucket", "s3_key", "path", "manifest_uri", "reuse_results", "model")
#: Links of this provider, by the keys of their XComs. A subclass has them from its base class.
_LINKS = frozenset({"wiro_task_url", "wiro_first_output_url"})
_PACKAGE = "airflow_provider_wiro."
_TEMPLATES = ("{{", "{%", "{#")
#: The operators' own default, which Airflow doesn't store for a mapped task.
_DEFAULTS = {"aws_conn_id": "aws_default"}
#: Of task instances whose DAG isn't stored any more, by the names of classes.
CLASSES = {
    "WiroRunOperator": Kind.RUN,
    "WiroDecoratedRunOperator": Kind.RUN,
    "WiroTaskSensor": Kind.SENSOR,
    "WiroToS3Operator": Kind.TRANSFER,
    "WiroToObjectStorageOperator": Kind.TRANSFER,
    "WiroBatchRunOperator": Kind.BATCH,
    "WiroDecoratedBatchOperator": Kind.BATCH,
    "WiroProjectToS3Operator": Kind.EXPORT,
}


def kind_of_class(name: str | None) -> Kind | None:
    """Return what an operator of this provider does, by its name alone; None if it is none of it."""
    return CLASSES.get(name or "")


def tasks_in(stored: Any) -> dict[str, DagTask]:
    """Return the tasks of this provider: task id → task. What has another form than known is passed over."""
    dag = stored.get("dag") if isinstance(stored, Mapping) else None
    listed = dag.get("tasks") if isinstance(dag, Mapping) else None
    tasks = [_fields(one) for one in listed] if isinstance(listed, list) else []
    kinds = {str(task.get("task_id")): _kind(task) for task in tasks}
    after = _after(tasks, {task_id for task_id, kind in kinds.items() if kind is not None})
    # Airflow adds these to a mapped task only when it runs. Those of a task group aren't stored.
    defaults = _fields(dag.get("default_args")) if isinstance(dag, Mapping) else {}
    found = {}
    for order, task in enumerate(tasks):
        task_id = str(task.get("task_id"))
        kind = kinds[task_id]
        if kind is not None:
            found[task_id] = DagTask(task_id, kind, order, _arguments(task, defaults), task_id in after)
    return found


def _fields(stored: Any) -> Mapping[str, Any]:
    inner = stored.get("__var", stored) if isinstance(stored, Mapping) else {}
    return inner if isinstance(inner, Mapping) else {}


def _kind(task: Mapping[str, Any]) -> Kind | None:
    links = task.get("_operator_extra_links")
    is_linked = isinstance(links, Mapping) and not _LINKS.isdisjoint(map(str, links.values()))
    if not (is_linked or str(task.get("_task_module", "")).startswith(_PACKAGE)):
        return None
    listed = task.get("template_fields")
    names = set(map(str, listed)) if isinstance(listed, list) else set()
    if "manifest_uri" in names:
        # A decorated batch has a function in place of inputs.
        return Kind.EXPORT if "since" in names else Kind.BATCH
    if "wiro_task_id" in names:
        return Kind.TRANSFER if names & {"s3_key", "path"} else Kind.SENSOR
    return Kind.RUN if {"model", "parameters"} <= names else None


def _arguments(task: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    is_mapped = bool(task.get("_is_mapped"))
    partial = task.get("partial_kwargs")
    given = (partial if isinstance(partial, Mapping) else {}) if is_mapped else task
    listed = task.get("template_fields")
    names = set(map(str, listed)) if isinstance(listed, list) else set()
    found: dict[str, Any] = {}
    for name in _ARGUMENTS:
        if name not in names or _varies(task, name):
            continue
        value = given.get(name)
        if name not in given and is_mapped and name in defaults:
            value = defaults[name]
        elif name not in given and is_mapped:
            if name not in _DEFAULTS or not str(task.get("_task_module", "")).startswith(_PACKAGE):
                continue
            value = _DEFAULTS[name]
        if value is None or (isinstance(value, str) and not any(mark in value for mark in _TEMPLATES)):
            found[name] = value
    return found


def _varies(task: Mapping[str, Any], name: str) -> bool:
    """Whether the argument is, or may be, another one for each mapped task instance."""
    if not task.get("_is_mapped"):
        return False
    how = task.get(str(task.get("_expand_input_attr", "expand_input")))
    if not isinstance(how, Mapping) or how.get("type") != "dict-of-lists":
        return True
    return name in _fields(how.get("value"))


def _after(tasks: list[Mapping[str, Any]], starts: set[str]) -> set[str]:
    """Return the ids of all tasks that come after one of these."""
    following = {
        str(task.get("task_id")): [str(one) for one in task.get("downstream_task_ids") or ()]
        for task in tasks
        if isinstance(task.get("downstream_task_ids") or [], list)
    }
    found: set[str] = set()
    waiting = [one for start in starts for one in following.get(start, ())]
    while waiting:
        task_id = waiting.pop()
        if task_id not in found:
            found.add(task_id)
            waiting += following.get(task_id, ())
    return found
