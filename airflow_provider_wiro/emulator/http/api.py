"""The API over HTTP: which endpoint, who calls, what goes wrong on purpose, and the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from airflow_provider_wiro.emulator.envelope import ApiError, unknown_endpoint
from airflow_provider_wiro.emulator.http.endpoints import ENDPOINTS
from airflow_provider_wiro.emulator.http.endpoints.runs import run
from airflow_provider_wiro.emulator.http.fault_responses import answer_badly, drop, proxy_page
from airflow_provider_wiro.emulator.http.request_body import Body, read_body
from airflow_provider_wiro.emulator.state.auth import names_itself
from airflow_provider_wiro.emulator.state.faults import LATE_START
from airflow_provider_wiro.emulator.state.recording import ReceivedRequest

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.http.callbacks import Callbacks
    from airflow_provider_wiro.emulator.state.faults import Fault
    from airflow_provider_wiro.emulator.state.world import World

# These change an answer, so there has to be one.
_NEED_AN_ANSWER = frozenset({"drop_after", "slow", "truncated"})


class Api:
    """Serves everything below `/v1`."""

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        """Serve `world`; finished tasks with a callback are handed to `callbacks`."""
        self._world = world
        self._callbacks = callbacks

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer one request to the API."""
        segments = request.match_info["path"].split("/")
        endpoint = _endpoint_of(segments)
        record = self._world.ledger.record(
            ReceivedRequest(
                endpoint=endpoint or "unknown",
                path=request.raw_path,
                method=request.method,
                headers={name.lower(): value for name, value in request.headers.items()},
                at=self._world.now(),
            )
        )
        response = await self._answer(request, endpoint, segments, record)
        record.status = response.status
        return response

    async def _answer(
        self, request: web.Request, endpoint: str | None, segments: list[str], record: ReceivedRequest
    ) -> web.StreamResponse:
        if endpoint is None or request.method != "POST":
            return _error(unknown_endpoint())
        if self._world.settings.require_user_agent and not names_itself(request.headers):
            return proxy_page(403)
        try:
            # Before any fault, so that a nonce that was sent is used up whatever happens to the answer.
            self._world.project.authorize(request.headers)
        except ApiError as error:
            return _error(error)
        fault = self._world.faults.take_for_request(endpoint)
        if fault is None:
            return await self._handle(request, endpoint, segments, record)
        record.fault = fault.kind
        self._world.ledger.faults_fired[fault.kind] += 1
        if fault.kind == "drop_before":
            return drop(request)
        if fault.kind == LATE_START:
            # The server doesn't cancel a handler whose client has gone.
            carry_out_at = self._world.now() + fault.seconds
            return await self._handle(request, endpoint, segments, record, carry_out_at=carry_out_at)
        response = await self._handle(request, endpoint, segments, record) if _is_processed(fault) else None
        return await answer_badly(request, fault, response)

    async def _handle(
        self,
        request: web.Request,
        endpoint: str,
        segments: list[str],
        record: ReceivedRequest,
        *,
        carry_out_at: float | None = None,
    ) -> web.Response:
        try:
            body = await read_body(request, self._world.directory)
            record.fields = body.fields
            record.file_names = tuple(file.name for file in body.files)
            if carry_out_at is not None:
                await self._world.until(carry_out_at)
            return web.json_response(self._call(endpoint, segments, body))
        except ApiError as error:
            return _error(error)

    def _call(self, endpoint: str, segments: list[str], body: Body) -> dict[str, Any]:
        if endpoint != "Run":
            return ENDPOINTS[endpoint](self._world, body)
        answer = run(self._world, segments[1], segments[2], body)
        task = self._world.tasks.by_id(answer["taskid"])
        if task is not None and task.callback_url:
            self._callbacks.watch(task)
        return answer


def _endpoint_of(segments: list[str]) -> str | None:
    """Return the name of the endpoint a path leads to. A model has exactly two segments."""
    if len(segments) == 3 and segments[0] == "Run" and all(segments):
        return "Run"
    name = "/".join(segments)
    return name if name in ENDPOINTS else None


def _is_processed(fault: Fault) -> bool:
    return fault.processed or fault.kind in _NEED_AN_ANSWER


def _error(error: ApiError) -> web.Response:
    return web.json_response(error.envelope(), status=error.http_status)
