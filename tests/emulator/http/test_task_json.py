"""Tasks, outputs and answers of language models in every shape that clients may meet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.emulator import Fault
from tests.emulator.conftest import NANO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator


# The run ends 8 s after its start; a little later, whatever the rounding.
AT_THE_END = 8.01


async def test_a_link_can_be_empty_for_some_seconds_after_the_end(wiro: Client) -> None:
    wiro.emulator.inject(Fault("late_link", seconds=5))
    task_id = await wiro.run()
    wiro.emulator.advance(AT_THE_END)
    (output,) = (await wiro.detail(task_id))["outputs"]
    assert (output["name"], output["url"]) == ("0.png", "")
    wiro.emulator.advance(5)
    (output,) = (await wiro.detail(task_id))["outputs"]
    assert (await wiro.fetch(output["url"]))[0] == 200


async def test_a_link_can_be_404_for_some_seconds_after_the_end(wiro: Client) -> None:
    wiro.emulator.inject(Fault("late_link", seconds=5, until_then="404"))
    task_id = await wiro.run()
    wiro.emulator.advance(AT_THE_END)
    (output,) = (await wiro.detail(task_id))["outputs"]
    assert (await wiro.fetch(output["url"]))[0] == 404
    wiro.emulator.advance(5)
    assert (await wiro.fetch(output["url"]))[0] == 200


@pytest.mark.parametrize(
    ("fault", "size"), [(Fault("output_size"), "0"), (Fault("output_size", missing=True), None)]
)
async def test_the_size_of_an_output_can_be_zero_or_missing(
    wiro: Client, fault: Fault, size: str | None
) -> None:
    wiro.emulator.inject(fault)
    task = await wiro.finish()
    (output,) = task["outputs"]
    assert (output.get("size"), task["size"]) == (size, "0")
    assert len((await wiro.fetch(output["url"]))[2]) > 100


@pytest.mark.parametrize("name", ["output", "0.png?Expires=1&Signature=x"])
async def test_a_name_can_lack_its_suffix_or_carry_a_query(wiro: Client, name: str) -> None:
    wiro.emulator.inject(Fault("output_name", name=name))
    (output,) = (await wiro.finish())["outputs"]
    assert output["name"] == name
    assert output["url"].endswith(f"/{name}")
    assert (await wiro.fetch(output["url"]))[0] == 200


async def test_a_success_without_outputs_can_have_a_debug_output(wiro: Client) -> None:
    wiro.emulator.inject(Fault("no_outputs", debug_output="Potential NSFW content was detected"))
    task = await wiro.finish()
    assert (task["pexit"], task["outputs"]) == ("0", [])
    assert task["debugoutput"] == "Potential NSFW content was detected"


async def code_and_status(wiro: Client, **fault: Any) -> tuple[Any, dict[str, Any]]:
    if fault:
        wiro.emulator.inject({"kind": "answer_shape", **fault})
    task = await wiro.finish(NANO, {"prompt": "Why do cartoons wear gloves?"})
    (output,) = task["outputs"]
    assert output["contenttype"] == "raw"
    return output["content"], task


async def test_an_answer_has_segments_a_reason_and_its_usage(wiro: Client) -> None:
    content, task = await code_and_status(wiro)
    assert [segment["type"] for segment in content["segments"]] == ["thinking", "answer"]
    assert content["segments"][1]["text"] == content["answer"][0] == task["debugoutput"]
    assert content["finishreason"] == "stop"
    usage = content["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert float(task["totalcost"]) == pytest.approx(usage["total_tokens"] * 4e-7)


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ("segments", {"prompt", "segments", "finishreason", "usage"}),
        ("answer", {"answer"}),
        ("raw", {"raw"}),
        ("message", {"message"}),
        ("tools", {"prompt", "segments", "finishreason"}),
    ],
)
async def test_an_answer_can_come_in_parts(wiro: Client, shape: str, fields: set[str]) -> None:
    content, task = await code_and_status(wiro, shape=shape)
    assert set(content) == fields
    assert task["debugoutput"] in json.dumps(content) or shape == "tools"


async def test_an_answer_can_be_nothing_text_or_json_text(wiro: Client) -> None:
    assert (await code_and_status(wiro, shape="null"))[0] is None
    content, task = await code_and_status(wiro, shape="text")
    assert content == task["debugoutput"]
    content, task = await code_and_status(wiro, shape="json", debug_output="")
    assert json.loads(content)["segments"][1]["type"] == "answer"
    assert task["debugoutput"] == ""


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
async def test_an_answer_can_be_truncated_though_its_run_succeeded(wiro: Client, reason: str) -> None:
    content, task = await code_and_status(wiro, finish_reason=reason)
    assert (content["finishreason"], task["pexit"]) == (reason, "0")


async def test_fields_can_be_missing(wiro: Client) -> None:
    wiro.emulator.inject(Fault("missing_fields", fields=("outputs", "elapsedseconds")))
    task = await wiro.finish()
    assert "outputs" not in task
    assert "elapsedseconds" not in task
    assert task["id"] == "2221"


async def test_numbers_can_be_numbers(wiro: Client) -> None:
    wiro.emulator.inject(Fault("numbers_as_numbers"))
    task = await wiro.finish()
    assert (task["id"], task["pexit"], task["elapsedseconds"], task["totalcost"]) == (2221, 0, 6.0, 0.00351)
    assert isinstance(task["outputs"][0]["size"], int)


async def test_a_success_can_have_no_outputs(wiro: Client) -> None:
    wiro.emulator.inject(Fault("no_outputs"))
    task = await wiro.finish()
    assert (task["pexit"], task["outputs"]) == ("0", [])


async def test_the_name_of_an_output_can_be_hostile(wiro: Client) -> None:
    wiro.emulator.inject(Fault("output_name", name="../../etc/passwd"))
    assert (await wiro.finish())["outputs"][0]["name"] == "../../etc/passwd"


async def test_an_output_can_be_any_file(wiro: Client) -> None:
    page = "<script>alert(1)</script>"
    wiro.emulator.inject(Fault("output_file", name="page.html", content_type="text/html", content=page))
    (output,) = (await wiro.finish())["outputs"]
    assert (output["name"], output["contenttype"], output["size"]) == ("page.html", "text/html", "25")
    assert (await wiro.fetch(output["url"]))[2] == page.encode()


async def test_the_url_of_an_output_can_lead_anywhere(wiro: Client) -> None:
    wiro.emulator.inject(Fault("output_url", url="http://169.254.169.254/latest"))
    assert (await wiro.finish())["outputs"][0]["url"] == "http://169.254.169.254/latest"


async def test_parameters_can_be_json_text(start_emulator: StartEmulator) -> None:
    async with start_emulator(parameters_as_text=True) as wiro:
        task = await wiro.detail(await wiro.run())
        (listed,) = (await wiro("Task/List", {}))["tasklist"]
    assert json.loads(task["parameters"]) == json.loads(listed["parameters"]) == SMALL


async def test_a_task_can_be_spelled_as_the_kits_read_it(start_emulator: StartEmulator) -> None:
    async with start_emulator(task_fields="kits") as wiro:
        await wiro.run()
        wiro.emulator.advance(60)
        (task,) = (await wiro("Task/Detail", {"taskid": "2221"}))["tasklist"]
        (listed,) = (await wiro("Task/List", {}))["tasklist"]
    assert (task["taskid"], len(task["output"]), listed["taskid"]) == ("2221", 1, "2221")
    assert {"id", "outputs"}.isdisjoint({*task, *listed})


@pytest.mark.parametrize(("fields", "name"), [("documented", "id"), ("kits", "taskid")])
async def test_the_list_can_show_next_to_nothing(
    start_emulator: StartEmulator, fields: str, name: str
) -> None:
    async with start_emulator(list_fields="few", task_fields=fields) as wiro:
        await wiro.run()
        (listed,) = (await wiro("Task/List", {}))["tasklist"]
        (task,) = (await wiro("Task/Detail", {"taskid": "2221"}))["tasklist"]
    assert listed == {name: "2221", "status": "task_queue"}
    assert "parameters" in task
