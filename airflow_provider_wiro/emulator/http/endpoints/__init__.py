"""What each endpoint does, free of HTTP: a call and the world in, the answer's JSON out, or an `ApiError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_wiro.emulator.http.endpoints.files import create_folder, upload
from airflow_provider_wiro.emulator.http.endpoints.task_stops import cancel, delete_files, kill
from airflow_provider_wiro.emulator.http.endpoints.tasks import detail, list_tasks
from airflow_provider_wiro.emulator.http.endpoints.tools import explore, list_tools, tool_detail
from airflow_provider_wiro.emulator.http.request_body import Body
from airflow_provider_wiro.emulator.state.world import World

Endpoint = Callable[[World, Body], dict[str, Any]]

# `Run` is not here: its path names a model.
ENDPOINTS: dict[str, Endpoint] = {
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
