"""What an Airflow task instance has noted of its run: in XCom, which a retry loses, and in its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroRecordError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.recovery.record_store import RecordStore
    from airflow_provider_wiro.recovery.run_record import RunRecord

#: The XCom that holds the Wiro task's id from the submission on.
TASK_ID_KEY = "wiro_task_id"


class NotedRun:
    """
    The notes of one task instance.

    :param task_id: Airflow's.
    :param durable: whether a record is kept.
    :param has_pushed_nothing: XCom certainly has no id: Airflow would log an error for asking.
    """

    def __init__(
        self,
        context: Context,
        *,
        task_id: str,
        durable: bool,
        state_path: str | None,
        has_pushed_nothing: bool = False,
    ) -> None:
        self._context = context
        self._task_id = task_id
        self._durable = durable
        self._state_path = state_path
        self._has_pushed_nothing = has_pushed_nothing

    @property
    def has_record(self) -> bool:
        """Whether there is a place for a record, by which a later try finds the run."""
        return self._store() is not None

    def record(self) -> RunRecord | None:
        """
        Return the record, None if there is none.

        :raises WiroRecordError: it can't be read.
        """
        store = self._store()
        return None if store is None else store.read()

    def wiro_task_id(self) -> str | None:
        """
        Return the Wiro task of the run, None if none is known.

        The record knows better than XCom, which has a cancelled task's id until the run that is begun anew
        has one; XCom has the id where the record could not be written.

        :raises WiroRecordError: the record can't be read, and XCom has no id.
        """
        pushed = None if self._has_pushed_nothing else self._pushed()
        try:
            record = self.record()
        except WiroRecordError:
            if pushed is None:
                raise
            return pushed
        if record is None or record.is_spent:
            return pushed
        if record.wiro_task_id is None and pushed in record.earlier_task_ids:
            return None
        return record.wiro_task_id or pushed

    def _pushed(self) -> str | None:
        ti = self._context["ti"]
        # By its index, or a mapped task gets the ids of all of them.
        found = ti.xcom_pull(
            key=TASK_ID_KEY, task_ids=self._task_id, map_indexes=getattr(ti, "map_index", -1)
        )
        return found if isinstance(found, str) else None

    def _store(self) -> RecordStore | None:
        # Here, since what imports this module is parsed all day long with the DAG files.
        from airflow_provider_wiro.recovery.record_store import open_record_store

        return open_record_store(self._context, state_path=self._state_path) if self._durable else None
