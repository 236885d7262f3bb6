"""A run that can't be right is refused before it is sent; what is merely suspicious is a warning."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.catalog.checks import check_category, check_run
from airflow_provider_wiro.catalog.schema.findings import Findings
from tests.catalog.schemas import item, model_of, select

if TYPE_CHECKING:
    from airflow_provider_wiro.api.catalog import Model

CARTOONS = model_of(
    item("prompt", "textarea", required=True),
    item("samples", "number", default="4", min="1", max="8"),
    item("steps", "number", default="60", min=1, max=150),
    item("scale", "float", default="4"),
    item("seed", "text", default="123456"),
    select("refiner", "--only_base_model", "", default=""),
    select("scheduler", "EulerDiscreteScheduler", "EulerDiscreteScheduler", "DDIMScheduler"),
)
EDIT = model_of(
    item("inputImage", "fileinput", required=True),
    item("inputMask", "fileinput"),
    item("references", "multifileinput"),
    item("clothes", "combinefileinput"),
    item("prompt", "textarea"),
)


def found(
    model: Model, parameters: dict[str, Any], files: dict[str, int] | None = None, mode: Any = "warn"
) -> Findings:
    return check_run(model, parameters, files or {}, mode=mode)


def refusals(model: Model, parameters: dict[str, Any], files: dict[str, int] | None = None) -> list[str]:
    result = found(model, parameters, files)
    assert result.warnings == ()
    return list(result.refusals)


def test_a_run_that_fits_is_not_remarked_on() -> None:
    fitting = {
        "prompt": "a robot",
        "samples": 1,
        "steps": "150",
        "scale": Decimal("0.8"),
        "seed": 7,
        "refiner": "",
        "scheduler": "DDIMScheduler",
        "callbackUrl": "https://a.example/done",
        "projectid": "77",
    }
    assert found(CARTOONS, fitting, mode="strict") == Findings()


def test_all_problems_of_a_run_are_found_at_once() -> None:
    result = found(CARTOONS, {"samples": 9, "steps": "many", "sampels": 1, "scheduler": "DDIM"})
    assert result.refusals == (
        "The required parameter 'prompt' is missing.",
        "Parameter 'samples' takes 1 to 8, found 9.",
        "Parameter 'steps' takes a number, found 'many'.",
    )
    assert result.warnings == (
        "Parameter 'scheduler' is 'DDIM', which is none of its options. Its options are "
        "'EulerDiscreteScheduler', 'DDIMScheduler'.",
        "The model has no parameter 'sampels'. Did you mean 'samples'?",
    )


def test_strict_refuses_what_is_a_warning_otherwise() -> None:
    warned = found(CARTOONS, {"prompt": "x", "sampels": 1})
    assert warned.refusals == ()
    assert found(CARTOONS, {"prompt": "x", "sampels": 1}, mode="strict") == Findings(warned.warnings)


def test_off_checks_nothing() -> None:
    assert found(CARTOONS, {"steps": "many"}, {"nothing": 3}, mode="off") == Findings()


@pytest.mark.parametrize("parameters", [None, [], "", {}, "[]", [None, 1, {"items": None}]])
def test_a_model_without_a_schema_runs_unchecked(parameters: Any) -> None:
    model = model_of(parameters=parameters)
    assert found(model, {"anything": object()}, {"file": 2}, mode="strict") == Findings()


class TestMissing:
    @pytest.mark.parametrize("unset", [None, "", "  \n"])
    def test_an_unset_parameter_is_missing(self, unset: Any) -> None:
        assert refusals(CARTOONS, {"prompt": unset}) == ["The required parameter 'prompt' is missing."]

    def test_the_name_that_was_probably_meant_is_named(self) -> None:
        result = found(CARTOONS, {"Prompt": "a robot"})
        assert result.refusals == ("The required parameter 'prompt' is missing; there is 'Prompt'.",)

    def test_fill_defaults_is_proposed_where_there_is_a_default(self) -> None:
        model = model_of(select("duration", "5", "10", default="5", required="true"))
        assert refusals(model, {}) == [
            "The required parameter 'duration' is missing. Give it, or set fill_defaults=True, which sends "
            "'5'."
        ]

    def test_empty_text_meets_a_select_of_which_it_is_an_option(self) -> None:
        model = model_of(select("refiner", "--only_base_model", "", required=True))
        assert refusals(model, {"refiner": ""}) == []
        assert len(refusals(model, {})) == 1

    @pytest.mark.parametrize(
        ("parameters", "files"),
        [
            ({}, {"inputImage": 1}),
            ({}, {"inputImageUrl": 1}),
            ({"inputImage": "https://a.example/1.png"}, {}),
            ({"inputImage": ["https://a.example/1.png"]}, {}),
            ({"inputImage": "", "inputImageUrl": "https://a.example/1.png"}, {}),
        ],
    )
    def test_a_file_is_met_by_the_file_or_its_url(
        self, parameters: dict[str, Any], files: dict[str, int]
    ) -> None:
        assert found(EDIT, parameters, files, mode="strict") == Findings()

    @pytest.mark.parametrize("empty", [None, "", [], [""], [None]])
    def test_an_empty_url_is_no_file(self, empty: Any) -> None:
        assert refusals(EDIT, {"inputImage": empty, "inputImageUrl": empty}, {"inputImage": 0}) == [
            "The required file parameter 'inputImage' is missing. Give the file in `files`, or its URL as "
            "'inputImageUrl' in `parameters`."
        ]


@pytest.mark.parametrize("category", ["realtime", "training", " Training "])
def test_a_model_that_does_not_end_or_costs_much_runs_only_if_it_is_allowed(category: str) -> None:
    model, name = model_of(categories=("tool", category)), category.strip().lower()
    refusal = check_category(model, [])
    assert refusal is not None
    assert f'allow_categories=["{name}"]' in refusal
    assert check_category(model, [name]) is None
    assert check_category(model, ["other"]) is not None


def test_other_categories_run() -> None:
    assert check_category(model_of(categories=("tool", "text-to-image")), []) is None
