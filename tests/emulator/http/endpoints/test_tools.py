from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.emulator.conftest import Client


def ids(response: dict[str, Any]) -> list[str]:
    return [f"{tool['cleanslugowner']}/{tool['cleanslugproject']}" for tool in response["tool"]]


async def test_retro_cartoons_has_the_parameters_of_wiros_catalogue(wiro: Client) -> None:
    response = await wiro("Tool/Detail", {"slugowner": "retroAIx", "slugproject": "Retro-Cartoons"})
    (tool,) = response["tool"]
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


async def test_the_price_list_is_json_inside_text(wiro: Client) -> None:
    response = await wiro("Tool/Detail", {"slugowner": "bytedance", "slugproject": "seedance-pro-v1-5"})
    prices = json.loads(response["tool"][0]["dynamicprice"])
    tier = {"inputs": {"resolution": "720p", "duration": "5"}, "price": 0.13, "priceMethod": "cpr"}
    assert tier in prices


async def test_a_slug_in_the_list_may_have_a_stray_space(wiro: Client) -> None:
    response = await wiro("Tool/List", {"search": "chatterbox"})
    assert response["tool"][0]["slugowner"] == " resemble-ai"
    assert response["tool"][0]["cleanslugowner"] == "resemble-ai"


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
    wiro: Client, query: dict[str, Any], expected: list[str]
) -> None:
    assert ids(await wiro("Tool/List", query)) == expected


async def test_a_model_counts_its_runs(wiro: Client) -> None:
    await wiro.finish("openai/gpt-5-nano", {"prompt": "x"})
    response = await wiro("Tool/List", {"search": "gpt-5"})
    assert response["tool"][0]["taskstat"]["runcount"] == 1
    assert response["tool"][0]["taskstat"]["successcount"] == "1"


async def test_explore_shows_every_model_once(wiro: Client) -> None:
    shelves = (await wiro("Tool/Explore", {}))["explore"]
    assert sum(len(shelf["tools"]) for shelf in shelves) == (await wiro("Tool/List", {}))["total"]


async def test_an_unknown_model_is_not_accessible(wiro: Client) -> None:
    response = await wiro("Tool/Detail", {"slugowner": "a", "slugproject": "b"})
    assert response["errors"] == [{"code": 1, "message": "tool-not-accessible"}]


async def test_a_model_may_have_no_list_of_parameters(wiro: Client) -> None:
    response = await wiro("Tool/Detail", {"slugowner": "wiro", "slugproject": "surprise"})
    assert response["tool"][0]["parameters"] is None
    assert (await wiro("Run/wiro/surprise", {"anything": 1}))["result"] is True


async def test_a_schema_may_have_open_types_absurd_bounds_and_odd_defaults(wiro: Client) -> None:
    response = await wiro("Tool/Detail", {"slugowner": "wiro", "slugproject": "poster-studio"})
    items = {item["id"]: item for group in response["tool"][0]["parameters"] for item in group["items"]}
    assert items["prompt"]["required"] == "true"
    assert (items["steps"]["min"], items["steps"]["max"]) == ("0", "9999999999")
    assert items["ratio"]["default"] not in [option["value"] for option in items["ratio"]["options"]]
    assert items["inks"]["default"] == ["black"]
    assert items["seed"]["advanced"] is True
    assert items["layout"]["jsonschema"] == {"type": "array", "items": {"type": "object"}}
    types = {item["type"] for item in items.values()}
    assert types >= {"selectwithcover", "multiselect", "numeric", "integer", "jsonschema"}
