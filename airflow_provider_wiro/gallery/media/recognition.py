"""
Whether an object is the very output that a result names, by the object's own metadata. Pure.

Results can be written through Airflow's API by users who may not see other DAGs, objects only by transfers.
So what a result says of an object is not enough for its bytes to be shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_wiro.gallery.landed_output import LandedOutput


def why_not_recognised(
    output: LandedOutput, metadata: Mapping[str, str], may_see_dag: Callable[[str], bool]
) -> str | None:
    """
    Return why an object isn't the output for this user, None if it is.

    :param metadata: of the object, its names in lower case.
    :param may_see_dag: whether the user may read the XComs of a DAG.
    """
    task = metadata.get("wiro-task-id")
    if task is None:
        return "its metadata name no Wiro task: no transfer of this provider has put it"
    if not output.wiro_task_id or unquote(task) != output.wiro_task_id:
        return f"its metadata name Wiro task {task[:50]}, and the result {output.wiro_task_id[:50]}"
    api = metadata.get("wiro-api")
    if output.api is not None and api is not None and unquote(api) != output.api:
        return f"its metadata name the API {api[:100]}, and the connection {output.api[:100]}"
    dag_id = unquote(metadata.get("airflow-dag-id", ""))
    if not dag_id:
        return "its metadata name no DAG, so whose rights would be asked for isn't known"
    if dag_id == output.dag_id or may_see_dag(dag_id):
        return None
    return f"the DAG {dag_id[:250]} has landed it, whose XComs this user may not read"
