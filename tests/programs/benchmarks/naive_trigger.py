"""The baseline: a simple trigger with its own session, which requests Detail every five seconds."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_TERMINAL = frozenset({"task_postprocess_end", "task_cancel"})
_POLL_SECONDS = 5.0


class NaiveWiroTrigger(BaseTrigger):
    """Waits for a Wiro task; handles no faults and no rate limits."""

    def __init__(self, wiro_task_id: str, wiro_conn_id: str = "wiro_default") -> None:
        super().__init__()
        self.wiro_task_id = wiro_task_id
        self.wiro_conn_id = wiro_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"wiro_task_id": self.wiro_task_id, "wiro_conn_id": self.wiro_conn_id}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        import aiohttp
        from airflow.providers.common.compat.sdk import BaseHook

        connection = await BaseHook.aget_connection(self.wiro_conn_id)
        url, body = f"{connection.host}/Task/Detail", {"taskid": self.wiro_task_id}
        async with aiohttp.ClientSession() as session:
            while True:
                nonce = str(secrets.randbits(63))
                message = (connection.password + nonce).encode()
                signature = hmac.new(connection.login.encode(), message, hashlib.sha256).hexdigest()
                headers = {"x-api-key": connection.login, "x-nonce": nonce, "x-signature": signature}
                async with session.post(url, json=body, headers=headers) as response:
                    response.raise_for_status()
                    [task] = (await response.json())["tasklist"]
                if task["status"] in _TERMINAL:
                    break
                await asyncio.sleep(_POLL_SECONDS)
        status = "success" if task["status"] == "task_postprocess_end" else "error"
        yield TriggerEvent({"status": status, "wiro_task_id": self.wiro_task_id})
