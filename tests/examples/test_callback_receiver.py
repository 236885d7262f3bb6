"""The receiver of callbacks that the guide shows: it starts one DAG run for a task, and believes nothing."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.examples.callback_guide import SECRET, receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = "/api/v2/dags/land_what_has_ended/dagRuns"


class AirflowAPI(HTTPServer):
    """Airflow's API, as far as the receiver uses it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, Any, str | None]] = []
        self.status = 200


class _Handler(BaseHTTPRequestHandler):
    server: AirflowAPI

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.received.append((self.path, body, self.headers["Authorization"]))
        self.send_response(200 if self.path == "/auth/token" else self.server.status)
        self.end_headers()
        self.wfile.write(b'{"access_token": "a-token"}')

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def airflow() -> Iterator[AirflowAPI]:
    with AirflowAPI() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def call(application: Any, body: bytes, path: str = f"/{SECRET}") -> str:
    statuses: list[str] = []
    environ = {"PATH_INFO": path, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    assert application(environ, lambda status, headers: statuses.append(status)) == [b""]
    return statuses[0]


@pytest.fixture
def application(airflow: AirflowAPI, monkeypatch: pytest.MonkeyPatch) -> Any:
    return receiver(monkeypatch, f"http://127.0.0.1:{airflow.server_port}")


@pytest.mark.parametrize("body", [b'{"id": "2221"}', b'{"id": 2221, "status": "x"}', b'{"taskid": "2221"}'])
def test_a_callback_starts_the_dag_with_the_tasks_id_and_nothing_else_of_it(
    airflow: AirflowAPI, application: Any, body: bytes
) -> None:
    assert call(application, body) == "204 No Content"
    login, (path, run, authorization) = airflow.received
    assert login == ("/auth/token", {"username": "hints", "password": "a-password"}, None)
    assert (path, authorization) == (RUNS, "Bearer a-token")
    assert run == {"dag_run_id": "wiro-2221", "logical_date": None, "conf": {"wiro_task_id": "2221"}}


def test_a_second_callback_is_none_of_airflows_errors(airflow: AirflowAPI, application: Any) -> None:
    airflow.status = 409
    assert call(application, b'{"id": "2221"}') == "204 No Content"


def test_wiro_learns_that_airflow_was_not_there(
    airflow: AirflowAPI, application: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    airflow.status = 503
    assert call(application, b'{"id": "2221"}') == "502 Bad Gateway"
    assert call(receiver(monkeypatch, "http://127.0.0.1:1"), b'{"id": "2221"}') == "502 Bad Gateway"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"\xff",
        b"[]",
        b"null",
        b'{"id": "../dagRuns"}',
        b'{"id": null}',
        b'{"id": "1; drop"}',
        b'{"id": "' + b"9" * 21 + b'"}',
        b" " * 2**20 + b'{"id": "2221"}',
    ],
)
def test_a_body_without_a_number_starts_nothing(airflow: AirflowAPI, application: Any, body: bytes) -> None:
    assert call(application, body) == "204 No Content"
    assert airflow.received == []


@pytest.mark.parametrize("path", ["/", "/made-uq", "/made-up/", "", "/m\xe4de-up"])
def test_without_the_secret_nobody_starts_anything(airflow: AirflowAPI, application: Any, path: str) -> None:
    assert call(application, b'{"id": "2221"}', path) == "404 Not Found"
    assert airflow.received == []
