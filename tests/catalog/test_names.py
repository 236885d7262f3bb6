"""A mistyped name is met with the one that is probably meant; known names are never remarked on."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.schema.findings import Findings
from airflow_provider_wiro.catalog.schema.names import nearest_name
from tests.catalog.schemas import item, model_of

KNOWN = ("prompt", "negativePrompt", "samples", "steps", "inputImage", "cfg_weight", "aspectRatio", "seed")
MODEL = model_of(
    item("prompt", "textarea"),
    item("inputImage", "fileinput"),
    item("folder", "folderinput"),
    item("websiteUrl", "text"),
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sampels", "samples"),
        ("sample", "samples"),
        ("Prompt", "prompt"),
        ("promt", "prompt"),
        ("negative_prompt", "negativePrompt"),
        ("NEGATIVE-PROMPT", "negativePrompt"),
        ("negativePromt", "negativePrompt"),
        ("image", "inputImage"),
        ("input_image", "inputImage"),
        ("cfgWeight", "cfg_weight"),
        ("aspect_ration", "aspectRatio"),
        (" steps ", "steps"),
    ],
)
def test_the_nearest_name_is_found(typed: str, meant: str) -> None:
    assert nearest_name(typed, KNOWN) == meant


@pytest.mark.parametrize("typed", ["", "---", "quality", "x", "🤖", "z" * 5000])
def test_nothing_is_proposed_where_nothing_is_near(typed: str) -> None:
    assert nearest_name(typed, KNOWN) is None


@pytest.mark.parametrize(
    "name", ["callbackUrl", "projectid", "inputImageUrl", "inputImage", "folderUrl", "websiteUrl"]
)
def test_names_that_wiro_reads_are_known(name: str) -> None:
    assert check_run(MODEL, {name: "https://a.example/1"}, {}, mode="strict") == Findings()


@pytest.mark.parametrize("name", ["promptUrl", "website", "callbackurl", "projectId", "inputimage"])
def test_names_that_only_resemble_them_are_not(name: str) -> None:
    assert len(check_run(MODEL, {name: "https://a.example/1"}, {}, mode="warn").warnings) == 1


def test_without_a_near_name_the_model_s_names_are_listed() -> None:
    result = check_run(MODEL, {"quality": 1}, {}, mode="warn")
    assert result.warnings == (
        "The model has no parameter 'quality'. It has 'prompt', 'inputImage', 'folder', 'websiteUrl'.",
    )


def test_a_thousand_unknown_names_are_answered_at_once_and_counted() -> None:
    result = check_run(MODEL, {f"prompt{number}" * 200: 1 for number in range(1000)}, {}, mode="strict")
    message = result.refusal("o/m")
    assert message is not None
    assert "And 995 more." in message
    assert len(message) < 1500


def test_a_hostile_name_forges_no_line_and_is_cut() -> None:
    result = check_run(MODEL, {"a\n[ERROR] paid twice\x1b[31m": 1}, {}, mode="warn")
    assert result.warnings[0].isprintable()


def test_a_parameter_that_is_left_out_is_not_remarked_on() -> None:
    assert check_run(MODEL, {"anything": None}, {}, mode="strict") == Findings()


@pytest.mark.parametrize("name", ["messages", "tools", "tool_choice", "toolOutputs", "previousTaskToken"])
def test_a_model_that_calls_tools_takes_what_such_models_take_without_listing_it(name: str) -> None:
    caller = model_of(item("prompt"), categories=("llm", "llm-tool-call"))
    assert check_run(caller, {name: [{"a": 1}]}, {}, mode="strict") == Findings()
    assert len(check_run(MODEL, {name: [{"a": 1}]}, {}, mode="warn").warnings) == 1
