"""An S3 server of another make: moto, behind a gateway that answers some requests as other stores do."""

from __future__ import annotations

import http.client
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pytest

#: What a rule answers instead of moto: HTTP status, S3's code, its words, further headers.
Refusal = tuple[int, str, str] | tuple[int, str, str, dict[str, str]]


@dataclass
class Request:
    """A request as it came in, and the status that moto gave it, 0 before it was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int = 0


@dataclass
class Gateway:
    """
    Passes requests on to moto.

    :ivar origin: its address.
    :ivar rules: asked before moto and again with its status; the first answer that one gives is sent instead.
    """

    origin: str = ""
    rules: list[Callable[[Request], Refusal | None]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def of(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]


def denies_missing(request: Request) -> Refusal | None:
    """As S3 answers a role without ``s3:ListBucket``: of a key that isn't there it says 403, not 404."""
    if request.method in {"GET", "HEAD"} and request.status == 404:
        return 403, "AccessDenied", "Access Denied"
    return None


def denies_sight(request: Request) -> Refusal | None:
    """As S3 answers a role that has ``s3:PutObject`` alone."""
    if request.method in {"GET", "HEAD"}:
        return 403, "AccessDenied", "Access Denied"
    return None


def knows_no_conditions(request: Request) -> Refusal | None:
    """As Backblaze B2 and Alibaba OSS answer: they know no conditional puts."""
    if "if-none-match" in request.headers:
        return 501, "NotImplemented", "A header you provided implies functionality that is not implemented"
    return None


def knows_no_conditions_as_b2(request: Request) -> Refusal | None:
    """The same in the words, and with the status, that Backblaze B2 has for headers it doesn't know."""
    if "if-none-match" in request.headers:
        return 400, "InvalidArgument", "Unsupported header 'if-none-match' received for this API call."
    return None


def knows_no_checksums(request: Request) -> Refusal | None:
    """As some stores answer to the checksums that boto3 adds by default."""
    if any(name.startswith(("x-amz-checksum", "x-amz-sdk-checksum")) for name in request.headers):
        return 501, "NotImplemented", "A header you provided implies functionality that is not implemented"
    return None


def knows_no_checksums_as_b2(request: Request) -> Refusal | None:
    """As Backblaze B2 answers to them (jschneier/django-storages#1498)."""
    for name in ("x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm", "x-amz-checksum-crc32"):
        if name in request.headers:
            return 400, "InvalidArgument", f"Unsupported header '{name}' received for this API call."
    return None


def refuses(method: str, *refusal: Any) -> Callable[[Request], Refusal | None]:
    """Return a rule that refuses all requests of one method."""
    return lambda request: refusal if request.method == method else None  # type: ignore[return-value]


def connect_s3(monkeypatch: pytest.MonkeyPatch, *, keys: tuple[str, str] = ("a", "b"), **extra: Any) -> None:
    """Have ``aws_default`` lead to S3, with these extras."""
    login, password = keys
    extra = {"region_name": "us-east-1", **extra}
    fields = {"conn_type": "aws", "login": login, "password": password, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))


def connections_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the ids of the S3 connections that are read; each logs a line then."""
    from airflow.providers.amazon.aws.utils.connection_wrapper import AwsConnectionWrapper

    read: list[str] = []
    real = AwsConnectionWrapper.__post_init__

    def wrapped(self: Any, conn: Any) -> None:
        if not isinstance(conn, AwsConnectionWrapper):  # else a copy of one that was read
            read.append(conn.conn_id)
        real(self, conn)

    monkeypatch.setattr(AwsConnectionWrapper, "__post_init__", wrapped)
    return read


def _handler(gateway: Gateway, moto: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers)
            gateway.requests.append(request)
            if self._refused(request):
                return
            kept = {name: value for name, value in headers.items() if name not in {"host", "expect"}}
            connection = http.client.HTTPConnection(urlsplit(moto).netloc, timeout=30)
            try:
                connection.request(self.command, self.path, body=body, headers=kept)
                answer = connection.getresponse()
                found = answer.read()
            finally:
                connection.close()
            request.status = answer.status
            if self._refused(request):
                return
            length = answer.headers["Content-Length"] if self.command == "HEAD" else str(len(found))
            skipped = {"connection", "content-length", "date", "server", "transfer-encoding"}
            more = {name: value for name, value in answer.headers.items() if name.lower() not in skipped}
            self._send(answer.status, found, {**more, "Content-Length": length or "0"})

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass  # noqa: N815

        def _refused(self, request: Request) -> bool:
            for rule in gateway.rules:
                refusal = rule(request)
                if refusal is not None:
                    status, code, words, *more = refusal
                    body = f"<Error><Code>{code}</Code><Message>{words}</Message></Error>".encode()
                    body = b"" if self.command == "HEAD" else body
                    self._send(status, body, {"Content-Length": str(len(body)), **(more[0] if more else {})})
                    return True
            return False

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    return Handler


def serve_gateway(moto: str) -> Iterator[Gateway]:
    """Yield a gateway to a moto server."""
    gateway = Gateway()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway, moto))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    gateway.origin = f"http://127.0.0.1:{server.server_port}"
    yield gateway
    server.shutdown()
    server.server_close()
    thread.join(5)
