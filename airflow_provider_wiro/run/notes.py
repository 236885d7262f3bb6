"""
RunNotes: what an Airflow task instance has stored about its run: in XCom, which a retry loses, and a record.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.recovery.record_store import open_record_store

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.recovery.run_record import RecordStore, RunRecord

#: The XCom that holds the Wiro task's id from the submission on.
TASK_ID_KEY = "wiro_task_id"
#: The XCom that holds what a decorated function has returned, during a deferral without a record.
INPUTS_KEY = "wiro_inputs"


class RunNotes:
    """
    The notes of one task instance.

    :param durable: whether a record is kept.
    :param state_path: the operator's argument.
    :param has_pushed_nothing: XCom certainly has no id: Airflow would log an error for asking.
    """

    def __init__(
        self, context: Context, *, durable: bool, state_path: str | None, has_pushed_nothing: bool = False
    ) -> None:
        self._context = context
        self._durable = durable
        self._state_path = state_path
        self._has_pushed_nothing = has_pushed_nothing

    @cached_property
    def store(self) -> RecordStore | None:
        """
        The place of the record, None where none is kept.

        :raises WiroUsageError: it is no absolute path or URI.
        """
        return open_record_store(self._context, state_path=self._state_path) if self._durable else None

    @property
    def has_record(self) -> bool:
        """Whether there is a place for a record, by which a later try finds the run."""
        return self.store is not None

    def record(self) -> RunRecord | None:
        """
        Return the record, None if there is none.

        :raises WiroRecordError: it can't be read.
        """
        return None if self.store is None else self.store.read()

    def wiro_task_id(self) -> str | None:
        """
        Return the Wiro task of the run, None if none is known.

        The record is preferred: XCom has a cancelled task's id until the run that replaces it has one. XCom
        has the id where the record could not be written.

        :raises WiroRecordError: the record can't be read, and XCom has no id.
        """
        pushed = None if self._has_pushed_nothing else self._pushed()
        try:
            record = self.record()
        except WiroRecordError:
            if pushed is None:
                raise
            return pushed
        if record is None or record.is_consumed:
            return pushed
        if record.wiro_task_id is None and pushed in record.earlier_task_ids:
            return None
        return record.wiro_task_id or pushed

    def push_inputs(self, inputs: Mapping[str, Any]) -> None:
        """Keep the run's inputs until this try continues after a deferral. They hold no secret."""
        ti = self._context["ti"]
        ti.xcom_push(key=INPUTS_KEY, value={**inputs, "try_number": ti.try_number})

    def pushed_inputs(self) -> Mapping[str, Any]:
        """Return the inputs that this very try has kept; nothing if it has kept none."""
        found = None if self._has_pushed_nothing else self._pulled(INPUTS_KEY)
        if isinstance(found, Mapping) and found.get("try_number") == self._context["ti"].try_number:
            return found
        return {}

    def _pushed(self) -> str | None:
        found = self._pulled(TASK_ID_KEY)
        return found if isinstance(found, str) else None

    def _pulled(self, key: str) -> Any:
        ti = self._context["ti"]
        # By its index, or a mapped task gets the values of all of them.
        return ti.xcom_pull(key=key, task_ids=ti.task_id, map_indexes=getattr(ti, "map_index", -1))
