from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.emulator.generation import rendering
from tests.emulator.conftest import NANO, RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator


TIMES = [
    "accepttime",
    "preprocessstarttime",
    "preprocessendtime",
    "assigntime",
    "starttime",
    "endtime",
    "postprocessstarttime",
    "postprocessendtime",
]


async def test_a_finished_task_has_the_fields_of_the_reference_as_text(wiro: Client) -> None:
    task = await wiro.finish()
    assert task["status"] == "task_postprocess_end"
    assert (task["pexit"], task["elapsedseconds"], task["totalcost"]) == ("0", "6.0000", "0.003510000000")
    assert [task[name] for name in ("id", "createtime", "canceltime")] == ["2221", "1734513807", "0"]
    assert [int(task[name]) - 1734513807 for name in TIMES] == [1, 1, 1, 2, 3, 7, 7, 8]
    (output,) = task["outputs"]
    assert (output["name"], output["contenttype"]) == ("0.png", "image/png")
    assert int(output["size"]) == int(task["size"]) > 0
    assert output["accesskey"] in output["url"]
    assert json.loads(task["categories"])[0] == "model"


async def test_before_it_starts_a_tasks_times_are_zero(wiro: Client) -> None:
    task = await wiro.detail(await wiro.run())
    assert task["status"] == "task_queue"
    assert {task[name] for name in TIMES} == {"0"}
    assert (task["pexit"], task["outputs"], task["totalcost"]) == (None, [], "0")


async def test_reading_a_task_does_not_change_it(wiro: Client) -> None:
    task_id = await wiro.run()
    assert {(await wiro.detail(task_id))["status"] for _ in range(20)} == {"task_queue"}


async def test_a_task_passes_all_statuses_as_the_clock_advances(wiro: Client) -> None:
    task_id, seen = await wiro.run(), []
    for _ in range(90):
        seen.append((await wiro.detail(task_id))["status"])
        wiro.emulator.advance(0.1)
    assert list(dict.fromkeys(seen)) == [
        "task_queue",
        # accept and postprocess take no time of their own
        "task_preprocess_start",
        "task_preprocess_end",
        "task_assign",
        "task_start",
        "task_output",
        "task_output_full",
        "task_postprocess_start",
        "task_postprocess_end",
    ]
    assert "task_accept" in wiro.emulator.tasks[0].statuses


async def test_a_task_can_be_named_by_its_token(wiro: Client) -> None:
    token = (await wiro(f"Run/{RETRO}", SMALL))["socketaccesstoken"]
    response = await wiro("Task/Detail", {"tasktoken": token})
    assert (response["total"], response["tasklist"][0]["id"]) == ("1", "2221")


@pytest.mark.parametrize("endpoint", ["Task/Detail", "Task/Cancel", "Task/Kill"])
async def test_an_unknown_task_is_code_1(wiro: Client, endpoint: str) -> None:
    response = await wiro(endpoint, {"taskid": "9"})
    assert response == {"result": False, "errors": [{"code": 1, "message": "There is no task yet."}]}


@pytest.mark.parametrize("endpoint", ["Task/Detail", "Task/Cancel", "Task/Kill"])
async def test_a_task_that_is_not_named_is_code_0(wiro: Client, endpoint: str) -> None:
    response = await wiro(endpoint, {})
    assert response["errors"][0]["code"] == 0
    assert response["errors"][0]["message"].endswith("is required")


async def test_the_list_is_newest_first_and_abridged(wiro: Client) -> None:
    for _ in range(3):
        await wiro.run()
    wiro.emulator.advance(60)
    response = await wiro(
        "Task/List", {"type": "model", "sort": "id", "order": "DESC", "start": "0", "limit": "2"}
    )
    assert response["total"] == "3"
    assert [task["id"] for task in response["tasklist"]] == ["2223", "2222"]
    assert "outputs" not in response["tasklist"][0]
    assert response["tasklist"][0]["parameters"] == SMALL


async def test_the_list_draws_no_pictures(wiro: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "draw_poster", lambda *_, **__: pytest.fail("drawn for a list"))
    await wiro.run()
    wiro.emulator.advance(60)
    [task] = (await wiro("Task/List", {}))["tasklist"]
    assert (task["status"], task["totalcost"]) == ("task_postprocess_end", "0.003510000000")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"order": "ASC", "start": "1"}, ["2222"]),
        ({"modelName": "retro"}, ["2221"]),
        ({"modelName": NANO}, ["2222"]),
        ({"modelName": "nothing"}, []),
        ({"start": 5}, []),
    ],
)
async def test_the_list_can_be_filtered_and_paged(
    wiro: Client, query: dict[str, Any], ids: list[str]
) -> None:
    await wiro.run()
    await wiro.run(NANO, {"prompt": "hello"})
    response = await wiro("Task/List", query)
    assert [task["id"] for task in response["tasklist"]] == ids


async def test_the_list_never_has_more_than_a_hundred(wiro: Client) -> None:
    for _ in range(101):
        await wiro.run(NANO, {"prompt": "hello"})
    assert len((await wiro("Task/List", {"limit": "500"}))["tasklist"]) == 100


async def test_a_queued_task_can_be_cancelled_and_costs_nothing(wiro: Client) -> None:
    task_id = await wiro.run()
    response = await wiro("Task/Cancel", {"taskid": task_id})
    (task,) = response["tasklist"]
    assert (response["result"], task["status"], task["totalcost"]) == (True, "task_cancel", "0")
    assert task["canceltime"] == "1734513807"
    wiro.emulator.advance(60)
    assert (await wiro.detail(task_id))["outputs"] == []


async def test_a_running_task_can_be_killed_but_not_cancelled(wiro: Client) -> None:
    task_id = await wiro.run()
    wiro.emulator.advance(4)
    refusal = await wiro("Task/Cancel", {"taskid": task_id})
    assert refusal["errors"] == [{"code": 1, "message": "Task is not in a cancellable state."}]
    response = await wiro("Task/Kill", {"taskid": task_id})
    assert response["tasklist"][0]["status"] == "task_cancel"
    assert wiro.emulator.counts.tasks_stopped == 1


async def test_kill_takes_the_token_and_cancel_does_not(wiro: Client) -> None:
    token = (await wiro(f"Run/{RETRO}", SMALL))["socketaccesstoken"]
    named = {"tasktoken": token, "socketaccesstoken": token}
    assert (await wiro("Task/Cancel", named))["errors"] == [{"code": 0, "message": "taskid is required"}]
    wiro.emulator.advance(4)
    assert (await wiro("Task/Kill", {"socketaccesstoken": token}))["result"] is True


@pytest.mark.parametrize("seconds", [0, 60])
async def test_only_a_running_task_can_be_killed(wiro: Client, seconds: float) -> None:
    task_id = await wiro.run()
    wiro.emulator.advance(seconds)
    response = await wiro("Task/Kill", {"taskid": task_id})
    assert response["errors"][0]["code"] == 1
    assert response["errors"][0]["message"].startswith("Task could not be killed: ")


async def test_a_language_models_answer_is_structured_and_merged(wiro: Client) -> None:
    task = await wiro.finish(NANO, {"prompt": "Why do cartoons wear gloves?"})
    (output,) = task["outputs"]
    assert output["contenttype"] == "raw"
    assert "url" not in output
    content = output["content"]
    assert content["prompt"] == "Why do cartoons wear gloves?"
    assert len(content["thinking"]) == len(content["answer"])
    assert "cartoons" in content["answer"][0]
    assert task["debugoutput"] == "\n".join(content["answer"])


@pytest.mark.parametrize(
    ("model", "body", "cost"),
    [
        ("resemble-ai/chatterbox-turbo", {"prompt": "twelve chars"}, "0.000240000000"),
        ("ByteDance/seedance-pro-v1.5",
         {"prompt": "x", "resolution": "720p", "ratio": "1:1", "duration": "5"}, "0.130000000000"),
        ("wiro/animated-logo", {"inputImage": "https://e.example/l.png", "effectType": "spin"},
         "0.200000000000"),
        ("wiro/image-edit-general", {"inputImage": "https://e.example/l.png", "prompt": "x", "samples": 2},
         "0.040000000000"),
    ],
)  # fmt: skip
async def test_the_price_follows_the_models_method(
    wiro: Client, model: str, body: dict[str, Any], cost: str
) -> None:
    assert (await wiro.finish(model, body))["totalcost"] == cost


async def test_another_project_can_be_billed(wiro: Client) -> None:
    task = await wiro.finish(body=SMALL | {"projectid": "77"})
    assert task["projectid"] == "77"
    assert "projectid" not in task["parameters"]


@pytest.mark.parametrize(("seconds", "cancels", "kills"), [
    (0.5, True, False), (1.5, False, False), (1.95, False, False), (2.1, False, True),
])  # fmt: skip
async def test_neither_call_stops_a_task_that_is_accepted_and_not_assigned(
    wiro: Client, seconds: float, cancels: bool, kills: bool
) -> None:
    for call, works, refusal in (
        ("Task/Kill", kills, "Task could not be killed: "),
        ("Task/Cancel", cancels, "Task is not in a cancellable state."),
    ):
        task_id = await wiro.run()
        wiro.emulator.advance(seconds)
        response = await wiro(call, {"taskid": task_id})
        assert response["result"] is works
        if not works:
            assert response["errors"][0]["code"] == 1
            assert response["errors"][0]["message"].startswith(refusal)


async def test_the_time_without_a_worker_can_be_long(wiro: Client) -> None:
    wiro.emulator.inject(Fault("slow_assign", seconds=60))
    task_id = await wiro.run()
    wiro.emulator.advance(60)
    assert (await wiro.detail(task_id))["status"] == "task_preprocess_end"
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["result"] is False
    assert (await wiro("Task/Kill", {"taskid": task_id}))["result"] is False
    wiro.emulator.advance(3)
    assert (await wiro("Task/Kill", {"taskid": task_id}))["result"] is True


async def test_a_kill_can_be_set_to_work_from_the_accept_on(start_emulator: StartEmulator) -> None:
    async with start_emulator(kill_from="accept") as wiro:
        task_id = await wiro.run()
        wiro.emulator.advance(1.5)
        assert (await wiro("Task/Kill", {"taskid": task_id}))["result"] is True
