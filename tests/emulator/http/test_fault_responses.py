from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.emulator.state.faults import ArmedFaults
from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.emulator.conftest import Caller


async def raw(wiro: Caller, endpoint: str, body: Any) -> tuple[int, Mapping[str, str], bytes]:
    """Call once, without following redirects."""
    async with wiro.session.post(
        f"{wiro.emulator.url}/{endpoint}", json=body, headers=wiro.headers(), allow_redirects=False
    ) as response:
        return response.status, response.headers, await response.read()


@pytest.mark.asyncio
@pytest.mark.parametrize("hint", [7, "Mon, 23 Nov 2026 12:00:00 GMT", None])
async def test_a_rate_limit_may_say_when_to_come_back(wiro: Caller, hint: int | str | None) -> None:
    wiro.emulator.inject(Fault("rate_limit", retry_after=hint))
    status, headers, _ = await raw(wiro, "Tool/List", {})
    assert status == 429
    assert headers.get("Retry-After") == (None if hint is None else str(hint))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Fault("server_error"), 500, b'{"result": false'),
        (Fault("server_error", status=502, body="html"), 502, b"<html>"),
        (Fault("server_error", status=503, body="text"), 503, b"upstream"),
        (Fault("server_error", body="empty"), 500, b""),
        (Fault("html"), 200, b"<html>"),
        (Fault("empty"), 200, b""),
        (Fault("api_error", code="96", message="later"), 200,
         b'{"result": false, "errors": [{"code": "96", "message": "later"}]}'),
        (Fault("api_error", message="text alone", bare=True), 200,
         b'{"result": false, "errors": ["text alone"]}'),
        (Fault("redirect", url="http://127.0.0.1:9/x"), 302, b""),
    ],
)  # fmt: skip
async def test_an_answer_can_be_replaced_and_the_request_is_not_carried_out(
    wiro: Caller, fault: Fault, status: int, body: bytes
) -> None:
    wiro.emulator.inject(fault)
    answer = await raw(wiro, f"Run/{RETRO}", SMALL)
    assert answer[0] == status
    assert answer[2].startswith(body)
    assert wiro.emulator.counts.tasks_started == 0
    assert wiro.emulator.counts.faults_fired == {fault.kind: 1}
    assert answer[1].get("Location", fault.url) == fault.url


@pytest.mark.asyncio
async def test_an_answer_can_be_lost_though_the_request_was_carried_out(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("server_error", endpoint="Run", status=504, body="html", processed=True))
    assert (await raw(wiro, f"Run/{RETRO}", SMALL))[0] == 504
    assert wiro.emulator.counts.tasks_started == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(("kind", "started"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_connection_is_dropped_before_or_after_the_work(
    wiro: Caller, kind: str, started: int
) -> None:
    wiro.emulator.inject(Fault(kind, endpoint="Run"))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await raw(wiro, f"Run/{RETRO}", SMALL)
    assert wiro.emulator.counts.tasks_started == started


@pytest.mark.asyncio
async def test_a_body_can_be_cut_short(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("truncated", endpoint="Run", after_bytes=10))
    with pytest.raises(aiohttp.ClientPayloadError):
        await raw(wiro, f"Run/{RETRO}", SMALL)
    assert wiro.emulator.counts.tasks_started == 1


@pytest.mark.asyncio
async def test_a_slow_answer_comes_too_late_for_an_impatient_client(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("slow", endpoint="Run", delay_seconds=30))
    with pytest.raises(TimeoutError):
        await wiro(f"Run/{RETRO}", SMALL, timeout=aiohttp.ClientTimeout(total=0.1))
    assert wiro.emulator.counts.tasks_started == 1


@pytest.mark.asyncio
async def test_a_nonce_is_used_up_even_when_the_request_was_dropped(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("rate_limit"))
    headers = wiro.headers()
    assert (await wiro.post("Tool/List", {}, headers=headers))[0] == 429
    assert (await wiro.post("Tool/List", {}, headers=headers))[0] == 403


@pytest.mark.asyncio
async def test_a_fault_fires_where_and_as_often_as_it_says(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("rate_limit", endpoint="Task/List", times=2, skip=1))
    assert (await raw(wiro, "Tool/List", {}))[0] == 200
    assert [(await raw(wiro, "Task/List", {}))[0] for _ in range(5)] == [200, 429, 429, 200, 200]


@pytest.mark.asyncio
async def test_a_fault_that_fires_forever_can_be_cleared(wiro: Caller) -> None:
    wiro.emulator.inject({"kind": "html", "times": None})
    assert [(await raw(wiro, "Task/List", {}))[2][:6] for _ in range(3)] == [b"<html>"] * 3
    wiro.emulator.clear_faults()
    assert (await wiro("Task/List", {}))["result"] is True


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown fault kind 'typo'"):
        Fault("typo")
    with pytest.raises(ValueError, match=r"unknown fault fields \['often'\]"):
        Fault.from_json({"kind": "html", "often": True})
    with pytest.raises(ValueError, match="at least once"):
        Fault("html", times=0)


def test_a_fault_survives_its_own_json() -> None:
    fault = Fault("unknown_status", times=None, task_status="task_x", forever=True)
    assert Fault.from_json(fault.to_json()) == fault


def test_a_fault_of_the_cdn_waits_for_the_cdn() -> None:
    armed = ArmedFaults()
    armed.arm(Fault("wrong_size"))
    assert armed.take_for_request("Task/List") is None
    assert armed.take_for_request("cdn") is not None
    assert list(armed) == []


# --- the CDN ---------------------------------------------------------------------------------------------


async def output_of(wiro: Caller) -> tuple[str, int]:
    output = (await wiro.finish())["outputs"][0]
    return output["url"], int(output["size"])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("expired_link"), 403),
        (Fault("expired_link", status=410), 410),
        (Fault("rate_limit", endpoint="cdn", retry_after=1), 429),
        (Fault("server_error", endpoint="cdn", status=503), 503),
    ],
)
async def test_a_file_can_be_refused(wiro: Caller, fault: Fault, status: int) -> None:
    url, size = await output_of(wiro)
    wiro.emulator.inject(fault)
    assert (await wiro.fetch(url))[0] == status
    assert len((await wiro.fetch(url))[2]) == size


@pytest.mark.asyncio
async def test_a_page_can_stand_where_a_file_should_be(wiro: Caller) -> None:
    url, _ = await output_of(wiro)
    wiro.emulator.inject(Fault("html", endpoint="cdn"))
    status, headers, data = await wiro.fetch(url)
    assert (status, data[:6]) == (200, b"<html>")
    assert headers["Content-Type"].startswith("text/html")


@pytest.mark.asyncio
async def test_a_file_can_have_another_size_than_was_announced(wiro: Caller) -> None:
    url, size = await output_of(wiro)
    wiro.emulator.inject(Fault("wrong_size"))
    _, headers, data = await wiro.fetch(url)
    assert len(data) == int(headers["Content-Length"]) == size // 2


@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["truncated", "drop_before"])
async def test_a_file_can_break_off(wiro: Caller, kind: str) -> None:
    url, _ = await output_of(wiro)
    # Forever: aiohttp's client tries a dropped GET a second time by itself.
    wiro.emulator.inject(Fault(kind, endpoint="cdn", times=None))
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
        await wiro.fetch(url)


@pytest.mark.asyncio
async def test_a_file_can_stall_in_the_middle(wiro: Caller) -> None:
    url, _ = await output_of(wiro)
    wiro.emulator.inject(Fault("slow_body", after_bytes=5, delay_seconds=30))
    async with wiro.session.get(url) as response:
        assert await response.content.readexactly(5) == b"\x89PNG\r"


@pytest.mark.asyncio
async def test_a_file_can_come_at_a_limited_speed(wiro: Caller) -> None:
    wiro.emulator.inject(
        Fault("big_output", bytes=20_000), Fault("limited_speed", bytes_per_second=1_000_000)
    )
    (output,) = (await wiro.finish())["outputs"]
    began = time.monotonic()
    assert len((await wiro.fetch(output["url"]))[2]) == 20_000
    assert time.monotonic() - began >= 0.02


def test_a_file_that_never_comes_is_no_speed() -> None:
    with pytest.raises(ValueError, match="bytes_per_second=0"):
        Fault("limited_speed", bytes_per_second=0)


@pytest.mark.asyncio
async def test_a_cdn_may_not_know_ranges(wiro: Caller) -> None:
    url, size = await output_of(wiro)
    wiro.emulator.inject(Fault("ignore_range"))
    status, _, data = await wiro.fetch(url, headers={"Range": "bytes=5-"})
    assert (status, len(data)) == (200, size)


@pytest.mark.asyncio
async def test_a_file_can_be_elsewhere(wiro: Caller) -> None:
    url, _ = await output_of(wiro)
    wiro.emulator.inject(Fault("redirect", endpoint="cdn", url="http://127.0.0.1:9/", status=307))
    status, headers, _ = await wiro.fetch(url, allow_redirects=False)
    assert (status, headers["Location"]) == (307, "http://127.0.0.1:9/")


# --- tasks -----------------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_failed_run_says_why_and_costs_nothing(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("exit_code", exit_code="137", debug_error="Killed"))
    task = await wiro.finish()
    assert (task["status"], task["pexit"]) == ("task_postprocess_end", "137")
    assert (task["debugerror"], task["outputs"], task["totalcost"]) == ("Killed", [], "0")
    assert (await wiro.finish())["pexit"] == "0"


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [Fault("no_exit_code"), Fault("exit_code", exit_code="")])
async def test_the_exit_code_of_a_success_can_be_missing_or_empty(wiro: Caller, fault: Fault) -> None:
    wiro.emulator.inject(fault)
    task = await wiro.finish()
    assert task.get("pexit", "") == ""
    assert len(task["outputs"]) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("fatal_error", then="stay"), "task_error"),
        (Fault("fatal_error", then="cancel"), "task_cancel"),
        (Fault("cancelled_by_hand"), "task_cancel"),
        (Fault("stuck_in_queue"), "task_queue"),
        (Fault("stuck_running"), "task_output"),
        (Fault("unknown_status", task_status="task_nap", forever=True), "task_nap"),
        (Fault("unknown_status"), "task_postprocess_end"),
    ],
)
async def test_a_life_can_end_elsewhere(wiro: Caller, fault: Fault, status: str) -> None:
    wiro.emulator.inject(fault)
    task = await wiro.finish()
    assert task["status"] == status
    assert (task["totalcost"] == "0") == (status != "task_postprocess_end")
    assert ("task_warp" in wiro.emulator.tasks[0].statuses) == (
        fault.kind == "unknown_status" and not fault.forever
    )


@pytest.mark.asyncio
async def test_a_task_can_be_cancelled_by_somebody_else_while_it_runs(wiro: Caller) -> None:
    task_id = await wiro.run()
    wiro.emulator.advance(4)
    wiro.emulator.inject(Fault("cancelled_by_hand", task_id=task_id))
    assert (await wiro.detail(task_id))["status"] == "task_cancel"
    with pytest.raises(ValueError, match="no task '9'"):
        wiro.emulator.inject(Fault("exit_code", task_id="9"))


@pytest.mark.asyncio
async def test_a_stuck_task_can_still_be_stopped(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("stuck_running"), Fault("stuck_in_queue"))
    # Both are meant for the next run; the later one wins.
    task_id = await wiro.run()
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["result"] is True


@pytest.mark.asyncio
async def test_a_fault_can_wait_for_one_model(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("exit_code", model="openai/gpt-5-nano"))
    assert (await wiro.finish())["pexit"] == "0"
    assert (await wiro.finish("openai/gpt-5-nano", {"prompt": "x"}))["pexit"] == "1"


@pytest.mark.asyncio
async def test_fields_can_be_missing(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("missing_fields", fields=("outputs", "elapsedseconds")))
    task = await wiro.finish()
    assert "outputs" not in task
    assert "elapsedseconds" not in task
    assert task["id"] == "2221"


@pytest.mark.asyncio
async def test_numbers_can_be_numbers(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("numbers_as_numbers"))
    task = await wiro.finish()
    assert (task["id"], task["pexit"], task["elapsedseconds"], task["totalcost"]) == (2221, 0, 6.0, 0.00351)
    assert isinstance(task["outputs"][0]["size"], int)


@pytest.mark.asyncio
async def test_a_success_can_be_empty(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("no_outputs"))
    task = await wiro.finish()
    assert (task["pexit"], task["outputs"]) == ("0", [])


@pytest.mark.asyncio
async def test_the_next_output_can_be_big(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("big_output", bytes=1_000_000))
    (output,) = (await wiro.finish())["outputs"]
    assert len((await wiro.fetch(output["url"]))[2]) == 1_000_000


@pytest.mark.asyncio
async def test_there_can_be_many_big_outputs_each_with_bytes_of_its_own(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("big_output", bytes=300_000, outputs=3))
    outputs = (await wiro.finish())["outputs"]
    assert [output["name"] for output in outputs] == ["0.bin", "1.bin", "2.bin"]
    bodies = [(await wiro.fetch(output["url"]))[2] for output in outputs]
    assert len(set(bodies)) == 3
    assert {len(body) for body in bodies} == {300_000}


@pytest.mark.asyncio
async def test_a_servers_name_for_a_file_can_be_hostile(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("output_name", name="../../etc/passwd"))
    assert (await wiro.finish())["outputs"][0]["name"] == "../../etc/passwd"


@pytest.mark.asyncio
async def test_an_output_can_point_anywhere(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("output_url", url="http://169.254.169.254/latest"))
    assert (await wiro.finish())["outputs"][0]["url"] == "http://169.254.169.254/latest"
