"""What a run was given, as its card shows it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.gallery.cards.inputs import Inputs, file_names


def given(parameters: Any, files: Any = None, **more: Any) -> Inputs:
    found = Inputs.rendered({"model": "owner/model", "parameters": parameters, "files": files, **more})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("parameters", "prompt"),
    [
        ({"steps": 3, "prompt": "a robot", "negativePrompt": "blurry"}, "a robot"),
        ({"inputPrompt": "a robot"}, "a robot"),
        ({"generalPrompt": "a robot"}, "a robot"),
        ({"Prompt": "a robot"}, "a robot"),
        ({"script": "Hello."}, "Hello."),
        ({"description": "a shop"}, "a shop"),
        ({"system_instructions": "Be brief."}, "Be brief."),
        ({"systemInstructions": "Be brief.", "prompt": "Why?"}, "Why?"),
        ({"prompt": "", "text": "Hello."}, "Hello."),
        (
            {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]},
            "Be brief.\nWhy?",
        ),
        ({"messages": ["Why?", 7, None]}, "Why?"),
        ({"messages": [{"content": [{"type": "text", "text": "Why?"}]}]}, "Why?"),
        ({"negativePrompt": "blurry", "steps": 3}, None),
        ({"prompt": 7}, None),
        ({}, None),
    ],
)
def test_the_prompt_is_found_under_the_names_that_models_have_for_it(
    parameters: Any, prompt: str | None
) -> None:
    assert given(parameters).prompt == prompt


def test_the_other_parameters_are_shown_in_order_at_most_twelve_and_short() -> None:
    found = given(
        {"prompt": "a robot", "seed": 7, "empty": "", "none": None, "long": "so " * 400}
        | {f"p{number}": number for number in range(20)}
    )

    assert (found.prompt, found.seed) == ("a robot", "7")
    assert len(found.main) == 12
    assert found.main[0] == ("long", ("so " * 400)[:299] + "…")
    assert found.main[1] == ("p0", "0")


def test_values_are_shown_as_json() -> None:
    assert given({"ratio": [1, 2], "on": True, "box": {"x": 1}}).main == (
        ("ratio", "[1, 2]"),
        ("on", "true"),
        ("box", '{"x": 1}'),
    )


@pytest.mark.parametrize("seed", [None, "", True, [7], {"a": 1}])
def test_a_seed_is_a_number_or_a_text(seed: Any) -> None:
    assert given({"seed": seed}).seed is None


def test_secrets_and_signatures_are_masked_again() -> None:
    shown = given(
        {"apiKey": "abcdefgh12345678", "inputImageUrl": "https://host/a%20b.png?X-Amz-Signature=secret"}
    )

    assert shown.main == (("apiKey", "***"), ("inputImageUrl", "a b.png"))


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("s3://bucket/shots/a b.png", "a b.png"),
        ("https://host/shots/a%20b.png?signature=secret#x", "a b.png"),
        ("/data/in.wav", "in.wav"),
        ("data:image/png;base64,AAAA", "data:image/png"),
        (["s3://bucket/1.png", "s3://bucket/2.png"], "1.png, 2.png"),
        ({"outputs": [{"name": "0.png"}, {"name": "1.png"}]}, "0.png, 1.png"),
        ({"files": [{"uri": "s3://bucket/0.png", "name": "0.png"}]}, "0.png"),
        ({"uri": "s3://bucket/0.png"}, "s3://bucket/0.png"),
        (7, ""),
        (None, ""),
    ],
)
def test_files_are_shown_by_their_names(value: Any, names: str) -> None:
    assert file_names(value) == names


def test_nothing_is_known_once_airflow_has_dropped_the_rendered_fields() -> None:
    assert Inputs.rendered(None) is None


PREFIX = "Truncated. You can change this behaviour in [core]max_templated_field_length. "


def as_airflow_3_1_cuts(value: Any, most: int) -> str:
    return f"{PREFIX}{str(value)[: most - 79]!r}... "


def as_airflow_3_2_cuts(value: Any, most: int) -> str:
    return f"{PREFIX}{str(value)[: most - len(PREFIX) - 3].rstrip()}..."


@pytest.mark.parametrize("cut", [as_airflow_3_1_cuts, as_airflow_3_2_cuts])
@pytest.mark.parametrize("prompt", ["a robot, ", 'it\'s "quoted", ', "a \\ b\n", "élan 🎈 "])
def test_of_parameters_that_airflow_has_cut_what_is_left_is_shown(cut: Any, prompt: str) -> None:
    parameters = {"apiFormat": "png", "prompt": prompt * 1_000, "seed": 7}

    found = given(cut(parameters, 4_096))

    assert found.is_whole is False
    assert found.prompt is not None
    assert found.prompt.startswith(prompt * 50)
    assert found.prompt.endswith("…")
    assert ("apiFormat", "png") in found.main
    assert found.seed is None


@pytest.mark.parametrize("cut", [as_airflow_3_1_cuts, as_airflow_3_2_cuts])
@pytest.mark.parametrize("most", range(100, 180))
def test_what_is_left_is_read_wherever_airflow_has_cut(cut: Any, most: int) -> None:
    parameters = {"a": "x\\'", "b": [1, {"c": "d, 'e': f"}], "prompt": 'it\'s "so"', "z": None}

    read = given(cut(parameters, most)).parameters

    for name, value in read.items():
        whole = parameters[name]
        assert value == whole or str(value).rstrip("…") in str(whole)


@pytest.mark.parametrize(
    "left",
    [
        "",
        "...",
        "'",
        "{",
        "__import__('os').system('x')",
        "{'a': __import__('os')}",
        "(" * 5_000,
        "{'a': 'b'",
        "'" * 3_000,
    ],
)
def test_what_is_no_dict_is_nothing_and_runs_nothing(left: str) -> None:
    assert set(given(PREFIX + left).parameters) <= {"a"}


def test_a_text_in_place_of_parameters_is_no_input_that_could_be_repeated() -> None:
    found = given('{"prompt": "a robot"}')

    assert (found.parameters, found.is_whole) == ({}, False)
