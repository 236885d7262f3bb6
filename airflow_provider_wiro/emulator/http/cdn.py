"""The CDN below `/cdn`: `GET` and `HEAD` of stored files, whole or in part; the address is the credential."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_wiro.emulator.http.fault_responses import close_early, drop, faulty_response
from airflow_provider_wiro.emulator.http.ranges import ByteRange, UnsatisfiableRangeError, requested_range

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.state.faults import Fault
    from airflow_provider_wiro.emulator.state.files import StoredFile
    from airflow_provider_wiro.emulator.state.world import World

# These change how a file is served; the others replace the response.
_SERVED_DIFFERENTLY = frozenset(
    {"expired_link", "slow_body", "limited_speed", "wrong_size", "ignore_range", "truncated"}
)


class Cdn:
    """Serves everything below `/cdn`."""

    def __init__(self, world: World) -> None:
        """Serve the files of `world`."""
        self._world = world

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Respond to one request for a file."""
        record = self._world.receive(
            "cdn", path=request.raw_path, method=request.method, headers=request.headers
        )
        response = await self._respond(request, self._world.fire_fault(record))
        record.status = response.status
        return response

    async def _respond(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        if fault is not None:
            if fault.kind in {"drop_before", "drop_after"}:
                return drop(request)
            if fault.kind == "slow":
                await asyncio.sleep(fault.delay_seconds)
            elif fault.kind not in _SERVED_DIFFERENTLY:
                return await faulty_response(request, fault, None)
        stored = self._world.files.find(request.match_info["key"])
        # A name may contain a query, which is no part of the path.
        if (
            stored is None
            or stored.name.partition("?")[0] != request.match_info["name"]
            or self._world.now() < stored.appears
        ):
            return web.Response(status=404, text="no such file")
        if stored.expires <= self._world.now() or _is(fault, "expired_link"):
            status = 403 if fault is None or fault.status is None else fault.status
            return web.Response(status=status, text="this link has expired")
        return await self._serve_file(request, stored, fault)

    async def _serve_file(
        self, request: web.Request, stored: StoredFile, fault: Fault | None
    ) -> web.StreamResponse:
        size, headers = stored.content.size, _headers(stored)
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        try:
            part = _requested_part(request, headers, size, fault)
        except UnsatisfiableRangeError:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}", **headers})
        if part is not None:
            headers["Content-Range"] = part.content_range(size)
        start, stop = (part.start, part.stop) if part else (0, size)
        if fault is not None and fault.kind == "wrong_size":
            stop = start + _bytes_before(fault, stop - start)
        response = web.StreamResponse(status=206 if part else 200, headers=headers)
        response.content_length = stop - start
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        if fault is not None and fault.kind in {"truncated", "slow_body"}:
            middle = start + _bytes_before(fault, stop - start)
            await self._write(response, stored, start, middle)
            if fault.kind == "truncated":
                close_early(request)
                return response
            await asyncio.sleep(fault.delay_seconds)
            start = middle
        speed = fault.bytes_per_second if fault is not None and fault.kind == "limited_speed" else None
        await self._write(response, stored, start, stop, speed)
        await response.write_eof()
        return response

    async def _write(
        self,
        response: web.StreamResponse,
        stored: StoredFile,
        start: int,
        stop: int,
        bytes_per_second: int | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        started_at, sent = loop.time(), 0
        for piece in stored.content.chunks(start, stop):
            sent += len(piece)
            if bytes_per_second is not None:
                await asyncio.sleep(started_at + sent / bytes_per_second - loop.time())
            await response.write(piece)
            self._world.activity.bytes_served += len(piece)


def _is(fault: Fault | None, kind: str) -> bool:
    return fault is not None and fault.kind == kind


def _headers(stored: StoredFile) -> dict[str, str]:
    return {
        "Content-Type": stored.content_type,
        "ETag": f'"{stored.content.digest[:32]}"',
        "Last-Modified": formatdate(stored.added, usegmt=True),
        "Accept-Ranges": "bytes",
    }


def _requested_part(
    request: web.Request, headers: dict[str, str], size: int, fault: Fault | None
) -> ByteRange | None:
    condition = request.headers.get("If-Range")
    file_has_changed = condition is not None and condition not in {headers["ETag"], headers["Last-Modified"]}
    if file_has_changed or _is(fault, "ignore_range"):
        return None
    return requested_range(request.headers.get("Range"), size)


def _bytes_before(fault: Fault, length: int) -> int:
    return length // 2 if fault.after_bytes is None else min(length, fault.after_bytes)
