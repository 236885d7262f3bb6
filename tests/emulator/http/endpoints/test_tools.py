from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Caller

pytestmark = pytest.mark.asyncio


def ids(answer: dict[str, Any]) -> list[str]:
    return [f"{tool['cleanslugowner']}/{tool['cleanslugproject']}" for tool in answer["tool"]]


async def test_the_users_model_has_the_parameters_of_the_contract(wiro: Caller) -> None:
    answer = await wiro("Tool/Detail", {"slugowner": "retroAIx", "slugproject": "Retro-Cartoons"})
    (tool,) = answer["tool"]
    items = {item["id"]: item for group in tool["parameters"] for item in group["items"]}
    defaults = {name: (item["type"], item["default"]) for name, item in items.items()}
    assert defaults.pop("prompt")[0] == defaults.pop("negativePrompt")[0] == "textarea"
    assert defaults == {
        "samples": ("number", "4"),
        "steps": ("number", "60"),
        "scale": ("float", "4"),
        "highNoiseFrac": ("float", "0.8"),
        "stepsRefiner": ("number", "20"),
        "seed": ("text", "123456"),
        "width": ("number", "1024"),
        "height": ("number", "1024"),
        "refiner": ("select", ""),
        "scheduler": ("select", "EulerDiscreteScheduler"),
    }
    assert [option["value"] for option in items["refiner"]["options"]] == ["--only_base_model", ""]
    assert len(items["scheduler"]["options"]) == 8
    assert "dynamicprice" not in tool


async def test_the_price_list_is_json_inside_text(wiro: Caller) -> None:
    answer = await wiro("Tool/Detail", {"slugowner": "bytedance", "slugproject": "seedance-pro-v1-5"})
    prices = json.loads(answer["tool"][0]["dynamicprice"])
    tier = {"inputs": {"resolution": "720p", "duration": "5"}, "price": 0.13, "priceMethod": "cpr"}
    assert tier in prices


async def test_a_slug_in_the_list_may_have_a_stray_space(wiro: Caller) -> None:
    answer = await wiro("Tool/List", {"search": "chatterbox"})
    assert answer["tool"][0]["slugowner"] == " resemble-ai"
    assert answer["tool"][0]["cleanslugowner"] == "resemble-ai"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"slugowner": "openai"}, ["openai/gpt-5-nano"]),
        ({"categories": ["text-to-speech"]}, ["resemble-ai/chatterbox-turbo"]),
        ({"search": "cartoons", "sort": "relevance"}, ["retroaix/retro-cartoons"]),
        (
            {"sort": "id", "order": "ASC", "limit": "2"},
            ["retroaix/retro-cartoons", "wiro/ai-resume-cv-parser"],
        ),
        ({"tags": ["new"]}, []),
    ],
)
async def test_the_catalogue_can_be_searched(
    wiro: Caller, query: dict[str, Any], expected: list[str]
) -> None:
    assert ids(await wiro("Tool/List", query)) == expected


async def test_a_model_counts_its_runs(wiro: Caller) -> None:
    await wiro.finish("openai/gpt-5-nano", {"prompt": "x"})
    answer = await wiro("Tool/List", {"search": "gpt-5"})
    assert answer["tool"][0]["taskstat"]["runcount"] == 1
    assert answer["tool"][0]["taskstat"]["successcount"] == "1"


async def test_exploring_shows_every_model_once(wiro: Caller) -> None:
    shelves = (await wiro("Tool/Explore", {}))["explore"]
    assert sum(len(shelf["tools"]) for shelf in shelves) == (await wiro("Tool/List", {}))["total"]


async def test_an_unknown_model_is_not_accessible(wiro: Caller) -> None:
    answer = await wiro("Tool/Detail", {"slugowner": "a", "slugproject": "b"})
    assert answer["errors"] == [{"code": 1, "message": "tool-not-accessible"}]


async def test_an_upload_comes_back_with_its_address(wiro: Caller) -> None:
    folder = (await wiro("File/FolderCreate", {"name": "training-data_1"}))["list"][0]["id"]
    form = aiohttp.FormData({"folderid": folder}, quote_fields=False)
    form.add_field("file", b"a,b\n1,2\n", filename="../data set.csv", content_type="text/csv")
    (stored,) = (await wiro("File/Upload", data=form))["list"]
    assert (stored["name"], stored["size"], stored["parentid"]) == ("data_set.csv", "8", folder)
    assert stored["contenttype"] == "text/csv"
    assert (await wiro.fetch(stored["url"]))[2] == b"a,b\n1,2\n"


async def test_a_zip_is_kept_as_it_is(wiro: Caller) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"PK\x05\x06" + bytes(18), filename="set.ZIP")
    assert (await wiro("File/Upload", data=form))["list"][0]["size"] == "22"


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("virus.exe", {}, "File type [exe] is not supported"),
        ("noextension", {}, "File type [] is not supported"),
        ("a.png", {"folderid": "nowhere"}, "folder-not-exist"),
    ],
)
async def test_an_upload_that_wiro_would_not_take_is_refused(
    wiro: Caller, name: str, fields: dict[str, str], message: str
) -> None:
    form = aiohttp.FormData(fields)
    form.add_field("file", b"x", filename=name)
    assert (await wiro("File/Upload", data=form))["errors"][0]["message"] == message


async def test_an_upload_without_a_file_is_refused(wiro: Caller) -> None:
    assert (await wiro("File/Upload", {}))["errors"][0]["message"] == "Request files [file] required"


async def test_an_upload_above_100_mb_is_refused(wiro: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_wiro.emulator.http.request_body.MAX_FILE_BYTES", 1000)
    form = aiohttp.FormData()
    form.add_field("file", bytes(1001), filename="big.png")
    status, answer = await wiro.post("File/Upload", data=form)
    assert (status, answer["errors"][0]["message"]) == (413, "File size must be at most 100 MB")


@pytest.mark.parametrize("name", ["", "a b", "../x", "a.b"])
async def test_a_folder_has_a_plain_name(wiro: Caller, name: str) -> None:
    assert (await wiro("File/FolderCreate", {"name": name}))["result"] is False
