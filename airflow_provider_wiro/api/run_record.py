"""The durable record of one run: what is written before a Run is sent, and after its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from airflow_provider_wiro.api.later_tasks import Baseline
from airflow_provider_wiro.api.wire import moment
from airflow_provider_wiro.exceptions import WiroOrphanedRunError

RECORD_VERSION = 1


@dataclass(frozen=True)
class RunRecord:
    """
    The durable record of one run: small, JSON, without a secret.

    :ivar fingerprint: of what was to be run.
    :ivar intended_at: Unix time in seconds, taken before the Run was sent.
    :ivar newest_before: the project's newest task before the Run was sent, empty if it had none; only later
        ones can be this run. None if Wiro didn't tell.
    :ivar wiro_task_id: None until Wiro has answered.
    :ivar lifetime: Airflow's ``max_tries`` of the task instance: a retry keeps it, a Clear raises it.
    :ivar try_number: the try that sent the Run.
    :ivar is_spent: the run's result was returned.
    :ivar earlier_task_ids: tasks of earlier runs of this task instance, which are not to be taken for this
        one.
    """

    fingerprint: str
    intended_at: float
    lifetime: int
    try_number: int
    newest_before: str | None = None
    wiro_task_id: str | None = None
    is_spent: bool = False
    earlier_task_ids: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as it is stored."""
        return {"version": RECORD_VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """
        Read a stored record.

        :raises WiroOrphanedRunError: it is damaged or of a later version. It is never taken for no record.
        """
        found = stored if isinstance(stored, Mapping) else {}
        task_id, newest = found.get("wiro_task_id"), found.get("newest_before")
        is_whole = (
            found.get("version") == RECORD_VERSION
            and isinstance(found.get("fingerprint"), str)
            and moment(found.get("intended_at")) is not None
            and isinstance(found.get("lifetime"), int)
            and isinstance(found.get("try_number"), int)
            and isinstance(found.get("earlier_task_ids"), list | tuple)
            and (task_id is None or isinstance(task_id, str))
            and (newest is None or isinstance(newest, str))
        )
        if not is_whole:
            raise WiroOrphanedRunError(
                f"Expected the record of a Wiro run, version {RECORD_VERSION}, found {str(stored)[:200]!r}. "
                "Look in the dashboard at wiro.ai whether the run was started, then delete the record."
            )
        return cls(
            found["fingerprint"],
            float(found["intended_at"]),
            found["lifetime"],
            found["try_number"],
            newest,
            task_id,
            bool(found.get("is_spent")),
            tuple(map(str, found["earlier_task_ids"])),
        )

    @property
    def known_task_ids(self) -> tuple[str, ...]:
        """
        The tasks of this task instance so far, the latest last; older ones than the last 20 are forgotten.
        """
        latest = () if self.wiro_task_id is None else (self.wiro_task_id,)
        return (*self.earlier_task_ids, *latest)[-20:]

    @property
    def intended_at_moment(self) -> datetime:
        return datetime.fromtimestamp(self.intended_at, tz=UTC)

    @property
    def baseline(self) -> Baseline:
        return Baseline(self.newest_before, self.intended_at_moment)
