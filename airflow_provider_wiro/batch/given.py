"""What a batch operator was given: what to run, and where to keep journal, results and outputs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.inputs.items import Inputs
from airflow_provider_wiro.batch.inputs.sources import InputSource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.batch.inputs.data_trust import DataTrust
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.landing.s3.destination import S3Settings
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects


@dataclass(frozen=True)
class Sources:
    """
    What the operator was given to run.

    :ivar inputs: a list of dicts, or the path or URI of a file.
    :ivar parameters: of all items.
    :ivar files: of all items.
    :ivar trust: what items that come as data may name; None: the DAG file lists the items.
    :ivar id_column: of rows, the column that is their id.
    :ivar data_columns: of rows, the columns that are kept and never sent.
    :ivar is_kept: a file of inputs is the user's, and stays.
    """

    inputs: Any
    parameters: Mapping[str, Any] | None
    files: Mapping[str, Any] | None
    trust: DataTrust | None
    id_column: str | None = None
    data_columns: Sequence[str] = ()
    is_kept: bool = True

    @property
    def file(self) -> str | None:
        """The file of the inputs, None if they are a list, or a file that is gone after the task."""
        is_file = isinstance(self.inputs, str | os.PathLike) and self.is_kept
        return str(self.inputs).strip() if is_file else None

    def open(
        self, settings: BatchSettings, find_model: Callable[[], Model | None], *, keeps_bad: bool
    ) -> Inputs:
        """
        Return the items, checked.

        :param find_model: returns the model as Wiro describes it; called only where columns are read by it.
        :param keeps_bad: keep items that can't be sent.
        """
        return Inputs(
            InputSource(self.inputs, self.id_column, self.data_columns, find_model),
            model=settings.model,
            parameters=self.parameters,
            files=self.files,
            project_id=settings.project_id,
            trust=self.trust,
            keeps_bad=keeps_bad,
            aws_conn_id=settings.aws_conn_id,
        )


@dataclass(frozen=True)
class Destination:
    """
    Where the operator keeps journal, results and outputs.

    :ivar state_path: for the journal, see :func:`~airflow_provider_wiro.batch.journal.location.open_journal`.
    :ivar manifest_uri: None: the default.
    :ivar manifest_template: the same as the DAG file has it, None if that isn't known.
    :ivar s3: where outputs land; None: nowhere.
    :ivar own: how the batch's own objects are put into S3.
    """

    state_path: str | None
    manifest_uri: str | None
    manifest_template: str | None
    s3: S3Settings | None
    own: OwnObjects
