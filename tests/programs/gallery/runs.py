"""The DAG runs that the gallery is to show: the faults that some of them need, and their ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.programs.system.airflow_api import FINISHED_RUN_STATES, AirflowAPIError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.programs.gallery.installation import Installation

SHOW, CLOSED, HOSTILE = "autumn_campaign", "payroll_pictures", "hostile"
BATCH, MANY, EXPORT = "product_shots", "whole_catalogue", "team_export"
#: How each ends: a failure is among what is shown.
ENDS = {SHOW: "failed", CLOSED: "success", HOSTILE: "success", MANY: "success", EXPORT: "success"}
WITHIN_SECONDS = 150.0
HOSTILE_NAME = "<img src=x onerror=alert('name')>.png"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="alert(\'svg\')"><script>alert(\'svg\')'
    '</script><circle cx="4.5" cy="4.5" r="4"/></svg>'
)
PAGE = "<!doctype html><html><body><script>alert('page')</script></body></html>"
#: A glTF file without anything in it.
TEAPOT = '{"asset": {"version": "2.0"}, "scenes": [{"name": "teapot"}]}'


@dataclass(frozen=True)
class Run:
    """One DAG run."""

    dag_id: str
    run_id: str

    @property
    def page(self) -> str:
        """Its page in Airflow, below its root, as Airflow's own links have it."""
        return f"/dags/{self.dag_id}/runs/{quote(self.run_id, safe=':+')}"

    def gallery(self, kind: str = "", tail: str = "") -> str:
        """A route of the gallery about it, below Airflow's root."""
        return f"/wiro/{kind}/{self.dag_id}/{quote(self.run_id, safe='')}{tail}"


class Runs:
    """Starts DAG runs, and waits for them."""

    def __init__(self, installation: Installation, say: Callable[[str], None]) -> None:
        self._installation = installation
        self._api = installation.stack.api
        self._say = say
        self.of: dict[str, Run] = {}

    def start(self, dag_id: str) -> Run:
        run_id = self._api.trigger(dag_id)
        self.of[dag_id] = Run(dag_id, run_id)
        return self.of[dag_id]

    def start_all(self) -> None:
        """Start all but the batch, which is looked at while it runs."""
        wiro = self._installation.wiro
        wiro.arm(
            {
                "kind": "answer_shape",
                "shape": "full",
                "finish_reason": "length",
                "model": "openai/gpt-5-nano",
            },
            {
                "kind": "exit_code",
                "model": "klingai/kling-v3",
                "debug_error": "RuntimeError: the prompt was refused by the safety filter",
            },
            *(
                {"kind": "output_file", "model": "wiro/surprise", "skip": number, **file}
                for number, file in enumerate(
                    (
                        {"name": "logo.svg", "content_type": "image/svg+xml", "content": SVG},
                        {"name": "page.html", "content_type": "text/html", "content": PAGE},
                        {"name": "teapot.gltf", "content_type": "model/gltf+json", "content": TEAPOT},
                    )
                )
            ),
        )
        self._installation.hostile.arm({"kind": "output_name", "times": None, "name": HOSTILE_NAME})
        for dag_id in (*ENDS, BATCH):
            self._api.wait_for_dag(dag_id)
        for dag_id in ENDS:
            if dag_id != EXPORT:
                self.start(dag_id)

    def start_batch(self) -> Run:
        """
        Start the batch, with two items that fail, and hold Wiro as soon as the batch has said how far it is.

        So it is looked at while it runs, however long a browser takes.
        """
        model = "wiro/poster-studio"
        self._installation.wiro.arm(
            {"kind": "slow_assign", "seconds": 6.0, "times": 24, "model": model},
            {"kind": "exit_code", "skip": 5, "times": 2, "model": model},
        )
        run = self.start(BATCH)
        deadline = time.monotonic() + WITHIN_SECONDS
        while not self._has(BATCH, "shoot", "progress"):
            if time.monotonic() > deadline:
                raise AirflowAPIError(f"{BATCH} has not said how far it is: {self._states(run)}")
            time.sleep(0.1)
        self._installation.wiro.freeze()
        return run

    def let_the_batch_end(self) -> None:
        self._installation.wiro.thaw()

    def wait(self, *dag_ids: str) -> None:
        """Wait until these runs have ended as `ENDS` says."""
        deadline = time.monotonic() + WITHIN_SECONDS
        for dag_id in dag_ids:
            run = self.of[dag_id]
            while (state := self._api.run_state(dag_id, run.run_id)) not in FINISHED_RUN_STATES:
                if time.monotonic() > deadline:
                    raise AirflowAPIError(
                        f"{dag_id} is still {state} after {WITHIN_SECONDS:.0f} s: {self._states(run)}"
                    )
                time.sleep(0.3)
            if state != ENDS.get(dag_id, "success"):
                raise AirflowAPIError(f"{dag_id} ended as {state}: {self._states(run)}")
            self._say(f"{dag_id} has ended as {state}")

    def forge(self, task_id: str, map_index: int, value: Any) -> None:
        """Write a result of the hostile DAG as a user of Airflow's API can, who is no DAG author."""
        body = {"value": value, "map_index": map_index}
        self._api.request("PATCH", self._entry(HOSTILE, task_id), body)

    def result(self, dag_id: str, task_id: str, map_index: int = -1) -> Any:
        return self._api.request("GET", f"{self._entry(dag_id, task_id)}?map_index={map_index}")["value"]

    def _has(self, dag_id: str, task_id: str, key: str) -> bool:
        try:
            self._api.request("GET", self._entry(dag_id, task_id, key))
        except AirflowAPIError as error:
            if "HTTP 404" in str(error):
                return False
            raise
        return True

    def _entry(self, dag_id: str, task_id: str, key: str = "return_value") -> str:
        run = self.of[dag_id].page.replace("/runs/", "/dagRuns/")
        return f"/api/v2{run}/taskInstances/{task_id}/xcomEntries/{key}"

    def _states(self, run: Run) -> dict[str, Any]:
        return {
            f"{it['task_id']}[{it['map_index']}]": it["state"]
            for it in self._api.task_instances(run.dag_id, run.run_id)
        }
