"""``snippet``: the DAG that is printed runs as it is, and nothing that Wiro sends becomes code."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.catalog import Model, ModelParameter
from airflow_provider_wiro.cli.snippet import snippet
from airflow_provider_wiro.operators.wiro import WiroRunOperator

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.cli.conftest import Run

CATALOG = Path(__file__).parents[1] / "api/data/model-catalog.json"
HOSTILE = 'x"\n    import os; os.system("id")\r# \u2028 \x1b[31m \\'


def operators(code: str) -> list[Any]:
    """Run a DAG file, and return its tasks."""
    names: dict[str, Any] = {}
    exec(compile(code.replace("\n):\n", "\n) as dag:\n", 1), "snippet.py", "exec"), names)  # noqa: S102  it is what a user does
    return list(names["dag"].tasks)


@pytest.mark.usefixtures("wiro")
def test_the_printed_dag_runs_the_model(run: Run) -> None:
    printed = run("snippet", "retroAIx/Retro-Cartoons", "--bucket", "pictures")

    generate, to_s3 = operators(printed.out)
    assert isinstance(generate, WiroRunOperator)
    assert generate.model == "retroAIx/Retro-Cartoons"
    assert generate.parameters is not None
    assert set(generate.parameters) == {"prompt"}
    assert to_s3.s3_bucket == "pictures"
    assert to_s3.upstream_task_ids == {"run"}


def test_each_model_of_the_emulator_accepts_the_run_of_its_snippet(run: Run, wiro: WiroEmulator) -> None:
    models = [one["model"] for one in json.loads(run("models", "--json").out)]
    assert len(models) > 5
    for model in models:
        (generate,) = operators(run("snippet", model).out)
        assert generate.model == model


@pytest.mark.parametrize("entry", json.loads(CATALOG.read_text()), ids=lambda entry: entry["model"].strip())
def test_each_real_model_has_a_snippet_that_is_a_dag(entry: dict[str, Any]) -> None:
    parameters = tuple(
        ModelParameter(
            one["id"],
            one["type"],
            required=bool(one.get("required")),
            default=one.get("default"),
            options=tuple(map(str, one.get("options", ()))),
        )
        for one in entry["parameters"]
    )
    (generate,) = operators(snippet(Model(entry["model"].strip(), "", parameters=parameters)))

    required = {one.id for one in parameters if one.required}
    assert set(generate.parameters or {}) == required


def test_nothing_that_a_server_sends_becomes_code() -> None:
    parameters = tuple(
        ModelParameter(f"{HOSTILE}{kind}", kind, HOSTILE, required, HOSTILE, (HOSTILE,), description=HOSTILE)
        for kind in ("text", "select", "number", "fileinput", HOSTILE)
        for required in (True, False)
    )
    code = snippet(Model('o/x" + exit() + "', "", HOSTILE, HOSTILE, parameters=parameters), bucket=HOSTILE)

    tree = ast.parse(code)
    assert [type(node).__name__ for node in tree.body] == ["ImportFrom"] * 3 + ["With"]
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert {call.id for call in calls if isinstance(call, ast.Name)} == {
        "DAG",
        "WiroRunOperator",
        "WiroToS3Operator",
    }
    assert not any(isinstance(call, ast.Attribute) for call in calls)
    assert all(line.isprintable() for line in code.split("\n"))


TEMPLATES = ["{{ conn.aws_default.password }}", "{% raw %}", "{# x", "{{{ x }}}", "a {{% b"]


@pytest.mark.parametrize("default", TEMPLATES)
def test_nothing_that_a_server_sends_becomes_a_template(default: str) -> None:
    required = (
        ModelParameter("prompt", "textarea", required=True, default=default),
        ModelParameter("style", "select", required=True, options=(default,)),
        ModelParameter("messages", "jsonschema", required=True, default=[{"content": default}]),
    )
    (generate,) = operators(snippet(Model("o/x", "", parameters=required)))

    generate.render_template_fields({})
    assert generate.parameters == {"prompt": default, "style": default, "messages": [{"content": default}]}


@pytest.mark.parametrize("default", ["\U0001f916\nrobot", "\U0001f469\u200d\U0001f9b0", 'a"\\\t', "\u2028"])
def test_a_default_is_the_same_text_in_the_printed_dag(default: str) -> None:
    prompt = ModelParameter("prompt", "textarea", required=True, default=default)
    (generate,) = operators(snippet(Model("o/x", "", parameters=(prompt,))))
    assert generate.parameters == {"prompt": default}


def test_a_text_that_no_encoding_can_send_stops_no_dag_from_loading() -> None:
    prompt = ModelParameter("prompt", "textarea", required=True, default="a\udead\0b")
    (generate,) = operators(snippet(Model("o/x", "", parameters=(prompt,))))
    assert generate.parameters == {"prompt": "a?b"}


@pytest.mark.parametrize("default", [float("inf"), {"x": float("nan")}, json.loads("[" * 300 + "]" * 300)])
def test_a_default_that_is_no_literal_is_left_to_fill_in(default: Any) -> None:
    odd = ModelParameter("odd", "json", required=True, default=default)
    code = snippet(Model("o/x", "", parameters=(odd, odd)))
    assert code.count('"odd": "",  # json, required: fill this in') == 1
    assert operators(code)[0].parameters == {"odd": ""}
