"""The part of Airflow's REST API (version 2, Airflow 3) that the demo and the system tests use."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.programs.system.servers import DIRECT

if TYPE_CHECKING:
    from collections.abc import Callable

FINISHED_RUN_STATES = frozenset({"success", "failed"})
_POLL_SECONDS = 0.4


class AirflowAPIError(Exception):
    """Airflow refused a request, or did not finish in time."""


class AirflowAPI:
    """A client of one API server; it logs in by itself, with the first request that needs it."""

    def __init__(self, url: str, *, username: str, password: str) -> None:
        self.url = url
        self._login = {"username": username, "password": password}
        self._token: str | None = None

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send one request and return the decoded JSON; raise AirflowAPIError with Airflow's words."""
        if self._token is None and not path.startswith("/auth/"):
            self._token = self.request("POST", "/auth/token", self._login)["access_token"]
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        # The scheme is a constant.
        request = urllib.request.Request(  # noqa: S310
            self.url + path, data=data, headers=headers, method=method
        )
        try:
            with DIRECT.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:1000]
            raise AirflowAPIError(f"{method} {path}: HTTP {error.code}: {said}") from error
        except (OSError, http.client.HTTPException) as error:
            raise AirflowAPIError(f"{method} {path}: {error}") from error

    def health(self) -> dict[str, dict[str, Any]]:
        """Return the state of each part of Airflow, or nothing while the API server isn't up."""
        try:
            with DIRECT.open(self.url + "/api/v2/monitor/health", timeout=5) as response:
                parts: dict[str, dict[str, Any]] = json.load(response)
                return parts
        except (OSError, http.client.HTTPException):
            return {}

    def wait_for_dag(self, dag_id: str, *, timeout_seconds: float = 90) -> None:
        """Wait until the DAG processor has read the DAG; at the timeout raise with its import errors."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                self.request("GET", f"/api/v2/dags/{quote(dag_id)}")
            except AirflowAPIError as error:
                if "HTTP 404" not in str(error):
                    raise
            else:
                return
            if time.monotonic() > deadline:
                found = self.request("GET", "/api/v2/importErrors")["import_errors"]
                stumbled = "\n".join(f"{it['filename']}:\n{it['stack_trace']}" for it in found)
                raise AirflowAPIError(
                    f"no DAG {dag_id} after {timeout_seconds:.0f} s; import errors: {stumbled or 'none'}"
                )
            time.sleep(_POLL_SECONDS)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None) -> str:
        """Unpause the DAG, start a run now and return its run id."""
        self.request("PATCH", f"/api/v2/dags/{quote(dag_id)}", {"is_paused": False})
        body = {"logical_date": None, "conf": conf or {}}
        run_id: str = self.request("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", body)["dag_run_id"]
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        state: str = self.request("GET", _run(dag_id, run_id))["state"]
        return state

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.request("GET", f"{_run(dag_id, run_id)}/taskInstances")[
            "task_instances"
        ]
        return found

    def wait_for_run(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout_seconds: float,
        on_change: Callable[[str, str | None], None] = lambda task, state: None,
        until: Callable[[dict[str, str | None]], bool] = lambda states: False,
    ) -> str:
        """
        Wait for the run's end, or for `until(states by task)`; return the run's state.

        `on_change(task, state)` is called for each change seen; a mapped task is called `task_id[index]`.
        Raise AirflowAPIError with the states when the time is up.
        """
        deadline = time.monotonic() + timeout_seconds
        seen: dict[str, str | None] = {}
        while True:
            run_state = self.run_state(dag_id, run_id)
            for instance in self.task_instances(dag_id, run_id):
                index = instance["map_index"]
                task = instance["task_id"] + (f"[{index}]" if index >= 0 else "")
                if seen.get(task) != instance["state"]:
                    seen[task] = instance["state"]
                    on_change(task, instance["state"])
            if run_state in FINISHED_RUN_STATES or until(seen):
                return run_state
            if time.monotonic() > deadline:
                raise AirflowAPIError(
                    f"run {run_id} of {dag_id} is still {run_state} after {timeout_seconds:.0f} s: {seen}"
                )
            time.sleep(_POLL_SECONDS)

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return a task's XCom as the JSON value it is."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id)}/xcomEntries/{quote(key)}"
        return self.request("GET", path)["value"]

    def task_log(self, dag_id: str, run_id: str, task_id: str, *, attempt: int = 1) -> list[dict[str, Any]]:
        """Return the records of one try, worker and trigger together: `event`, `level`, `timestamp`, …"""
        path = f"{_run(dag_id, run_id)}/taskInstances/{quote(task_id)}/logs/{attempt}?full_content=true"
        records = self.request("GET", path)["content"]
        return [record if isinstance(record, dict) else {"event": str(record)} for record in records]


def _run(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"
