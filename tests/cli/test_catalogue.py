"""``models``, ``model`` and ``estimate``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.cli.conftest import Run

pytestmark = pytest.mark.usefixtures("wiro")


def test_models_are_found_by_words_and_category(run: Run) -> None:
    printed = run("models", "--search", "try-on", "--category", "image-to-image")

    assert (printed.code, printed.err) == (0, "")
    assert "wiro/Virtual Try-On" in printed.out
    assert "0.09 to 0.18" in printed.out
    assert "Retro" not in printed.out


def test_models_come_as_json_for_a_program(run: Run) -> None:
    listed = json.loads(run("models", "--search", "retro", "--json").out)

    assert listed[0]["model"] == "retroAIx/Retro-Cartoons"
    assert listed[0]["approximate_cost_usd"] == "0.00351"


def test_more_models_than_a_page_holds_are_asked_for_in_pages(run: Run, wiro: WiroEmulator) -> None:
    everything = json.loads(run("models", "--limit", 1000, "--json").out)

    assert len(everything) == len({one["model"] for one in everything}) >= 10
    assert wiro.counts.requests["Tool/List"] <= 2


def test_no_model_fits_is_said(run: Run) -> None:
    printed = run("models", "--search", "zzzzqqq")

    assert (printed.code, printed.out) == (0, "No model fits.\n")


def test_a_model_is_shown_with_parameters_and_prices(run: Run) -> None:
    printed = run("model", "wiro/virtual-try-on")

    assert printed.code == 0
    for shown in ("inputImageClothes", "combinefileinput", "QUANTITY:2", "0.14", "Keep the background"):
        assert shown in printed.out


def test_a_models_json_has_bounds_and_options(run: Run) -> None:
    model = json.loads(run("model", "retroAIx/Retro-Cartoons", "--json").out)
    samples = next(one for one in model["parameters"] if one["name"] == "samples")

    assert (samples["min"], samples["max"], samples["default"]) == ("1", "8", "4")
    assert model["cps"] == "0.000585"


def test_an_estimate_is_exact_where_the_price_list_is(run: Run) -> None:
    printed = run("estimate", "ByteDance/seedance-pro-v1.5", "prompt=a kite", "resolution=720p", "duration=5")

    assert printed.code == 0
    assert "0.13 USD" in printed.out
    estimate = json.loads(
        run(
            "estimate",
            "ByteDance/seedance-pro-v1.5",
            "prompt=a kite",
            "resolution=1080p",
            "duration=10",
            "--json",
        ).out
    )
    assert (estimate["kind"], estimate["max_usd"]) == ("exact", "0.58")


def test_files_count_as_often_as_they_are_named(run: Run) -> None:
    clothes = "inputImageClothes=https://example.com/a.png"
    estimate = json.loads(
        run(
            "estimate",
            "wiro/Virtual Try-On",
            "inputImageHuman=https://example.com/p.png",
            clothes,
            clothes,
            "--json",
        ).out
    )

    assert (estimate["min_usd"], estimate["max_usd"]) == ("0.14", "0.18")


def test_a_run_that_would_be_refused_has_no_estimate(run: Run, wiro: WiroEmulator) -> None:
    printed = run("estimate", "retroAIx/Retro-Cartoons", "prompt=x", "steps=many")

    assert (printed.code, printed.out) == (2, "")
    assert "steps" in printed.err
    assert wiro.counts.tasks_started == 0


def test_an_unknown_name_is_warned_of_and_the_nearest_one_named(run: Run) -> None:
    printed = run("estimate", "retroAIx/Retro-Cartoons", "prompt=x", "sampels=1")

    assert printed.code == 0
    assert "samples" in printed.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("estimate", "retroAIx/Retro-Cartoons", "prompt"), "Expected KEY=VALUE, such as samples=2"),
        (("estimate", "retroAIx/Retro-Cartoons", "prompt=a", "prompt=b"), "is given twice"),
        (("estimate", "retroAIx/Retro-Cartoons", "prompt=a", "scheduler=[a"), "begins like JSON"),
        (("models", "--limit", "0"), "from 1 to 1000"),
        (("model", "Retro-Cartoons"), "owner/model"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    run: Run, arguments: tuple[str, ...], expected: str
) -> None:
    printed = run(*arguments)

    assert (printed.code, printed.out) == (2, "")
    assert expected in printed.err
    assert printed.err.count("\n") == 1


def test_a_misspelt_model_is_exit_code_1_and_the_right_one_is_named(run: Run) -> None:
    printed = run("model", "retroAIx/Retro-Cartoonz")

    assert printed.code == 1
    assert "did you mean 'retroAIx/Retro-Cartoons'?" in printed.err
    assert "Traceback" not in printed.err


@pytest.mark.parametrize("prompt", ["[verse] a kite", "{a|b} kite", '["a kite"]'])
def test_a_text_may_begin_like_json(run: Run, prompt: str) -> None:
    printed = run("estimate", "ByteDance/seedance-pro-v1.5", f"prompt={prompt}", "resolution=720p")

    assert (printed.code, printed.err) == (0, "")
    assert "0.13 USD" in printed.out
