"""What OpenLineage is given about a transfer. Imported only where an OpenLineage provider asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.models import Task


@dataclass(frozen=True)
class Landed:
    """
    A transfer, as far as it has come.

    :ivar model: ``owner/model``, None if not known.
    :ivar files: as the operator returns them; None if it has failed.
    """

    task: Task
    model: str | None
    files: Sequence[Mapping[str, Any]] | None


def operator_lineage(landed: Landed) -> Any:
    """
    Return an ``OperatorLineage``: model and input files in, the objects out, cost and times of the run.

    None where the OpenLineage provider is not installed.
    """
    from airflow_provider_wiro.lineage import openlineage

    files = landed.files or ()
    fields = {
        **openlineage.task_fields(landed.task, landed.model),
        "totalBytes": None if landed.files is None else sum(file["size"] for file in files),
        "files": None if landed.files is None else len(files),
    }
    return openlineage.operator_lineage(
        landed.model,
        fields,
        parameters=landed.task.parameters,
        outputs=[(file["uri"], file["size"]) for file in files],
    )
