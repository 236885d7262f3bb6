"""A fake Wiro with one task and its files on a fake CDN, and a transfer of them to S3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.contract.scripts import respond, success
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.contract.hostile import HostileServer, Script

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 1000
MIB = 1024 * 1024
BIG = bytes(range(256)) * (17 * MIB // 256) + b"end"
#: The least that lands in parts; BIG has three.
IN_PARTS = BIG[: 8 * MIB + 1]
DETAIL = "/v1/Task/Detail"

LLM = {
    "name": "",
    "contenttype": "raw",
    "content": {"prompt": "p", "raw": "r", "thinking": ["t"], "answer": ["Merhaba 🌍", "ve hoşça kal"]},
}


class TaskInstance:
    """The little of a task instance that an operator may touch."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def transfer(wiro_task_id: Any = "2221", **arguments: Any) -> dict[str, Any]:
    arguments.setdefault("s3_bucket", None if arguments.get("s3_key", "").startswith("s3://") else BUCKET)
    operator = WiroToS3Operator(task_id="land", wiro_task_id=wiro_task_id, **arguments)
    landed: dict[str, Any] = operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    json.dumps(landed)  # it becomes an XCom
    return landed


class Wiro:
    """What Wiro shows of task 2221; its files are on the CDN."""

    def __init__(self, server: HostileServer, cdn: HostileServer) -> None:
        self._server, self._cdn = server, cdn

    def file(self, body: bytes, script: Script | None = None, **more: Any) -> dict[str, Any]:
        """Put a file on the CDN and return it as an output."""
        path = f"/f/{len(self._cdn._scripts)}/0.png"
        self._cdn.on(path, script or respond(body, content_type="image/png"))
        url = self._cdn.origin + path
        return {"name": "0.png", "contenttype": "image/png", "size": str(len(body)), "url": url, **more}

    def shows(self, *outputs: Mapping[str, Any], **more: Any) -> None:
        task = {
            "id": "2221",
            "status": "task_postprocess_end",
            "pexit": "0",
            "totalcost": "0.003510000000",
            "modelslugowner": "retroAIx",
            "modelslugproject": "Retro-Cartoons",
            "parameters": {"prompt": "a robot"},
            "outputs": outputs,
            **more,
        }
        self._server.on(DETAIL, success(tasklist=[task]))
