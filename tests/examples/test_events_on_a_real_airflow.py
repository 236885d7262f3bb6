"""What has landed starts a second DAG, and so does a callback: by Airflow's own scheduler and API."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.hooks.wiro import WiroHook
from tests.examples.callback_guide import SECRET, block_of_the_guide, receiver
from tests.examples.files import example_file
from tests.programs.system.airflow_stack import USERNAME, AirflowStack
from tests.programs.system.servers import DIRECT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.examples.conftest import Bucket

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

PUBLISHING, CALLBACK = "example_wiro_publishing", "land_what_has_ended"
PICTURE = {"prompt": "a postman", "samples": 1, "width": 64, "height": 64}
#: Long enough for the sensor to defer meanwhile.
HELD_SECONDS = 25


@pytest.fixture
def stack(tmp_path: Path, wiro: WiroEmulator, bucket: Bucket) -> Iterator[AirflowStack]:
    dags = tmp_path / "dags"
    dags.mkdir()
    shutil.copy(example_file(PUBLISHING), dags)
    shown = block_of_the_guide("with DAG").replace('"wiro-outputs"', repr(bucket.name))
    (dags / f"{CALLBACK}.py").write_text(shown)
    environment = {
        "AIRFLOW_CONN_WIRO_DEFAULT": wiro.connection,
        "AIRFLOW_CONN_AWS_DEFAULT": bucket.connection,
        "WIRO_EXAMPLE_BUCKET": bucket.name,
    }
    stack = AirflowStack(tmp_path / "airflow", dags, environment=environment)
    with stack.running():
        for dag_id in (PUBLISHING, f"{PUBLISHING}_draw", CALLBACK):
            stack.api.wait_for_dag(dag_id)
            stack.api.request("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
        yield stack


@pytest.fixture
def callback_url(stack: AirflowStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The guide's receiver, which knows the API of the stack."""
    application = receiver(monkeypatch, stack.url)
    application.__globals__["LOGIN"] = {"username": USERNAME, "password": stack.password}
    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{SECRET}"
        server.shutdown()
        thread.join()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def runs(stack: AirflowStack, dag_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stack.api.request("GET", f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
    return found


def first_run(stack: AirflowStack, dag_id: str) -> str:
    deadline = time.monotonic() + 90
    while not (found := runs(stack, dag_id)):
        assert time.monotonic() < deadline, f"no run of {dag_id}"
        time.sleep(0.3)
    return str(found[0]["dag_run_id"])


def post(url: str, body: object) -> int:
    request = urllib.request.Request(url, json.dumps(body).encode())  # noqa: S310 - http, by this file
    try:
        with DIRECT.open(request, timeout=30) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_events_and_callbacks_start_the_dags_that_wait_for_them(
    stack: AirflowStack, wiro: WiroEmulator, bucket: Bucket, callback_url: str
) -> None:
    # What has landed starts the DAG that publishes it.
    api = stack.api
    drawn = api.trigger(f"{PUBLISHING}_draw")
    assert api.wait_for_run(f"{PUBLISHING}_draw", drawn, timeout_seconds=120) == "success"
    published = first_run(stack, PUBLISHING)
    assert api.wait_for_run(PUBLISHING, published, timeout_seconds=120) == "success"
    assert bucket.read("published/index.html").count(b"<img") == 2

    # A callback starts the DAG that lands the task.
    with WiroHook() as hook:
        started = hook.run_model("retroAIx/Retro-Cartoons", PICTURE, callback_url=callback_url)
    task = started.wiro_task_id
    assert first_run(stack, CALLBACK) == f"wiro-{task}"
    assert api.wait_for_run(CALLBACK, f"wiro-{task}", timeout_seconds=120) == "success"
    [landed] = [key for key in bucket.objects() if key.startswith(f"wiro/{task}/")]
    assert bucket.read(landed).startswith(b"\x89PNG")

    # A second one for the same task starts nothing more, nor does one without the secret.
    assert post(callback_url, {"id": task}) == 204
    assert post(callback_url.replace(SECRET, "guessed"), {"id": "1"}) == 404
    assert len(runs(stack, CALLBACK)) == 1

    # A callback that comes too early, or lies, lands nothing that hasn't ended.
    wiro.inject(Fault("slow_assign", seconds=HELD_SECONDS))
    with WiroHook() as hook:
        held = hook.run_model("retroAIx/Retro-Cartoons", PICTURE).wiro_task_id
    assert post(callback_url, {"id": held, "status": "task_postprocess_end"}) == 204
    states: dict[str, str | None] = {}
    api.wait_for_run(
        CALLBACK,
        f"wiro-{held}",
        timeout_seconds=120,
        on_change=states.__setitem__,
        until=lambda seen: seen.get("ended") == "deferred",
    )
    assert states == {"ended": "deferred"}
    assert api.wait_for_run(CALLBACK, f"wiro-{held}", timeout_seconds=120) == "success"
    assert post(callback_url, {"id": "99999999"}) == 204
    assert api.wait_for_run(CALLBACK, "wiro-99999999", timeout_seconds=120) == "success"
    assert {it["state"] for it in api.task_instances(CALLBACK, "wiro-99999999")} == {"skipped"}
    assert len(wiro.tasks) == 3
