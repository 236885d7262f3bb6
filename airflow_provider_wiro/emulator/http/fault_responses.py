"""The responses of faults: errors, proxies' pages, truncated bodies, dropped connections."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_wiro.emulator.envelope import VALIDATION, failure

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.state.faults import Fault

_PROXY_PAGE = (
    "<html>\r\n<head><title>{title}</title></head>\r\n"
    "<body><center><h1>{title}</h1></center><hr><center>nginx</center></body>\r\n</html>\r\n"
)


async def faulty_response(
    request: web.Request, fault: Fault, response: web.Response | None
) -> web.StreamResponse:
    """Return what `fault` makes of `response`, which is `None` if the request wasn't carried out."""
    match fault.kind:
        case "drop_after":
            return drop(request)
        case "slow" if response is not None:
            await asyncio.sleep(fault.delay_seconds)
            return response
        case "truncated" if response is not None:
            return await _truncated(request, fault, response)
        case _:
            return replacement_response(fault)


def replacement_response(fault: Fault) -> web.Response:
    """Return a response that doesn't depend on the request."""
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    match fault.kind:
        case "rate_limit":
            body = failure(VALIDATION, "Too many requests.")
            return web.json_response(body, status=fault.status or 429, headers=headers)
        case "server_error":
            return _server_error(fault, headers)
        case "api_error":
            error = fault.message if fault.bare else {"code": fault.code, "message": fault.message}
            return web.json_response({"result": False, "errors": [error]}, status=fault.status or 200)
        case "html":
            return proxy_page(fault.status or 200)
        case "empty":
            return web.Response(status=fault.status or 200)
        case "redirect":
            return web.Response(status=fault.status or 302, headers={"Location": fault.url})
        case _:
            raise ValueError(f"{fault.kind!r} has no response of its own")


def drop(request: web.Request) -> web.Response:
    """Abort the connection. The response returned is for aiohttp and goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def close_early(request: web.Request) -> None:
    """Close the connection once the written bytes are sent, whatever `Content-Length` promised."""
    if request.transport is not None:
        request.transport.close()


def proxy_page(status: int, headers: dict[str, str] | None = None) -> web.Response:
    """Return the HTML page of a proxy in front of the API."""
    title = f"{status} {HTTPStatus(status).phrase}"
    return web.Response(
        text=_PROXY_PAGE.format(title=title), status=status, content_type="text/html", headers=headers
    )


async def _truncated(request: web.Request, fault: Fault, response: web.Response) -> web.StreamResponse:
    whole = response.body if isinstance(response.body, bytes) else b""
    sent = len(whole) // 2 if fault.after_bytes is None else fault.after_bytes
    short = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
    short.content_length = len(whole)
    await short.prepare(request)
    await short.write(whole[:sent])
    close_early(request)
    return short


def _server_error(fault: Fault, headers: dict[str, str]) -> web.Response:
    status = fault.status or 500
    match fault.body:
        case "json":
            body = failure(VALIDATION, "Internal server error.")
            return web.json_response(body, status=status, headers=headers)
        case "html":
            return proxy_page(status, headers)
        case "text":
            return web.Response(text="upstream connect error", status=status, headers=headers)
        case "empty":
            return web.Response(status=status, headers=headers)
        case _:
            raise ValueError(f"server_error has a body of json, html, text or empty, not {fault.body!r}")
