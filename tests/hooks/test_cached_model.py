"""`cached_model` of both hooks: Wiro is asked once for a machine and an hour, counted at Wiro."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.catalog import model_cache
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from tests.contract.scripts import drip, head, never_respond, refuse, respond, success
from tests.operators.fakes import RETRO, FakeLog
from tests.warm_python import WarmPython

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.contract.hostile import HostileServer, Script
    from tests.contract.twins import Twin

TOOL = "/v1/Tool/Detail"
MODEL = {
    "slugowner": "a",
    "slugproject": "b",
    "parameters": [{"items": [{"id": "inputImage", "type": "combinefileinput"}]}],
}
PROGRAM = """
import sys
from airflow_provider_wiro.hooks.wiro import WiroHook
print("ready", flush=True)
sys.stdin.readline()  # all start together
model = WiroHook().cached_model({model!r})
print(model.parameters[0].id)
"""


def requests(server: HostileServer, path: str) -> int:
    return sum(request.path == path for request in server.requests)


def test_the_second_time_wiro_is_not_asked(server: HostileServer, twin: Twin) -> None:
    server.on(TOOL, success(tool=[MODEL]))
    first, second = twin.cached_model("a/b"), twin.cached_model("a/b")
    assert first == second == twin.get_model("a/b")
    assert requests(server, TOOL) == 2


def test_both_hooks_share_it(server: HostileServer, twin: Twin) -> None:
    server.on(TOOL, success(tool=[MODEL]))
    twin.cached_model("a/b")
    assert WiroHook("wiro_default").cached_model("a/b") is not None
    assert requests(server, TOOL) == 1


def test_a_model_that_can_not_be_had_is_none_and_wiro_is_not_asked_again_at_once(
    server: HostileServer, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FakeLog()
    monkeypatch.setattr(type(twin.hook), "log", property(lambda _: log))
    server.on(TOOL, success(tool="gone"))
    assert [twin.cached_model("a/b"), twin.cached_model("a/b")] == [None, None]
    assert requests(server, TOOL) == 1
    assert log.lines[0].startswith("Wiro's description of a/b can't be had: ")


@pytest.mark.parametrize(
    "script", [never_respond, drip(head(200, content_length=10_000), b" ", 0.1)], ids=["silent", "drip"]
)
def test_a_wiro_that_does_not_get_done_is_not_waited_for(
    server: HostileServer, twin: Twin, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    monkeypatch.setattr(model_cache, "LONGEST_ASKING_SECONDS", 0.5)
    server.on(TOOL, script)
    began = time.monotonic()
    assert twin.cached_model("a/b") is None
    assert 0.5 <= time.monotonic() - began < 10
    assert requests(server, TOOL) == 1


def test_bad_credentials_are_an_error(server: HostileServer, twin: Twin) -> None:
    server.on(TOOL, respond(b"{}", 401))
    with pytest.raises(WiroAuthenticationError):
        twin.cached_model("a/b")


def test_what_is_no_slug_is_an_error(server: HostileServer, twin: Twin) -> None:
    with pytest.raises(WiroUsageError):
        twin.cached_model("no-slash")
    assert server.requests == []


def test_runs_with_files_ask_for_the_model_once(server: HostileServer, twin: Twin) -> None:
    server.on(TOOL, success(tool=[MODEL]))
    server.on("/v1/Run/a/b", success(taskid=1, socketaccesstoken="t"))
    for _ in range(3):
        twin.run_model("a/b", {}, {"inputImage": "https://a.example/1.png"})
    assert (requests(server, TOOL), requests(server, "/v1/Run/a/b")) == (1, 3)
    assert server.requests[-1].json == {"inputImage": ["https://a.example/1.png"]}


def test_a_run_without_files_asks_for_no_model(server: HostileServer, twin: Twin) -> None:
    server.on("/v1/Run/a/b", success(taskid=1, socketaccesstoken="t"))
    twin.run_model("a/b", {"prompt": "x"})
    assert requests(server, TOOL) == 0


def test_a_run_with_files_of_an_unknown_model_is_refused_by_wiro(server: HostileServer, twin: Twin) -> None:
    server.on(TOOL, refuse(1, "slug-owner-project-not-exist"))
    server.on("/v1/Tool/List", success(tool=[]))
    server.on("/v1/Run/a/b", refuse(1, "slug-owner-project-not-exist"))
    with pytest.raises(Exception, match="Wiro has no model 'a/b'"):
        twin.run_model("a/b", {}, {"inputImage": "https://a.example/1.png"})


@pytest.mark.parametrize("path", ["cache", "s3://bucket/cache", "https://a.example"])
def test_the_folder_is_an_absolute_path(twin: Twin, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__MODEL_CACHE_PATH", path)
    with pytest.raises(WiroUsageError, match="Expected \\[wiro\\] model_cache_path as an absolute path"):
        twin.cached_model("a/b")


def test_eight_processes_that_start_together_ask_once(
    wiro: WiroEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__MODEL_CACHE_PATH", str(tmp_path))
    results = []
    with ExitStack() as stack:
        children = [stack.enter_context(WarmPython(PROGRAM.format(model=RETRO))) for _ in range(8)]
        for child in children:
            assert child.stdout.readline() == "ready\n"
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        for child in children:
            printed = child.stdout.read().splitlines()
            results.append((child.wait(), printed[-1]))
    assert results == [(0, "prompt")] * 8
    assert wiro.counts.requests["Tool/Detail"] == 1
