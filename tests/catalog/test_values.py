"""Values are read as generously as Wiro reads them: refused is only what can't be the parameter's type."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.schema.findings import Findings
from tests.catalog.schemas import item, model_of, select


def judge(parameter: dict[str, Any], value: Any) -> Findings:
    return check_run(model_of(parameter), {parameter["id"]: value}, {}, mode="warn")


def refusal(parameter: dict[str, Any], value: Any) -> str:
    result = judge(parameter, value)
    assert (len(result.refusals), result.warnings) == (1, ())
    return result.refusals[0]


def warning(parameter: dict[str, Any], value: Any) -> str:
    result = judge(parameter, value)
    assert (result.refusals, len(result.warnings)) == ((), 1)
    return result.warnings[0]


NUMBERS = ["number", "numeric", "float", "range", " Number "]


class TestNumbers:
    @pytest.mark.parametrize("kind", NUMBERS)
    @pytest.mark.parametrize(
        "value", [3, 3.5, -1, 0, "3", " 3 ", "3.50", "1e3", "-.5", "+7", Decimal("0.8"), "", " ", None]
    )
    def test_a_number_may_be_text(self, kind: str, value: Any) -> None:
        assert judge(item("x", kind), value) == Findings()

    @pytest.mark.parametrize("kind", NUMBERS)
    @pytest.mark.parametrize(
        "value",
        [
            *(
                "many",
                "true",
                "None",
                "4 pictures",
                "1,5",
                "1 000",
                "1_000",
                "0x10",
                "NaN",
                "inf",
                "1e999",
                "٣",
            ),
            *(True, False, [3], [], {"value": 3}),
        ],
    )
    def test_what_is_no_number_is_refused(self, kind: str, value: Any) -> None:
        assert "Parameter 'x' takes a number, found " in refusal(item("x", kind), value)

    @pytest.mark.parametrize("value", [3, "3", 3.0, "3.0", "1e2"])
    def test_a_whole_number_may_be_written_with_a_fraction_of_zero(self, value: Any) -> None:
        assert judge(item("x", "integer"), value) == Findings()

    @pytest.mark.parametrize("value", [3.5, "0.1"])
    def test_a_fraction_is_no_whole_number(self, value: Any) -> None:
        assert "takes a whole number" in refusal(item("x", "integer"), value)

    @pytest.mark.parametrize(
        ("kind", "default", "value"),
        [("number", "auto", "large"), ("range", "0,1", "2,3"), ("integer", 0.5, 1.5)],
    )
    def test_a_type_that_the_models_own_default_is_not_of_only_warns(
        self, kind: str, default: Any, value: Any
    ) -> None:
        assert "number, found " in warning(item("x", kind, default=default), value)

    @pytest.mark.parametrize("kind", NUMBERS)
    @pytest.mark.parametrize("value", ["auto", "5", 5, 99])
    def test_an_option_of_a_number_is_right_whatever_it_is(self, kind: str, value: Any) -> None:
        number = item("x", kind, options=[{"value": "auto"}, {"value": 5}, {"value": "99"}], min=1, max=10)
        assert judge(number, value) == Findings()
        assert "takes a number, found 'many'" in refusal(number, "many")

    def test_a_huge_number_stops_nothing(self) -> None:
        assert judge(item("x", "number"), 10**300) == Findings()
        assert "takes a number" in refusal(item("x", "number"), 10**5000)
        assert "takes 0 to 5" in refusal(item("x", "number", min=0, max=5), "9" * 300)


class TestBounds:
    @pytest.mark.parametrize(
        ("minimum", "maximum", "inside", "outside", "said"),
        [
            (1, 4, [1, 4, "2"], [0, 5, "4.1", -3], "takes 1 to 4, found "),
            ("0", "1", [0, 0.5, "1"], [-0.1, "1.5"], "takes 0 to 1, found "),
            (None, "10", [-5, 10], [11], "takes at most 10, found "),
            ("0.05", None, [0.05, 99], [0.04], "takes at least 0.05, found "),
            (-60, 0, [-60, 0], [1], "takes -60 to 0, found "),
            (7, 7, [7], [8], "takes only 7, found "),
        ],
    )
    def test_a_number_outside_is_refused(
        self, minimum: Any, maximum: Any, inside: list[Any], outside: list[Any], said: str
    ) -> None:
        parameter = item("x", "number", min=minimum, max=maximum)
        assert [judge(parameter, value) for value in inside] == [Findings()] * len(inside)
        assert all(said in refusal(parameter, value) for value in outside)

    @pytest.mark.parametrize(
        ("minimum", "maximum"),
        [
            ("0", "9999999999"),
            (1, 9999999999),
            (0, 99999999),
            (-9999999999, 100),
            (0, 0),
            (None, 0),
            (10, 1),
            ("", ""),
            ("none", {}),
            (None, None),
        ],
    )
    def test_bounds_that_cannot_be_meant_refuse_nothing(self, minimum: Any, maximum: Any) -> None:
        for value in (-5, 0, 500, 10**12):
            assert judge(item("x", "number", min=minimum, max=maximum), value) == Findings()

    def test_bounds_that_the_models_own_default_breaks_only_warn(self) -> None:
        seed = item("seed", "number", default="-1", min=0, max=1000)
        assert judge(seed, -1) == judge(seed, "-1") == judge(seed, 1000) == Findings()
        assert "takes 0 to 1000" in warning(seed, 2000)

    def test_floats_are_compared_as_they_are_written(self) -> None:
        parameter = item("x", "float", min=0, max="0.3", step="0.1", default="0")
        for value in (0.1, 0.2, 0.3, 0.1 + 0.2, "0.3", Decimal("0.3")):
            assert judge(parameter, value) == Findings()
        assert "takes 0 to 0.3" in refusal(parameter, 0.31)

    @pytest.mark.parametrize(
        ("schema", "value"),
        [
            ({"min": 64, "max": 2048, "step": 64}, 1024),
            ({"min": 1, "max": 101, "step": 10}, 11),
            ({"min": 1, "max": 101, "step": 10}, 20),
            ({"step": "0.01"}, 19.99),
            ({"step": "0.05", "min": 0, "max": 1}, "0.85"),
            ({"step": 0}, 0.5),
            ({"step": -1}, 0.5),
            ({"step": "any"}, 0.5),
            ({"step": 5, "min": 0, "max": 1}, 0.5),
            ({"step": 1, "default": "0.8"}, 0.5),
        ],
    )
    def test_a_step_is_counted_from_the_minimum_or_from_zero(
        self, schema: dict[str, Any], value: Any
    ) -> None:
        assert judge(item("x", "float", **schema), value) == Findings()

    def test_a_number_between_two_steps_is_a_warning(self) -> None:
        width = item("width", "number", default="1024", min=64, max=2048, step=64)
        assert warning(width, 1000) == "Parameter 'width' is 1000, which is not reached in steps of 64."


class TestTexts:
    @pytest.mark.parametrize("kind", ["text", "textarea", "TextArea "])
    @pytest.mark.parametrize("value", ["a robot", "", 123456, 0.5, True, Decimal(5), '["a"]', "/imagine"])
    def test_any_single_value_is_text(self, kind: str, value: Any) -> None:
        assert judge(item("x", kind), value) == Findings()

    @pytest.mark.parametrize(
        ("value", "said"), [(["a", "b"], "a list of 2"), ({"a": 1}, "an object"), ([], "a list of 0")]
    )
    def test_a_list_or_an_object_is_none(self, value: Any, said: str) -> None:
        assert refusal(item("x", "textarea"), value) == f"Parameter 'x' takes text, found {said}."

    def test_a_list_of_objects_may_be_json_that_a_text_takes(self) -> None:
        shots = [{"prompt": "a", "duration": 5}]
        assert warning(item("multiPrompt", "textarea"), shots).endswith("takes text, found a list of 1.")

    def test_bounds_of_a_text_are_those_of_its_length(self) -> None:
        prompt = item("prompt", "textarea", min="2", max="10")
        assert judge(prompt, "x" * 10) == judge(prompt, "🤖") == judge(prompt, 55555) == Findings()
        assert refusal(prompt, "x" * 1203) == "Parameter 'prompt' takes 2 to 10 characters, found 1,203."
        assert refusal(prompt, "x") == "Parameter 'prompt' takes 2 to 10 characters, found 1."

    @pytest.mark.parametrize(
        "bounds",
        [
            {"min": 0, "max": 9999999999},
            {"min": 0, "max": 0},
            {"min": 0, "max": 1, "step": 0.1},
            {"min": "0.1", "max": 1},
            {"min": -1, "max": 5},
        ],
    )
    def test_bounds_that_are_no_lengths_refuse_no_text(self, bounds: dict[str, Any]) -> None:
        assert judge(item("seed", "text", **bounds), "123456789") == Findings()

    def test_a_number_as_text_may_have_the_bounds_of_a_number(self) -> None:
        width = item("width", "text", min=64, max=2048)
        assert judge(width, "1024") == judge(width, 64) == Findings()
        assert "takes 64 to 2048 characters" in refusal(width, "32")

    def test_lengths_that_the_models_own_default_breaks_only_warn(self) -> None:
        assert "takes 1 to 4 characters" in warning(item("x", min=1, max=4, default="123456"), "654321")


class TestOptions:
    SIZE = select("size", "480p", "720p", "1080P", default="Auto")

    @pytest.mark.parametrize("kind", ["select", "selectwithcover"])
    def test_a_value_that_differs_only_in_case_is_spelled_right_in_the_warning(self, kind: str) -> None:
        assert warning(self.SIZE | {"type": kind}, "1080p") == (
            "Parameter 'size' is '1080p', which is none of its options. Write '1080P'."
        )

    def test_the_options_are_listed_if_there_are_few(self) -> None:
        assert warning(self.SIZE, "4k").endswith("Its options are '480p', '720p', '1080P'.")
        many = select("x", *(f"o{number}" for number in range(200)))
        assert warning(many, "none").endswith("'o7' and 192 more.")

    def test_the_models_own_default_is_right_also_where_it_is_no_option(self) -> None:
        assert judge(self.SIZE, "Auto") == Findings()

    @pytest.mark.parametrize(
        ("values", "value"),
        [
            (("5", "10"), 5),
            (("5", "10"), 5.0),
            (("5",), Decimal(5)),
            (("true", "false"), True),
            (("0.50",), 0.5),
        ],
    )
    def test_a_number_or_boolean_is_the_option_of_its_text(self, values: tuple[str, ...], value: Any) -> None:
        assert judge(select("x", *values), value) == Findings()

    @pytest.mark.parametrize(
        "options", [None, [], [{"value": ""}], [{"label": "a"}], "no list", [{"value": None}, 7]]
    )
    def test_options_that_the_schema_does_not_name_are_not_compared(self, options: Any) -> None:
        assert judge(item("x", "select", options=options), "anything") == Findings()

    def test_options_may_be_bare_or_booleans(self) -> None:
        bare = item("x", "select", options=["a", 5.0, 2])
        assert judge(bare, "a") == judge(bare, "5") == judge(bare, "2") == Findings()
        flags = item("x", "select", options=[{"value": True}, {"value": False}])
        assert judge(flags, True) == judge(flags, "false") == Findings()

    def test_one_option_is_no_list(self) -> None:
        assert warning(self.SIZE, ["720p"]) == "Parameter 'size' takes one of its options, found a list of 1."
        assert "found an object" in refusal(self.SIZE, {"size": "720p"})
        assert "found a list of 2" in refusal(self.SIZE, ["720p", {}])

    @pytest.mark.parametrize("kind", ["multiselect", "multi-select", "multiOptions"])
    @pytest.mark.parametrize("value", [["a"], ["a", "5"], [5], [], "a", '["a", "5"]', [None, ""]])
    def test_several_options_are_a_list_of_text(self, kind: str, value: Any) -> None:
        assert judge(select("x", "a", "5", kind=kind), value) == Findings()

    def test_each_of_several_options_is_compared(self) -> None:
        genres = select("genre", "pop", "rock", kind="multiselect")
        assert "Parameter 'genre' is 'Pop'" in warning(genres, ["Pop", "rock"])
        assert "takes a list of its options" in refusal(genres, [["pop"]])
        assert "takes a list of its options" in refusal(genres, {"pop": True})

    def test_a_select_whose_default_is_a_list_takes_several(self) -> None:
        assert judge(select("x", "a", "b", default=["a"]), ["a", "b"]) == Findings()


class TestBooleans:
    @pytest.mark.parametrize("value", [True, False, "true", "False", "TRUE ", 1, 0, "1", "yes", "off", ""])
    def test_a_boolean_may_be_text(self, value: Any) -> None:
        assert judge(item("x", "checkbox", default="false"), value) == Findings()

    @pytest.mark.parametrize("value", ["maybe", 2, [True], {}])
    def test_what_is_neither_true_nor_false_is_refused(self, value: Any) -> None:
        assert "Parameter 'x' takes true or false, found " in refusal(item("x", "checkbox"), value)

    def test_a_box_that_stands_for_a_text_or_for_several_is_not_judged(self) -> None:
        assert judge(item("x", "checkbox", default="--fast"), "--slow") == Findings()
        assert judge(select("x", "a", "b", kind="checkbox"), ["a"]) == Findings()


class TestAnythingElse:
    @pytest.mark.parametrize("value", ["x", 5, [1], {"a": []}, [{"role": "user"}]])
    @pytest.mark.parametrize(
        "parameter",
        [
            item("x", "jsonschema"),
            item("x", "hologram"),
            item("x", ""),
            item("x", None),  # type: ignore[arg-type]
            item("x", "textarea", jsonschema={"type": "array"}),
            item("x", "text", default="[]"),
            item("x", "text", default=[]),
            item("messages", "textarea"),
            item("tools"),
        ],
        ids=lambda parameter: f"{parameter['id']}-{parameter['type']}",
    )
    def test_a_type_that_is_not_known_takes_anything(self, parameter: dict[str, Any], value: Any) -> None:
        assert judge(parameter, value) == Findings()

    def test_an_advanced_parameter_is_checked_like_any_other(self) -> None:
        assert "takes a number" in refusal(item("x", "number", advanced=True), "many")

    @pytest.mark.parametrize("default", ["many", "0.5", [], {"a": 1}])
    def test_the_models_own_default_is_right_whatever_it_is(self, default: Any) -> None:
        assert judge(item("x", "integer", default=default, min=2, max=3), default) == Findings()
