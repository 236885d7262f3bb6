"""Outputs whose link, size or name is odd; answers of language models in every shape; removed inputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.emulator.media.prose import SHAPES

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

NANO = "openai/gpt-5-nano"
# The run ends 8 s after its start; a little later, whatever the rounding.
AT_THE_END = 8.01


async def test_a_link_can_be_empty_for_some_seconds_after_the_end(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("late_link", seconds=5))
    task_id = await wiro.run()
    wiro.emulator.advance(AT_THE_END)
    (output,) = (await wiro.detail(task_id))["outputs"]
    assert (output["name"], output["url"]) == ("0.png", "")
    wiro.emulator.advance(5)
    (output,) = (await wiro.detail(task_id))["outputs"]
    assert (await wiro.fetch(output["url"]))[0] == 200


async def test_a_link_can_be_404_for_some_seconds_after_the_end(wiro: Caller) -> None:
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
async def test_the_size_of_a_whole_file_can_be_nothing(wiro: Caller, fault: Fault, size: str | None) -> None:
    wiro.emulator.inject(fault)
    task = await wiro.finish()
    (output,) = task["outputs"]
    assert (output.get("size"), task["size"]) == (size, "0")
    assert len((await wiro.fetch(output["url"]))[2]) > 100


@pytest.mark.parametrize("name", ["output", "0.png?Expires=1&Signature=x"])
async def test_a_name_can_lack_its_suffix_or_carry_a_query(wiro: Caller, name: str) -> None:
    wiro.emulator.inject(Fault("output_name", name=name))
    (output,) = (await wiro.finish())["outputs"]
    assert output["name"] == name
    assert output["url"].endswith(f"/{name}")
    assert (await wiro.fetch(output["url"]))[0] == 200


async def test_a_success_without_outputs_can_say_why(wiro: Caller) -> None:
    wiro.emulator.inject(Fault("no_outputs", debug_output="Potential NSFW content was detected"))
    task = await wiro.finish()
    assert (task["pexit"], task["outputs"]) == ("0", [])
    assert task["debugoutput"] == "Potential NSFW content was detected"


# --- language models -------------------------------------------------------------------------------------


async def answered(wiro: Caller, **fault: Any) -> tuple[Any, dict[str, Any]]:
    if fault:
        wiro.emulator.inject({"kind": "answer_shape", **fault})
    task = await wiro.finish(NANO, {"prompt": "Why do cartoons wear gloves?"})
    (output,) = task["outputs"]
    assert output["contenttype"] == "raw"
    return output["content"], task


async def test_an_answer_has_segments_a_reason_and_its_usage(wiro: Caller) -> None:
    content, task = await answered(wiro)
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
async def test_an_answer_can_come_in_parts(wiro: Caller, shape: str, fields: set[str]) -> None:
    content, task = await answered(wiro, shape=shape)
    assert set(content) == fields
    assert task["debugoutput"] in json.dumps(content) or shape == "tools"


async def test_an_answer_can_be_nothing_text_or_json_text(wiro: Caller) -> None:
    assert (await answered(wiro, shape="null"))[0] is None
    content, task = await answered(wiro, shape="text")
    assert content == task["debugoutput"]
    content, task = await answered(wiro, shape="json", debug_output="")
    assert json.loads(content)["segments"][1]["type"] == "answer"
    assert task["debugoutput"] == ""


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
async def test_an_answer_can_be_cut_off_though_its_run_succeeded(wiro: Caller, reason: str) -> None:
    content, task = await answered(wiro, finish_reason=reason)
    assert (content["finishreason"], task["pexit"]) == (reason, "0")


def test_what_is_no_shape_and_no_kind_of_lateness_is_refused() -> None:
    with pytest.raises(ValueError, match="not 'round'"):
        Fault("answer_shape", shape="round")
    with pytest.raises(ValueError, match="not '500'"):
        Fault("late_link", until_then="500")
    for shape in SHAPES:
        Fault("answer_shape", shape=shape)


# --- what InputOutputDelete removes ----------------------------------------------------------------------


async def uploaded(wiro: Caller, name: str = "a.png") -> str:
    form = aiohttp.FormData()
    form.add_field("file", b"\x89PNG picture", filename=name, content_type="image/png")
    return str((await wiro("File/Upload", data=form))["list"][0]["url"])


async def remove_files(wiro: Caller, task: dict[str, Any]) -> None:
    assert (await wiro("Task/InputOutputDelete", {"tasktoken": task["socketaccesstoken"]}))["result"] is True


async def test_uploads_named_by_url_are_removed_with_a_tasks_files(wiro: Caller) -> None:
    url, other = await uploaded(wiro), await uploaded(wiro, "b.png")
    task = await wiro.finish(NANO, {"prompt": "what is this?", "inputImageUrl": url})
    await remove_files(wiro, task)
    assert (await wiro.fetch(url))[0] == 404
    assert (await wiro.fetch(other))[0] == 200
    task = await wiro.detail(task["id"])
    assert (task["outputs"], task["outputfolderid"], task["parameters"]["inputImageUrl"]) == ([], "0", url)


async def test_an_upload_is_removed_also_out_of_a_list_of_them(wiro: Caller) -> None:
    urls = [await uploaded(wiro), await uploaded(wiro, "b.png")]
    body = {"inputDocumentMultipleUrl": ", ".join(urls)}
    await remove_files(wiro, await wiro.finish("wiro/AI-Resume-CV-Parser", body))
    assert [(await wiro.fetch(url))[0] for url in urls] == [404, 404]


async def test_sample_inputs_and_other_tasks_outputs_are_spared(wiro: Caller) -> None:
    sample = f"{wiro.emulator.url.removesuffix('/v1')}/cdn/sampleinputs/robot.png"
    (output,) = (await wiro.finish())["outputs"]
    for url in (sample, output["url"]):
        await remove_files(wiro, await wiro.finish(NANO, {"prompt": "what?", "inputImageUrl": url}))
        assert (await wiro.fetch(url))[0] == 200


async def test_a_model_can_want_every_parameter(wiro: Caller) -> None:
    body = {"prompt": "a robot", "negativePrompt": "", "duration": "5", "ratio": "1:1", "multiShot": "false"}
    answer = await wiro("Run/klingai/kling-v3", body)
    assert answer["errors"] == [{"code": 0, "message": "Request parameter [multiPrompt] required"}]
    assert (await wiro("Run/klingai/kling-v3", body | {"multiPrompt": ""}))["result"] is True
