"""The API below `/v1`: routing, authentication, faults, and the endpoints' results as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from airflow_provider_wiro.emulator.envelope import VALIDATION, ApiError, success
from airflow_provider_wiro.emulator.http.endpoints import ENDPOINTS
from airflow_provider_wiro.emulator.http.fault_responses import drop, faulty_response, proxy_page
from airflow_provider_wiro.emulator.http.request_body import read_body
from airflow_provider_wiro.emulator.state.auth import has_own_user_agent
from airflow_provider_wiro.emulator.state.faults import LATE_START
from airflow_provider_wiro.emulator.state.runs import run

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.generation.inputs import RequestBody
    from airflow_provider_wiro.emulator.http.callbacks import Callbacks
    from airflow_provider_wiro.emulator.state.recording import ReceivedRequest
    from airflow_provider_wiro.emulator.state.world import World

_UNKNOWN = "unknown"
# These change a response, so the request has to be carried out first.
_NEED_A_RESPONSE = frozenset({"drop_after", "slow", "truncated"})


class Api:
    """Serves everything below `/v1`."""

    def __init__(self, world: World, callbacks: Callbacks) -> None:
        """Serve `world`; tasks with a `callbackUrl` are handed to `callbacks`."""
        self._world = world
        self._callbacks = callbacks

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Respond to one request."""
        segments = request.match_info["path"].split("/")
        endpoint = _endpoint_of(segments)
        record = self._world.receive(
            endpoint, path=request.raw_path, method=request.method, headers=request.headers
        )
        try:
            response = await self._respond(request, segments, record)
        except ApiError as error:
            response = _error_response(error)
        record.status = response.status
        return response

    async def _respond(
        self, request: web.Request, segments: list[str], record: ReceivedRequest
    ) -> web.StreamResponse:
        if record.endpoint == _UNKNOWN or request.method != "POST":
            raise ApiError(VALIDATION, "Error parsing url.", http_status=404)
        if self._world.settings.require_user_agent and not has_own_user_agent(request.headers):
            return proxy_page(403)
        # Before any fault, so that a nonce is used up whatever happens to the response.
        self._world.project.authorize(request.headers)
        fault = self._world.fire_fault(record)
        if fault is None:
            return await self._carry_out(request, segments, record)
        if fault.kind == "drop_before":
            return drop(request)
        if fault.kind == LATE_START:
            # aiohttp doesn't cancel a handler whose client has gone.
            return await self._carry_out(request, segments, record, at=record.at + fault.seconds)
        response = None
        if fault.processed or fault.kind in _NEED_A_RESPONSE:
            response = await self._carry_out(request, segments, record)
        return await faulty_response(request, fault, response)

    async def _carry_out(
        self, request: web.Request, segments: list[str], record: ReceivedRequest, *, at: float | None = None
    ) -> web.Response:
        """Return the response of the endpoint, which is called at the moment `at`, by default at once."""
        try:
            body = await read_body(request, self._world.directory)
            record.fields = body.fields
            record.file_names = tuple(file.name for file in body.files)
            if at is not None:
                await self._world.until(at)
            return web.json_response(self._call(record.endpoint, segments, body))
        except ApiError as error:
            return _error_response(error)

    def _call(self, endpoint: str, segments: list[str], body: RequestBody) -> dict[str, Any]:
        if endpoint != "Run":
            return ENDPOINTS[endpoint](self._world, body)
        task = run(self._world, segments[1], segments[2], body)
        if task.callback_url:
            self._callbacks.watch(task)
        return success(taskid=task.id, socketaccesstoken=task.token)


def _error_response(error: ApiError) -> web.Response:
    return web.json_response(error.envelope(), status=error.http_status)


def _endpoint_of(segments: list[str]) -> str:
    """Return the name of the endpoint at a path. The path of a run has exactly two more segments."""
    if len(segments) == 3 and segments[0] == "Run" and all(segments):
        return "Run"
    name = "/".join(segments)
    return name if name in ENDPOINTS else _UNKNOWN
