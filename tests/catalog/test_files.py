"""Files go to parameters that take them, as many as those take, and none is named that Wiro can't fetch."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.schema.findings import Findings
from tests.catalog.schemas import item, model_of

MODEL = model_of(
    item("inputImage", "fileinput"),
    item("references", "multifileinput"),
    item("clothes", "combinefileinput"),
    item("hologram", "hologram"),
    item("prompt", "textarea"),
    item("schema", "jsonschema"),
)
URL, OTHER = "https://a.example/1.png", "https://a.example/2.png"


def check(parameters: dict[str, Any], files: dict[str, int] | None = None) -> Findings:
    return check_run(MODEL, parameters, files or {}, mode="warn")


@pytest.mark.parametrize("name", ["references", "clothes", "hologram", "hologramUrl", "clothesUrl"])
def test_several_files_go_to_a_parameter_that_takes_them(name: str) -> None:
    assert check({}, {name: 12}) == Findings()


@pytest.mark.parametrize("name", ["inputImage", "inputImageUrl"])
def test_several_files_are_too_many_for_one_place(name: str) -> None:
    assert check({}, {name: 1}) == Findings()
    assert check({}, {name: 3}).refusals == ("File parameter 'inputImage' takes one file, found 3.",)


def test_several_urls_are_too_many_for_one_place() -> None:
    assert check({"inputImage": [URL]}) == Findings()
    assert check({"inputImage": [URL, OTHER]}).refusals == (
        "File parameter 'inputImage' takes one file, found 2.",
    )
    for name in ("references", "clothes"):
        assert check({name: [URL, OTHER]}) == Findings()
    assert check({"referencesUrl": f"{URL},{OTHER}"}) == Findings()


def test_one_place_given_under_both_names_is_a_warning() -> None:
    assert check({"inputImage": "", "inputImageUrl": URL}) == Findings()
    assert check({"inputImage": URL, "inputImageUrl": OTHER}).warnings == (
        "File parameter 'inputImage' takes one file, found 2.",
    )


@pytest.mark.parametrize("name", ["references", "clothes", "inputImage"])
def test_urls_in_parameters_beside_files_are_a_warning_since_they_are_not_sent(name: str) -> None:
    result = check({name: URL}, {name: 1})
    assert result.refusals == ()
    assert result.warnings == (
        f"File parameter '{name}' is given in `files` and in `parameters`: only what is in `files` is sent.",
    )


@pytest.mark.parametrize("name", ["prompt", "schema"])
def test_a_file_for_a_parameter_that_takes_none_is_refused(name: str) -> None:
    assert check({}, {name: 1}).refusals == (
        f"Parameter '{name}' takes no file. Give its value in `parameters`, not in `files`.",
    )


def test_a_file_under_an_unknown_name_is_refused_as_the_run_would_be() -> None:
    assert check({}, {"image": 1}).refusals == (
        "The model has no file parameter 'image'. Did you mean 'inputImage'?",
    )
    assert check({}, {"sound": 1}).refusals == (
        "The model has no file parameter 'sound'. It has 'inputImage', 'references', 'clothes'.",
    )


def test_no_files_under_a_name_are_no_problem() -> None:
    assert check({}, {"prompt": 0, "unknown": 0}) == Findings()


@pytest.mark.parametrize("name", ["inputImage", "inputImageUrl", "references", "clothes"])
@pytest.mark.parametrize(
    "path",
    [
        "/data/cat.png",
        "./cat.png",
        "../cat.png",
        "~/cat.png",
        r"C:\cat.png",
        r"\\nas\cat.png",
        "file:///cat.png",
    ],
)
def test_a_local_path_is_pointed_out(name: str, path: str) -> None:
    assert check({name: path}).refusals == (
        f"Parameter '{name}' is the path of a file, {path!r}: Wiro would get only this text. To send the "
        f"file, give it in `files`: {{'{name}': …}}.",
    )


@pytest.mark.parametrize("scheme", ["s3", "gs", "ftp", "S3"])
def test_a_uri_that_wiro_cannot_read_is_pointed_out(scheme: str) -> None:
    assert check({"references": [URL, f"{scheme}://bucket/cat.png?secret"]}).refusals == (
        f"Parameter 'references' is a {scheme}:// URI, which Wiro can't read. Give it in `files`: "
        "{'references': …}.",
    )


def test_each_of_several_urls_in_one_text_is_checked() -> None:
    result = check({"referencesUrl": f"{URL}, /data/cat.png,{OTHER},"})
    assert len(result.refusals) == 1
    assert "'/data/cat.png'" in result.refusals[0]


@pytest.mark.parametrize("value", [URL, f" {URL} ", "HTTP://a.example", "//cdn.example/1.png", "cat.png", ""])
def test_what_may_be_a_url_is_sent(value: str) -> None:
    assert check({"inputImage": value}) == Findings()


@pytest.mark.parametrize("value", [5, True, {"url": URL}, [[URL]], 0.5])
def test_what_is_no_url_is_refused(value: Any) -> None:
    (refusal,) = check({"clothes": value}).refusals
    assert refusal.startswith("Parameter 'clothes' takes the URL of a file, found ")
    assert refusal.endswith("Other files belong into `files`.")


def test_the_default_of_a_file_is_right_whatever_it_is() -> None:
    model = model_of(item("inputImage", "fileinput", default="/sampleinputs/cat.png", required=True))
    result = check_run(model, {"inputImage": "/sampleinputs/cat.png"}, {}, mode="strict")
    assert result == Findings()
