"""What `Task/InputOutputDelete` removes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

from tests.emulator.conftest import NANO, RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


async def uploaded(wiro: Client, name: str = "a.png") -> str:
    form = aiohttp.FormData()
    form.add_field("file", b"\x89PNG picture", filename=name, content_type="image/png")
    return str((await wiro("File/Upload", data=form))["list"][0]["url"])


async def remove_files(wiro: Client, task: dict[str, Any]) -> None:
    assert (await wiro("Task/InputOutputDelete", {"tasktoken": task["socketaccesstoken"]}))["result"] is True


async def test_uploads_named_by_url_are_removed_with_a_tasks_files(wiro: Client) -> None:
    url, other = await uploaded(wiro), await uploaded(wiro, "b.png")
    task = await wiro.finish(NANO, {"prompt": "what is this?", "inputImageUrl": url})
    await remove_files(wiro, task)
    assert (await wiro.fetch(url))[0] == 404
    assert (await wiro.fetch(other))[0] == 200
    task = await wiro.detail(task["id"])
    assert (task["outputs"], task["outputfolderid"], task["parameters"]["inputImageUrl"]) == ([], "0", url)


async def test_uploads_in_a_list_of_urls_are_removed(wiro: Client) -> None:
    urls = [await uploaded(wiro), await uploaded(wiro, "b.png")]
    body = {"inputDocumentMultipleUrl": ", ".join(urls)}
    await remove_files(wiro, await wiro.finish("wiro/AI-Resume-CV-Parser", body))
    assert [(await wiro.fetch(url))[0] for url in urls] == [404, 404]


async def test_sample_inputs_and_other_tasks_outputs_are_kept(wiro: Client) -> None:
    sample = f"{wiro.emulator.url.removesuffix('/v1')}/cdn/sampleinputs/robot.png"
    (output,) = (await wiro.finish())["outputs"]
    for url in (sample, output["url"]):
        await remove_files(wiro, await wiro.finish(NANO, {"prompt": "what?", "inputImageUrl": url}))
        assert (await wiro.fetch(url))[0] == 200


async def test_a_tasks_files_can_be_deleted_once_it_is_over_and_again(wiro: Client) -> None:
    token = (await wiro(f"Run/{RETRO}", SMALL))["socketaccesstoken"]
    refusal = await wiro("Task/InputOutputDelete", {"tasktoken": token})
    assert refusal["errors"] == [
        {"code": 0, "message": "Task must be completed or cancelled before deleting files"}
    ]
    wiro.emulator.advance(60)
    url = (await wiro.detail("2221"))["outputs"][0]["url"]
    assert await wiro("Task/InputOutputDelete", {"tasktoken": token}) == {"errors": [], "result": True}
    assert await wiro("Task/InputOutputDelete", {"tasktoken": token}) == {"errors": [], "result": True}
    assert (await wiro.detail("2221"))["outputs"] == []
    assert (await wiro.fetch(url))[0] == 404


async def test_deleting_the_files_of_an_unknown_task_is_code_1(wiro: Client) -> None:
    response = await wiro("Task/InputOutputDelete", {"tasktoken": "nobody's"})
    assert response["errors"] == [{"code": 1, "message": "task-not-exist"}]
