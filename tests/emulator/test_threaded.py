from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import sys
import threading
import time
import urllib.request
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault, ManualClock, WallClock, WiroEmulator
from airflow_provider_wiro.emulator.__main__ import parse_arguments
from airflow_provider_wiro.emulator.settings import Settings
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.emulator import Clock
    from tests.emulator.conftest import Caller, Calling


def test_an_emulator_serves_a_caller_that_blocks() -> None:
    with WiroEmulator(api_secret=None) as emulator:
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{emulator.url}/Run/{RETRO}",
            data=json.dumps(SMALL).encode(),
            headers={"x-api-key": "emulator-key"},
        )
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
            assert json.load(response)["taskid"] == "2221"
        assert emulator.counts.requests == {"Run": 1}


def test_what_was_seen_can_be_asked_after_the_end_and_the_port_is_free_again() -> None:
    with WiroEmulator() as first:
        port = int(first.url.split(":")[2].split("/")[0])
    assert first.counts.tasks_started == 0
    assert first.received == []
    first.stop()
    with WiroEmulator(port=port) as second:
        assert second.url == first.url


def test_an_emulator_that_can_not_listen_says_so_at_once() -> None:
    with WiroEmulator() as first:
        port = int(first.url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match="address already in use"), WiroEmulator(port=port):
            pass


def test_an_emulator_must_be_started_once() -> None:
    emulator = WiroEmulator()
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.url
    with emulator, pytest.raises(RuntimeError, match="started already"):
        emulator.start()


def test_only_a_manual_clock_can_be_advanced() -> None:
    with WiroEmulator() as emulator, pytest.raises(TypeError, match="ManualClock"):
        emulator.advance(1)
    with pytest.raises(ValueError, match="forward only"):
        ManualClock().advance(-1)


@pytest.mark.parametrize("settings", [{"speed": 0}, {"api_key": ""}, {"api_secret": ""}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"speed|key|secret"):
        WiroEmulator(**settings)  # type: ignore[arg-type]


def test_the_connection_is_what_airflow_reads() -> None:
    with WiroEmulator() as emulator:
        assert json.loads(emulator.connection) == {
            "conn_type": "wiro",
            "host": emulator.url,
            "login": "emulator-key",
            "password": "emulator-secret",
            "extra": {"websocket_url": emulator.websocket_url},
        }


def test_it_may_be_used_from_many_threads_at_once() -> None:
    with WiroEmulator() as emulator:

        def use() -> None:
            for _ in range(20):
                emulator.inject(Fault("html", endpoint="Run"))
                assert emulator.counts.tasks_started == 0

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        emulator.clear_faults()


@pytest.mark.asyncio
async def test_on_the_real_clock_speed_brings_a_task_to_its_end(calling: object) -> None:
    async with calling(clock=WallClock(), speed=400) as wiro:  # type: ignore[operator]
        task_id = await wiro.run()
        async with asyncio.timeout(5):
            while (task := await wiro.detail(task_id))["status"] != "task_postprocess_end":
                pass
        # Priced by the model's own six seconds, not by the hundredths that passed.
        assert task["elapsedseconds"][:3] in {"5.9", "6.0"}


@pytest.mark.asyncio
async def test_the_page_says_what_it_is_and_shows_what_was_made(wiro: Caller) -> None:
    task = await wiro.finish(body=SMALL | {"prompt": "<script>alert(1)</script>"})
    await wiro.finish("openai/gpt-5-nano", {"prompt": "gloves"})
    await wiro.finish("resemble-ai/chatterbox-turbo", {"prompt": "la"})
    wiro.emulator.inject(Fault("big_output", bytes=100))
    await wiro.finish()
    status, headers, data = await wiro.fetch(wiro.emulator.url.removesuffix("/v1") + "/")
    html = data.decode()
    assert (status, headers["Server"]) == (200, "wiro-emulator")
    assert "local emulator of the Wiro API" in html
    assert f'<img src="/cdn/{task["outputs"][0]["accesskey"]}/0.png"' in html
    assert "<script>" not in html
    assert "<audio" in html
    assert "(100 bytes)" in html


@pytest.mark.asyncio
async def test_the_control_endpoints_steer_a_running_emulator(wiro: Caller) -> None:
    control = wiro.emulator.url.removesuffix("/v1") + "/__emulator__"
    async with wiro.session.post(
        f"{control}/faults", json=[{"kind": "exit_code"}, {"kind": "html"}]
    ) as response:
        assert await response.json() == [{"kind": "exit_code"}, {"kind": "html"}]
    async with wiro.session.delete(f"{control}/faults") as response:
        assert await response.json() == []
    await wiro.run()
    async with wiro.session.post(f"{control}/clock", json={"advance_seconds": 60}) as response:
        assert await response.json() == {"now": 1734513867.0, "manual": True}
    async with wiro.session.get(f"{control}/state") as response:
        state = await response.json()
    assert state["counts"]["tasks_by_status"] == {"task_postprocess_end": 1}
    assert state["counts"]["requests"] == {"Run": 1}
    assert state["tasks"][0]["model"] == RETRO
    assert state["faults"] == []


@pytest.mark.asyncio
async def test_tasks_of_given_lengths_can_be_put_in_flight_at_once(wiro: Caller) -> None:
    control = wiro.emulator.url.removesuffix("/v1") + "/__emulator__"
    wanted = {"model": RETRO, "parameters": SMALL, "seconds": [60, 90.5, 2]}
    async with wiro.session.post(f"{control}/tasks", json=wanted) as response:
        ids = (await response.json())["task_ids"]
    wiro.emulator.advance(100)
    created = {task.id: task.created_at for task in wiro.emulator.tasks}
    ended = {task.id: task.history[-1] for task in wiro.emulator.tasks}
    assert [ended[task_id][0] for task_id in ids] == ["task_postprocess_end"] * 3
    assert [ended[task_id][1] - created[task_id] for task_id in ids] == pytest.approx([60, 90.5, 2])
    assert (await wiro.detail(ids[1]))["elapsedseconds"] == "6.0000", "seconds of the model, at its own pace"


@pytest.mark.asyncio
async def test_the_counters_can_be_asked_alone(wiro: Caller) -> None:
    control = wiro.emulator.url.removesuffix("/v1") + "/__emulator__"
    await wiro.run()
    async with wiro.session.get(f"{control}/counts") as response:
        found = await response.json()
    assert found["now"] == 1734513807.0
    assert (found["counts"]["tasks_active"], found["counts"]["requests"]) == (1, {"Run": 1})
    assert "tasks" not in found


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"kind": "typo"}),
        ("faults", {"endpoint": "Run"}),
        ("faults", "text"),
        ("faults", {"kind": "html", "unknown": 1}),
        ("faults", {"kind": "exit_code", "task_id": "9"}),
        ("clock", {"seconds": 1}),
        ("clock", {"advance_seconds": -1}),
        ("tasks", {"model": RETRO}),
        ("tasks", {"model": "retroAIx", "parameters": SMALL, "seconds": [8]}),
        ("tasks", {"model": "retroAIx/unknown", "parameters": SMALL, "seconds": [8]}),
        ("tasks", {"model": RETRO, "parameters": {"samples": 99}, "seconds": [8]}),
        ("tasks", {"model": RETRO, "parameters": SMALL, "seconds": [8, 0]}),
        ("tasks", {"model": RETRO, "parameters": SMALL, "seconds": ["long"]}),
    ],
)
async def test_a_control_call_that_can_not_be_meant_is_a_400_with_a_reason(
    wiro: Caller, path: str, body: object
) -> None:
    control = wiro.emulator.url.removesuffix("/v1") + "/__emulator__"
    async with wiro.session.post(f"{control}/{path}", json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]


@pytest.mark.asyncio
async def test_the_real_clock_is_read_but_not_moved() -> None:
    async with WiroEmulator() as emulator, aiohttp.ClientSession() as session:
        control = emulator.url.removesuffix("/v1") + "/__emulator__"
        async with session.get(f"{control}/clock") as response:
            assert (await response.json())["manual"] is False
        async with session.post(f"{control}/clock", json={"advance_seconds": 1}) as response:
            assert response.status == 400


def test_the_command_listens_beyond_this_machine_only_when_told_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--host", "0.0.0.0"])  # noqa: S104 - that is the test
    assert "--allow-remote" in capsys.readouterr().err
    assert parse_arguments(["--host", "0.0.0.0", "--allow-remote"]).allow_remote  # noqa: S104
    assert parse_arguments(["--host", "::1"]).port == 8900


def test_the_command_lines_defaults_are_the_settings() -> None:
    options = vars(parse_arguments([]))
    defaults = {item.name: item.default for item in dataclasses.fields(Settings)}
    shared = defaults.keys() & options.keys()
    assert {"nonces", "socket_dialect", "kill_from", "teammates", "task_fields"} <= shared
    assert {name: options[name] for name in shared} == {name: defaults[name] for name in shared}


@pytest.mark.asyncio
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_says_where_it_listens_and_stops_cleanly(number: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "airflow_provider_wiro.emulator", "--port", "0", "--key-only", "--speed", "50",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(20):
        first, second = (await process.stdout.readline()).decode(), (await process.stdout.readline()).decode()
        url = first.removeprefix("Wiro emulator listening on ").strip()
        assert url.startswith("http://127.0.0.1:")
        name, _, value = second.strip().partition("=")
        assert name == "AIRFLOW_CONN_WIRO_DEFAULT"
        assert json.loads(value.strip("'"))["host"] == url
        process.send_signal(number)
        rest, _ = await process.communicate()
    assert process.returncode == 0
    assert rest.decode().endswith("Wiro emulator stopped.\n")


@pytest.mark.asyncio
async def test_the_command_says_in_one_line_that_its_port_is_taken() -> None:
    async with WiroEmulator() as emulator:
        port = emulator.url.split(":")[2].split("/")[0]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "airflow_provider_wiro.emulator", "--port", port,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1].startswith(f"the emulator can't listen on 127.0.0.1:{port}: ")


@pytest.mark.asyncio
async def test_it_needs_no_airflow() -> None:
    code = (
        "import sys; import airflow_provider_wiro.emulator, airflow_provider_wiro.emulator.__main__; "
        "print([name for name in sys.modules if name.split('.')[0] in {'airflow', 'requests', 'boto3'}])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert output == b"[]\n"


@pytest.mark.parametrize(
    "clock", [WallClock(), WallClock(-3600), ManualClock()], ids=["real", "behind", "by hand"]
)
async def test_every_answer_says_the_time_by_the_clock_of_the_tasks(
    calling: Callable[..., Calling], clock: Clock
) -> None:
    async with calling(clock=clock) as wiro:
        created = float((await wiro.detail(await wiro.run()))["createtime"])
        async with wiro.session.post(f"{wiro.emulator.url}/Task/List", headers=wiro.headers()) as response:
            said = parsedate_to_datetime(response.headers["Date"]).timestamp()
    assert said == pytest.approx(clock.now(), abs=60)
    assert created == pytest.approx(clock.now(), abs=60)


async def test_a_clock_that_is_behind_runs_at_the_real_pace() -> None:
    clock = WallClock(-3600)
    assert clock.now() == pytest.approx(time.time() - 3600, abs=60)
    assert clock.real_seconds_until(clock.now() + 5) == pytest.approx(5, abs=1)
