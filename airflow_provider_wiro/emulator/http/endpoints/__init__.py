"""
What each endpoint of the API does.

Entry: `ENDPOINTS`. An endpoint is a function of the world and a request's body that returns the response's
JSON or raises `ApiError`; it knows no HTTP. `Run` is not here: its path names a model (see `state.runs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.http.endpoints.files import create_folder, upload
from airflow_provider_wiro.emulator.http.endpoints.tasks import cancel, delete_files, detail, kill, list_tasks
from airflow_provider_wiro.emulator.http.endpoints.tools import explore, list_tools, tool_detail

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.emulator.generation.inputs import RequestBody
    from airflow_provider_wiro.emulator.state.world import World

ENDPOINTS: dict[str, Callable[[World, RequestBody], dict[str, Any]]] = {
    "Task/Detail": detail,
    "Task/List": list_tasks,
    "Task/Cancel": cancel,
    "Task/Kill": kill,
    "Task/InputOutputDelete": delete_files,
    "File/Upload": upload,
    "File/FolderCreate": create_folder,
    "Tool/List": list_tools,
    "Tool/Detail": tool_detail,
    "Tool/Explore": explore,
}
