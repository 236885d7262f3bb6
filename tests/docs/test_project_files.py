"""What else stands at the root of the project says what is true: package metadata, CI, hooks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import yaml
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from trove_classifiers import classifiers

from airflow_provider_wiro import __version__
from airflow_provider_wiro.get_provider_info import get_provider_info
from airflow_provider_wiro.transport.connection import USER_AGENT
from tests.airflow_home import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"


@pytest.fixture(scope="module")
def metadata() -> ProjectMetadata[Any]:
    return ProjectMetadata(str(ROOT), PluginManager())


def read(path: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def commands(workflow: dict[str, Any]) -> Iterator[str]:
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "run" in step:
                yield step["run"]


def test_the_version_stands_in_one_place(metadata: ProjectMetadata[Any]) -> None:
    assert metadata.version == __version__
    assert f"airflow-provider-wiro/{__version__}" == USER_AGENT
    assert "[project]\nversion" not in (ROOT / "pyproject.toml").read_text()


def test_the_long_description_has_no_link_into_the_repository(metadata: ProjectMetadata[Any]) -> None:
    links = re.findall(r"\]\(([^)]*)\)", metadata.core.readme)

    assert metadata.core.readme.startswith("# ")
    assert [link for link in links if not link.startswith("https://")] == []


def test_every_address_of_the_package_is_wiros_own(metadata: ProjectMetadata[Any]) -> None:
    urls = metadata.core.urls

    assert {urlsplit(url).hostname for url in urls.values()} == {"wiro.ai"}
    # Airflow's UI links its page of providers to this one.
    assert urls["Documentation"] == get_provider_info()["integrations"][0]["external-doc-url"]


def test_the_classifiers_exist_and_name_the_pythons_that_ci_runs(metadata: ProjectMetadata[Any]) -> None:
    pythons = read(WORKFLOW)["jobs"]["test"]["strategy"]["matrix"]["python"]
    stated = [it.rpartition(" ")[2] for it in metadata.core.classifiers if "Python :: 3." in it]

    assert set(metadata.core.classifiers) <= classifiers
    assert stated == pythons


@pytest.mark.skipif((ROOT / "PKG-INFO").exists(), reason="the source distribution leaves the lock files out")
def test_ci_runs_every_airflow_of_the_matrix() -> None:
    locks = {path.stem.removeprefix("airflow-") for path in (ROOT / "tests").rglob("airflow-*.lock")}

    assert set(read(WORKFLOW)["jobs"]["airflow"]["strategy"]["matrix"]["airflow"]) == locks


def test_ci_runs_make_targets_that_there_are_with_variables_they_take() -> None:
    for command in commands(read(WORKFLOW)):
        make, target, *_ = command.split()
        assert make == "make"
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
        assert [name for name in re.findall(r"(\w+)=", command) if name not in MAKEFILE] == []


def test_ci_pins_each_action_to_a_version() -> None:
    used = re.findall(r"uses: (\S+)", WORKFLOW.read_text())

    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)


def test_the_hooks_before_a_commit_are_tools_of_make_lint() -> None:
    [repository] = read(HOOKS)["repos"]
    tools = {hook["entry"].removeprefix(".venv/bin/").removesuffix(" --fix") for hook in repository["hooks"]}
    lint = MAKEFILE.replace("$(BIN)/", "")

    assert repository["repo"] == "local"
    assert [tool for tool in tools if tool not in lint] == []
