"""The provider info, checked against Airflow's own schemas, and the cost of importing the package."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow
import jsonschema
import pytest

import airflow_provider_wiro
from airflow_provider_wiro import connection_form
from airflow_provider_wiro.get_provider_info import get_provider_info
from airflow_provider_wiro.hooks.wiro import WiroHook
from tests import warm_python

if TYPE_CHECKING:
    from collections.abc import Iterator

AIRFLOW = Path(airflow.__file__).parent
PACKAGE = Path(airflow_provider_wiro.__file__).parent
#: Not installed with Airflow 3.3; the environments of `make test-matrix` for 2.11 and 3.0 have them.
needs_old_form = pytest.mark.skipif(
    not (find_spec("wtforms") and find_spec("flask_appbuilder")),
    reason="wtforms and flask_appbuilder are not installed (they are with Airflow 2.11)",
)


def python(code: str) -> str:
    """Run code in a process of its own, with Airflow's start-up already behind it."""
    done = warm_python.run(code)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def schema(name: str) -> Any:
    return json.loads((AIRFLOW / name).read_text())


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def test_airflow_finds_the_provider_by_its_entry_point() -> None:
    found = [point.value for point in entry_points(group="apache_airflow_provider")]

    assert "airflow_provider_wiro.get_provider_info:get_provider_info" in found


@pytest.mark.airflow
def test_the_provider_info_is_valid_by_airflows_runtime_schema() -> None:
    jsonschema.validate(get_provider_info(), schema("provider_info.schema.json"))


@pytest.mark.airflow
@pytest.mark.skipif(
    not (AIRFLOW / "provider.yaml.schema.json").is_file(), reason="this Airflow ships no provider.yaml schema"
)
@pytest.mark.parametrize("part", ["connection-types", "config", "integrations", "transfers"])
def test_each_part_is_valid_by_airflows_stricter_schema(part: str) -> None:
    whole = schema("provider.yaml.schema.json")
    expected = {**whole["properties"][part], "definitions": whole.get("definitions", {})}
    found = get_provider_info()[part]
    if part == "integrations":  # used by the documentation only
        found = [{**item, "external-doc-url": item["external-doc-url"]} for item in found]

    jsonschema.validate(found, expected)


def test_every_module_and_class_in_the_provider_info_exists() -> None:
    named = [name for name in strings(get_provider_info()) if name.startswith("airflow_provider_wiro.")]

    decorators = {found["class-name"] for found in get_provider_info()["task-decorators"]}

    assert len(named) >= 7
    for name in named:
        module, _, last = name.rpartition(".")
        if last[0].isupper():
            assert isinstance(getattr(import_module(module), last), type), name
        elif name in decorators or name in get_provider_info()["cli"]:
            assert callable(getattr(import_module(module), last)), name
        else:
            import_module(name)


def test_the_provider_info_is_plain_json_and_imports_nothing_heavy() -> None:
    assert json.loads(json.dumps(get_provider_info())) == get_provider_info()
    code = (
        "import sys; from airflow_provider_wiro.get_provider_info import get_provider_info as info; info();"
        "heavy = {'airflow', 'requests', 'aiohttp', 'boto3'};"
        "print([name for name in sys.modules if name.split('.')[0] in heavy])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_hook_is_what_the_connection_type_says() -> None:
    [connection_type] = get_provider_info()["connection-types"]

    assert connection_type["connection-type"] == WiroHook.conn_type == "wiro"
    assert connection_type["hook-name"] == WiroHook.hook_name
    assert WiroHook.default_conn_name == "wiro_default"
    assert WiroHook.conn_name_attr == "wiro_conn_id"
    assert connection_type["hook-class-name"] == f"{WiroHook.__module__}.{WiroHook.__qualname__}"


def test_the_hooks_form_and_the_metadata_are_the_same() -> None:
    [connection_type] = get_provider_info()["connection-types"]
    behaviour = connection_type["ui-field-behaviour"]

    assert WiroHook.get_ui_field_behaviour() == {
        name.replace("-", "_"): value for name, value in behaviour.items()
    }
    fields = connection_type["conn-fields"]
    assert [(name, field["label"], field["description"]) for name, field in fields.items()] == [
        (field.name, field.label, field.description) for field in connection_form.EXTRA_FIELDS
    ]
    assert {
        "websocket_url",
        "project_id",
        "connect_timeout",
        "read_timeout",
        "verify",
        "allow_insecure",
        "proxy",
    } == set(fields)


@pytest.mark.airflow
def test_the_hooks_behaviour_is_valid_for_the_airflow_that_asks_for_it() -> None:
    path = AIRFLOW / "customized_form_field_behaviours.schema.json"
    if not path.is_file():
        pytest.skip("this Airflow doesn't ask the hook")
    jsonschema.validate(WiroHook.get_ui_field_behaviour(), json.loads(path.read_text()))


@pytest.mark.airflow
@needs_old_form
def test_the_hooks_widgets_are_the_metadatas_fields() -> None:
    widgets = WiroHook.get_connection_form_widgets()
    [connection_type] = get_provider_info()["connection-types"]

    shown = {name: (field.kwargs["description"], field.args[0]) for name, field in widgets.items()}
    fields = connection_type["conn-fields"]
    assert shown == {name: (field["description"], field["label"]) for name, field in fields.items()}


def test_every_module_imports_without_a_warning() -> None:
    modules = sorted(
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if path.name not in {"__init__.py", "__main__.py"}
    )
    assert len(modules) > 40
    # Airflow and its libraries are imported first, since they warn, too.
    code = (
        "import airflow.providers.common.compat.sdk, airflow.triggers.base, importlib, warnings\n"
        "import airflow.providers.amazon.aws.hooks.s3, aiohttp.web, requests_toolbelt\n"
        "from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, BaseSensorOperator, XCom\n"
        "from airflow.providers.common.compat.sdk import AirflowFailException, PokeReturnValue\n"
        "warnings.simplefilter('error')\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )
    python(code)


def brought_by(module: str) -> set[str]:
    """
    Return the modules that importing one of this package loads beyond those that Airflow loads for any DAG.
    """
    code = (
        "import sys\n"
        "from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, XCom, DAG, conf\n"
        "from airflow.providers.common.compat.sdk import BaseSensorOperator\n"
        "import airflow.triggers.base\n"
        "before = set(sys.modules)\n"
        f"import airflow_provider_wiro.{module}\n"
        "print(*set(sys.modules) - before)\n"
    )
    return set(python(code).split())


HTTP_AND_S3 = {"boto3", "botocore", "requests", "requests_toolbelt", "urllib3", "aiohttp"}


@pytest.mark.parametrize(
    "module",
    [
        "operators.wiro",
        "operators.wiro_batch",
        "sensors.wiro",
        "transfers.wiro_to_s3",
        "links.wiro",
        "triggers.wiro",
    ],
)
def test_importing_an_operator_loads_no_http_library_and_no_boto3(module: str) -> None:
    assert not HTTP_AND_S3 & {name.partition(".")[0] for name in brought_by(module)}


@pytest.mark.parametrize("module", ["operators.wiro", "operators.wiro_batch", "sensors.wiro"])
def test_modules_that_only_a_running_task_needs_are_not_imported_earlier(module: str) -> None:
    brought = brought_by(module)

    for needless in (
        "hooks.wiro",
        "triggers.wiro",
        "api.models",
        "api.narration",
        "api.outcomes",
        "run_record",
    ):
        assert f"airflow_provider_wiro.{needless}" not in brought
