from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.emulator.conftest import RETRO, SMALL

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator


async def test_a_run_returns_an_id_and_a_token_as_text(wiro: Client) -> None:
    response = await wiro(f"Run/{RETRO}", SMALL)
    assert set(response) == {"errors", "taskid", "socketaccesstoken", "result"}
    assert (response["result"], response["errors"], response["taskid"]) == (True, [], "2221")
    assert len(response["socketaccesstoken"]) == 30


@pytest.mark.parametrize(
    "path", [RETRO, "retroaix/retro-cartoons", "retroAIx/retro-cartoons", "retro%41Ix/Retro%2DCartoons"]
)
async def test_a_model_is_called_by_its_slug_or_its_clean_slug(wiro: Client, path: str) -> None:
    assert (await wiro(f"Run/{path}", SMALL))["result"] is True


@pytest.mark.parametrize("path", ["wiro/Animated%20Logo", "wiro/animated-logo"])
async def test_a_space_inside_a_slug_is_percent_encoded_or_a_hyphen(wiro: Client, path: str) -> None:
    body = {"inputImage": "https://e.example/logo.png", "effectType": "neon"}
    assert (await wiro(f"Run/{path}", body))["result"] is True


@pytest.mark.parametrize(
    "path", ["retroAIx/Nothing", "%20resemble-ai/chatterbox-turbo", "RETROAIX/Retro-Cartoons"]
)
async def test_an_unknown_or_unstripped_slug_is_code_1(wiro: Client, path: str) -> None:
    response = await wiro(f"Run/{path}", SMALL)
    assert response["errors"] == [{"code": 1, "message": "slug-owner-project-not-exist"}]


async def test_numbers_are_valid_as_numbers_and_as_text_and_give_the_same_picture(wiro: Client) -> None:
    as_text = {name: str(value) for name, value in SMALL.items()} | {"scale": "4", "seed": "123456"}
    one = await wiro.finish(body=SMALL | {"scale": 4, "seed": 123456})
    other = await wiro.finish(body=as_text)
    pictures = [await wiro.fetch(task["outputs"][0]["url"]) for task in (one, other)]
    assert pictures[0][2] == pictures[1][2]


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (RETRO, {}, "Request parameter [prompt] required"),
        (RETRO, {"prompt": "  "}, "Request parameter [prompt] required"),
        (RETRO, {"prompt": "x", "steps": "many"}, "Request parameter [steps] must be integer or float"),
        (RETRO, {"prompt": "x", "steps": True}, "Request parameter [steps] must be integer or float"),
        (RETRO, {"prompt": "x", "samples": 9}, "Request parameter [samples] must be between 1 and 8"),
        (RETRO, {"prompt": "x", "scheduler": "Nope"}, "Request parameters are invalid."),
        (RETRO, {"prompt": {"a": 1}}, "Request parameters are invalid."),
        (RETRO, ["no object"], "Request parameters are invalid."),
        ("wiro/image-edit-general", {"prompt": "x"}, "Request files [inputImage] required"),
        ("wiro/virtual-try-on", {"inputImageHuman": "u", "inputImageClothes": []},
         "Request files [inputImageClothes] required"),
    ],
)  # fmt: skip
async def test_a_bad_parameter_is_named_in_the_documented_message(
    wiro: Client, model: str, body: Any, message: str
) -> None:
    response = await wiro(f"Run/{model}", body)
    assert response == {"result": False, "errors": [{"code": 0, "message": message}]}
    assert wiro.emulator.tasks == []


@pytest.mark.parametrize("refiner", ["", "--only_base_model"])
async def test_an_empty_option_is_an_option(wiro: Client, refiner: str) -> None:
    assert (await wiro(f"Run/{RETRO}", SMALL | {"refiner": refiner}))["result"] is True


async def test_an_edited_picture_depends_on_the_file_however_it_was_sent(wiro: Client) -> None:
    async def edit(data: bytes, *, upload: bool) -> bytes:
        form = aiohttp.FormData({"prompt": "warmer"}, default_to_multipart=True)
        if upload:
            upload_form = aiohttp.FormData()
            upload_form.add_field("file", data, filename="in.png")
            stored = await wiro("File/Upload", data=upload_form)
            form.add_field("inputImageUrl", stored["list"][0]["url"])
        else:
            form.add_field("inputImage", data, filename="in.png")
        task = await wiro.finish("wiro/image-edit-general", data=form)
        return (await wiro.fetch(task["outputs"][0]["url"]))[2]

    first = await edit(b"one", upload=False)
    assert first == await edit(b"one", upload=True)
    assert first != await edit(b"two", upload=False)


@pytest.mark.parametrize(
    ("fields", "files", "quantity"),
    [
        ({"inputImageClothes": "https://e.example/a.png"}, 0, "0.090000000000"),
        ({}, 2, "0.140000000000"),
        ({"inputImageClothes": "https://e.example/a.png"}, 2, "0.180000000000"),
    ],
)
async def test_files_and_urls_of_a_combined_input_count_together_for_the_price(
    wiro: Client, fields: dict[str, str], files: int, quantity: str
) -> None:
    human = {"inputImageHuman": "", "inputImageHumanUrl": "https://e.example/me.jpg"}
    form = aiohttp.FormData(human | fields, default_to_multipart=True)
    for number in range(files):
        form.add_field("inputImageClothes", bytes([number]), filename=f"{number}.png")
    task = await wiro.finish("wiro/Virtual%20Try-On", data=form)
    assert task["totalcost"] == quantity


async def test_a_multifile_input_takes_files_and_comma_separated_urls(wiro: Client) -> None:
    form = aiohttp.FormData({"inputDocumentMultipleUrl": "https://e.example/a.pdf, https://e.example/b.pdf"})
    form.add_field("inputDocumentMultiple", b"cv", filename="cv.pdf")
    task = await wiro.finish("wiro/AI-Resume-CV-Parser", data=form)
    _, _, data = await wiro.fetch(task["outputs"][0]["url"])
    kinds = [document["kind"] for document in json.loads(data)["documents"]]
    assert kinds == ["upload", "url", "url"]


async def test_a_combined_input_is_an_array_in_json(wiro: Client) -> None:
    body = {
        "inputImageHuman": "https://e.example/me.jpg",
        "inputImageClothes": ["https://a.example/1", "https://a.example/2"],
    }
    task = await wiro.finish("wiro/virtual-try-on", body)
    assert task["totalcost"] == "0.140000000000"


async def test_above_the_limit_of_active_tasks_a_run_is_code_96_until_one_ends(
    start_emulator: StartEmulator,
) -> None:
    async with start_emulator(max_active=2) as wiro:
        await wiro.run()
        second = await wiro.run()
        response = await wiro(f"Run/{RETRO}", SMALL)
        assert response["errors"][0]["code"] == 96
        assert "up to 2 tasks" in response["errors"][0]["message"]
        await wiro("Task/Cancel", {"taskid": second})
        await wiro.run()
        assert wiro.emulator.counts.tasks_started == 3


async def test_the_documented_limit_follows_from_the_balance(start_emulator: StartEmulator) -> None:
    async with start_emulator(balance_usd=25) as wiro:
        await wiro.run()
        await wiro.run()
        assert "$25.00" in (await wiro(f"Run/{RETRO}", SMALL))["errors"][0]["message"]


async def test_a_model_can_require_every_parameter(wiro: Client) -> None:
    body = {"prompt": "a robot", "negativePrompt": "", "duration": "5", "ratio": "1:1", "multiShot": "false"}
    response = await wiro("Run/klingai/kling-v3", body)
    assert response["errors"] == [{"code": 0, "message": "Request parameter [multiPrompt] required"}]
    assert (await wiro("Run/klingai/kling-v3", body | {"multiPrompt": ""}))["result"] is True
