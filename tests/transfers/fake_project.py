"""A fake Wiro project: a task list that a test fills, its files on a fake CDN, and runs of its export."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.transfers.wiro_project_to_s3 import WiroProjectToS3Operator
from tests.contract.scripts import refuse, respond, success
from tests.operators.fakes import FakeTi
from tests.transfers.s3 import BUCKET, S3

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.hostile import HostileServer, Script, Wire

#: When the first task was created: 1 March 2026, 12:00 UTC.
CREATED = 1_772_366_400
PNG = b"\x89PNG\r\n\x1a\n"
#: A beginning before all tasks.
LONG_AGO = "2026-01-01T00:00:00+00:00"


class Project:
    """Wiro with the tasks that a test adds, the newest first."""

    def __init__(self, server: HostileServer, cdn: HostileServer) -> None:
        self.server, self.cdn = server, cdn
        self.tasks: dict[int, dict[str, Any]] = {}
        #: What happens in place of a response to Task/Detail, by task.
        self.instead: dict[int, Script] = {}
        self.listed: Callable[[dict[str, Any]], dict[str, Any]] = abridged
        self.deleted: list[str] = []
        self._lock = threading.Lock()
        server.on("/v1/Task/List", self._list)
        server.on("/v1/Task/Detail", self._detail)
        server.on("/v1/Task/InputOutputDelete", self._delete)

    def file(self, number: int, index: int = 0, script: Script | None = None, **more: Any) -> dict[str, Any]:
        """Put a picture on the CDN, another one for each task, and return it as an output."""
        body = body_of(number, index)
        path = f"/{number}/{index}.png"
        self.cdn.on(path, script or respond(body, content_type="image/png"))
        return {
            "name": f"{index}.png",
            "contenttype": "image/png",
            "size": str(len(body)),
            "url": self.cdn.origin + path,
            **more,
        }

    def add(self, number: int, *outputs: dict[str, Any], **fields: Any) -> None:
        """Add a task that has succeeded; without outputs with one picture."""
        self.tasks[number] = {
            "id": str(number),
            "uuid": f"uuid-{number}",
            "socketaccesstoken": f"token-of-{number}-a7f3c9",
            "status": "task_postprocess_end",
            "pexit": "0",
            "totalcost": "0.01",
            "createtime": str(CREATED + number),
            "endtime": str(CREATED + number + 5),
            "elapsedseconds": "5.0000",
            "modelslugowner": "wiro",
            "modelslugproject": "painter",
            "projectid": "p1",
            "parameters": {"prompt": "somebody's secret plan"},
            "outputs": list(outputs) or [self.file(number)],
            **fields,
        }

    def start(self, number: int, **fields: Any) -> None:
        """Add a task that has not ended."""
        self.add(number, status="task_start", **fields)
        self.tasks[number]["outputs"] = []

    def end(self, number: int) -> None:
        self.add(number)

    def details_of(self, number: int) -> int:
        """Return how often a task's Detail was read."""
        return sum(
            str(request.json["taskid"]) == str(number) for request in self.server.to("/v1/Task/Detail")
        )

    def requests_for(self, number: int, index: int = 0) -> int:
        return len(self.cdn.to(f"/{number}/{index}.png"))

    def _list(self, wire: Wire) -> None:
        asked = _body(wire)
        start, limit = int(asked["start"]), int(asked["limit"])
        with self._lock:
            newest = [self.tasks[number] for number in sorted(self.tasks, reverse=True)]
        page = [self.listed(task) for task in newest[start : start + limit]]
        success(tasklist=page)(wire)

    def _detail(self, wire: Wire) -> None:
        number = int(_body(wire)["taskid"])
        with self._lock:
            task, instead = self.tasks.get(number), self.instead.get(number)
        if instead is not None:
            instead(wire)
        elif task is None:
            refuse(1, "There is no task yet.")(wire)
        else:
            success(tasklist=[task])(wire)

    def _delete(self, wire: Wire) -> None:
        self.deleted.append(_body(wire)["tasktoken"])
        success()(wire)


def abridged(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task as the list shows it: without what only Detail shows."""
    return {name: value for name, value in task.items() if name not in {"outputs", "parameters", "pexit"}}


def body_of(number: int, index: int = 0) -> bytes:
    return PNG + f"picture {index} of task {number}".encode() * 20


def _body(wire: Wire) -> Any:
    assert wire.request is not None
    return wire.request.json


@dataclass
class Exports:
    """Runs of one export, each of another DAG run."""

    s3: S3
    arguments: dict[str, Any] = field(default_factory=dict)
    count: int = 0

    def operator(self, **arguments: Any) -> WiroProjectToS3Operator:
        given = {"since": LONG_AGO, "s3_bucket": BUCKET, "deferrable": False, **self.arguments, **arguments}
        return WiroProjectToS3Operator(task_id="export", **given)

    def next_ti(self) -> FakeTi:
        self.count += 1
        return FakeTi(run_id=f"run-{self.count}", task_id="export")

    def run(self, ti: FakeTi | None = None, **arguments: Any) -> dict[str, Any]:
        """Run it in the next DAG run, or in another try."""
        operator = self.operator(**arguments)
        result: dict[str, Any] = operator.execute((ti or self.next_ti()).context)  # type: ignore[arg-type]
        json.dumps(result)  # it becomes an XCom
        return result

    def lines(self, result: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the manifest of a run."""
        return self.lines_at(result["manifest_uri"])

    def lines_at(self, uri: str) -> list[dict[str, Any]]:
        body = self.s3.get(uri.partition(f"{BUCKET}/")[2])
        return [json.loads(line) for line in body.splitlines()]

    @property
    def outputs(self) -> dict[str, bytes]:
        """What has landed, without the export's own objects."""
        return {key: self.s3.get(key) for key in self.s3.keys if "_wiro_export" not in key}
