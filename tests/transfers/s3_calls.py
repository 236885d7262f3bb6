"""A record of the calls to S3, with hooks before and after each; and a transfer as a named task."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

TASK_INSTANCE = SimpleNamespace(
    dag_id="nightly", run_id="manual__2026-11-23", task_id="to_s3", map_index=-1, try_number=1
)


def land(wiro_task_id: Any = "2221", *, ti: Any = TASK_INSTANCE, **arguments: Any) -> dict[str, Any]:
    """Transfer to the bucket as the task ``to_s3`` of the DAG ``nightly``."""
    arguments.setdefault("s3_bucket", BUCKET)
    operator = WiroToS3Operator(task_id="to_s3", wiro_task_id=wiro_task_id, **arguments)
    landed: dict[str, Any] = operator.execute({"ti": ti})  # type: ignore[typeddict-item]
    json.dumps(landed)
    return landed


class Calls:
    """The calls made with boto3 while a test watches, by operation and key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from botocore.client import BaseClient

        self.made: list[tuple[str, str]] = []
        self.arguments: list[tuple[str, dict[str, Any]]] = []
        #: Called before each with operation and arguments; may raise.
        self.before: Callable[[str, dict[str, Any]], None] = lambda operation, arguments: None
        #: Called after each with operation, arguments and the answer, which it may change.
        self.after: Callable[[str, dict[str, Any], Any], None] = lambda operation, arguments, answer: None
        real = BaseClient._make_api_call

        def watched(client: Any, operation: str, arguments: dict[str, Any]) -> Any:
            self.made.append((operation, arguments.get("Key", "")))
            self.arguments.append((operation, arguments))
            self.before(operation, arguments)
            answer = real(client, operation, arguments)
            self.after(operation, arguments, answer)
            return answer

        monkeypatch.setattr(BaseClient, "_make_api_call", watched)

    def of(self, operation: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.arguments if name == operation]

    def clear(self) -> None:
        self.made.clear()
        self.arguments.clear()
