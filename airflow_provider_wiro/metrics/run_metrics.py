"""
RunMetrics: counts the Wiro tasks of one Airflow task, each once, in Airflow's Stats.

============================  =======  =====================================================================
metric                        kind     value
============================  =======  =====================================================================
``wiro.runs``                 counter  Wiro tasks that have ended, by ``state``
``wiro.cost_usd``             counter  what they cost, in US dollars with decimals
``wiro.unknown_costs``        counter  those that succeeded, and whose cost Wiro had not recorded by then
``wiro.run_seconds``          timer    how long the model ran
``wiro.queue_seconds``        timer    how long the task waited before that
============================  =======  =====================================================================

All have the tags ``model`` and ``dag_id``. A statsd server that gets no tags, which is Airflow's default,
gets each metric a second time with them in its name: ``wiro.runs.DAG.MODEL.STATE``,
``wiro.cost_usd.DAG.MODEL``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.models import TaskState

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.redaction.loggers import Log

#: The state of a run that is started and not waited for.
ACCEPTED = "accepted"
#: Of a name or a tag; a metric's whole name may have 250 characters.
_LONGEST_WORD = 80


class RunMetrics:
    """
    The metrics of one Airflow task's runs.

    Nothing here fails a run: what Airflow's Stats raise is logged once.

    :param model: as the user named it.
    """

    def __init__(self, dag_id: str, model: str, log: Log) -> None:
        self._dag_id = dag_id
        self._model = model
        self._log = log
        self._has_failed = False

    def count(self, task: Task) -> None:
        """Count a task that has ended, with what is known of its cost and its times."""
        if not are_on():
            return
        self._incr("wiro.runs", state=task.state.value)
        if task.cost_usd is not None:
            self._incr("wiro.cost_usd", float(task.cost_usd))
        elif task.state is TaskState.SUCCEEDED:
            self._incr("wiro.unknown_costs")
        self._timing("wiro.run_seconds", task.elapsed_seconds)
        self._timing("wiro.queue_seconds", task.queue_seconds)

    def count_accepted(self) -> None:
        """Count a task that is started and not waited for."""
        if are_on():
            self._incr("wiro.runs", state=ACCEPTED)

    def count_late_cost(self, usd: str) -> None:
        """Count the cost of a task that was counted before, when its cost was not known."""
        if are_on():
            self._incr("wiro.cost_usd", float(usd))

    def _incr(self, name: str, count: float = 1, **more: str) -> None:
        # Counters are whole numbers by their annotation, and take any number.
        if count > 0:
            self._emit("incr", name, count, more)

    def _timing(self, name: str, seconds: float | None) -> None:
        if seconds is not None and 0 <= seconds < timedelta.max.total_seconds():
            self._emit("timing", name, timedelta(seconds=seconds), {})

    def _emit(self, method: str, name: str, value: Any, more: dict[str, str]) -> None:
        tags = {"model": _tag(self._model), "dag_id": _tag(self._dag_id), **more}
        names = [_word(self._dag_id), _word(self._model), *more.values()]
        try:
            from airflow.providers.common.compat.sdk import Stats

            send = getattr(Stats, method)
            send(name, value, tags=tags)
            if _lacks_tags():
                send(".".join((name, *names)), value)
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                self._log.warning("Airflow's metrics take none of this run: %r", error)


def are_on() -> bool:
    """Whether Airflow sends metrics anywhere."""
    return any(_is_set(option) for option in ("statsd_on", "statsd_datadog_enabled", "otel_on"))


def _lacks_tags() -> bool:
    """Whether metrics go to a statsd server that gets no tags."""
    return not any(_is_set(option) for option in ("statsd_datadog_enabled", "statsd_influxdb_enabled")) and (
        _is_set("statsd_on")
    )


def _is_set(option: str) -> bool:
    from airflow.providers.common.compat.sdk import conf

    return bool(conf.getboolean("metrics", option, fallback=False))


def _tag(value: str) -> str:
    """Return a value that every statsd dialect takes as a tag; a slug keeps its slash."""
    return re.sub(r"[^A-Za-z0-9_./-]", "_", value.strip())[:_LONGEST_WORD]


def _word(value: str) -> str:
    """Return a value as one part of a metric's name, whose parts are separated by dots."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", value.strip())[:_LONGEST_WORD]
