"""How files are sent for each kind of parameter."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from airflow_provider_wiro.api.catalog import ModelParameter
from airflow_provider_wiro.api.parameters import Body, FileContent, FileUrl, FileValue, run_body
from airflow_provider_wiro.exceptions import WiroUsageError

CAT = FileContent("cat.png", "image/png", 3, lambda: io.BytesIO(b"cat"))
DOG = FileContent("dog.png", "image/png", 3, lambda: io.BytesIO(b"dog"))
URL, OTHER = FileUrl("https://a.example/1.png"), FileUrl("https://a.example/2.png")


def _known(kind: str, name: str = "inputImage") -> list[ModelParameter]:
    return [ModelParameter("prompt", "textarea"), ModelParameter(name, kind)]


def _json(body: Body) -> Any:
    assert body.form == ()
    assert body.json is not None
    return json.loads(body.json)


@pytest.mark.parametrize(
    ("kind", "files", "sent"),
    [
        ("fileinput", [CAT], (("inputImage", CAT), ("inputImageUrl", ""))),
        ("multifileinput", [CAT], (("inputImage", CAT), ("inputImageUrl", ""))),
        (
            "multifileinput",
            [CAT, DOG],
            (("inputImage", CAT), ("inputImage", DOG), ("inputImageUrl", "")),
        ),
        (
            "multifileinput",
            [URL, CAT, OTHER],
            (("inputImage", CAT), ("inputImageUrl", "https://a.example/1.png,https://a.example/2.png")),
        ),
        ("combinefileinput", [CAT], (("inputImage", CAT),)),
        (
            "combinefileinput",
            [URL, CAT, OTHER],
            (
                ("inputImage", "https://a.example/1.png"),
                ("inputImage", CAT),
                ("inputImage", "https://a.example/2.png"),
            ),
        ),
    ],
)
def test_file_contents_are_sent_as_their_kind_asks(
    kind: str, files: list[FileValue], sent: tuple[object, ...]
) -> None:
    assert run_body({}, {"inputImage": files}, _known(kind)) == Body(form=sent)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "files", "sent"),
    [
        ("fileinput", [URL], {"inputImage": "", "inputImageUrl": "https://a.example/1.png"}),
        ("multifileinput", [URL], {"inputImage": "", "inputImageUrl": "https://a.example/1.png"}),
        (
            "multifileinput",
            [URL, OTHER],
            {"inputImage": "", "inputImageUrl": "https://a.example/1.png,https://a.example/2.png"},
        ),
        ("combinefileinput", [URL], {"inputImage": ["https://a.example/1.png"]}),
        (
            "combinefileinput",
            [URL, OTHER],
            {"inputImage": ["https://a.example/1.png", "https://a.example/2.png"]},
        ),
    ],
)
def test_urls_alone_are_sent_as_json_as_their_kind_asks(
    kind: str, files: list[FileValue], sent: dict[str, object]
) -> None:
    assert _json(run_body({}, {"inputImage": files}, _known(kind))) == sent


def test_a_url_of_one_parameter_is_sent_beside_the_content_of_another() -> None:
    known = [ModelParameter("inputImage", "fileinput"), ModelParameter("inputMask", "fileinput")]
    assert run_body({"steps": 4}, {"inputImage": [URL], "inputMask": [CAT]}, known).form == (
        ("steps", "4"),
        ("inputImage", ""),
        ("inputImageUrl", "https://a.example/1.png"),
        ("inputMask", CAT),
        ("inputMaskUrl", ""),
    )


def test_urls_of_a_multifileinput_beside_another_files_content_have_the_empty_field() -> None:
    known = [ModelParameter("inputImage", "fileinput"), ModelParameter("inputDocs", "multifileinput")]
    assert run_body({}, {"inputImage": [CAT], "inputDocs": [URL, OTHER]}, known).form == (
        ("inputImage", CAT),
        ("inputImageUrl", ""),
        ("inputDocs", ""),
        ("inputDocsUrl", "https://a.example/1.png,https://a.example/2.png"),
    )


@pytest.mark.parametrize("kind", ["fileinput", "multifileinput"])
@pytest.mark.parametrize(("given", "partner"), [("inputDocs", "inputDocsUrl"), ("inputDocsUrl", "inputDocs")])
def test_urls_in_the_parameters_have_the_empty_field_too(kind: str, given: str, partner: str) -> None:
    known = [ModelParameter("inputImage", "combinefileinput"), ModelParameter("inputDocs", kind)]
    assert run_body({given: URL.url}, {"inputImage": [CAT]}, known).form == (
        (given, URL.url),
        (partner, ""),
        ("inputImage", CAT),
    )


def test_beside_a_file_a_list_of_objects_is_one_field_of_json_text() -> None:
    messages = [{"role": "user", "content": "İyi günler"}, {"role": "assistant", "content": [1, None]}]
    form = run_body({"messages": messages, "tools": [], "tags": ["a", "b"]}, {"inputImage": [CAT]}).form

    assert form == (
        ("messages", json.dumps(messages, ensure_ascii=False)),
        ("tools", "[]"),
        ("tags", "a"),
        ("tags", "b"),
        ("inputImage", CAT),
        ("inputImageUrl", ""),
    )


def test_without_knowing_the_model_one_file_is_a_fileinput_and_several_a_multifileinput() -> None:
    assert run_body({}, {"inputImage": [CAT]}).form == (("inputImage", CAT), ("inputImageUrl", ""))
    assert run_body({}, {"inputImage": [CAT, DOG]}).form == (
        ("inputImage", CAT),
        ("inputImage", DOG),
        ("inputImageUrl", ""),
    )


@pytest.mark.parametrize("kind", ["imageinput", "fileInput", ""])
def test_a_file_for_a_parameter_of_an_unknown_kind_is_sent_in_the_usual_form(kind: str) -> None:
    known = (ModelParameter("inputVideo", kind), ModelParameter("prompt", "textarea"))
    assert run_body({}, {"inputVideo": [CAT]}, known).form == (("inputVideo", CAT), ("inputVideoUrl", ""))
    with pytest.raises(WiroUsageError, match=r"no file parameter 'prompt'. Its file parameters: inputVideo"):
        run_body({}, {"prompt": [CAT]}, known)


@pytest.mark.parametrize("known", [(), _known("fileinput")])
def test_input_image_url_means_input_image(known: list[ModelParameter]) -> None:
    assert run_body({}, {"inputImageUrl": [CAT]}, known) == run_body({}, {"inputImage": [CAT]}, known)
    assert _json(run_body({}, {"inputImageUrl": [URL]}, known)) == {
        "inputImage": "",
        "inputImageUrl": "https://a.example/1.png",
    }


def test_a_parameter_called_nothing_but_url_keeps_its_name() -> None:
    assert run_body({}, {"Url": [CAT, DOG]}).form == (("Url", CAT), ("Url", DOG), ("UrlUrl", ""))


def test_a_file_parameter_whose_name_ends_in_url_is_found() -> None:
    known = _known("combinefileinput", "inputImageUrl")
    assert run_body({}, {"inputImageUrl": [CAT]}, known).form == (("inputImageUrl", CAT),)


def test_a_file_replaces_a_parameter_of_its_name() -> None:
    parameters = {"inputImage": "old", "inputImageUrl": "https://old.example", "steps": 4}
    assert run_body(parameters, {"inputImage": [CAT]}).form == (
        ("steps", "4"),
        ("inputImage", CAT),
        ("inputImageUrl", ""),
    )
    assert _json(run_body(parameters, {"inputImage": [URL]}))["inputImageUrl"] == "https://a.example/1.png"


def test_a_parameter_without_files_is_left_out() -> None:
    for kind in ("fileinput", "multifileinput", "combinefileinput"):
        assert _json(run_body({}, {"inputImage": []}, _known(kind))) == {}


@pytest.mark.parametrize("kind", ["imageinput", "filesinput", "multiselectfile", "", "json"])
def test_several_files_for_a_parameter_of_an_unknown_kind_are_sent_in_the_usual_form(kind: str) -> None:
    for files in ([CAT], [URL], [CAT, URL]):
        assert run_body({}, {"inputImage": files}, _known(kind)) == run_body({}, {"inputImage": files})  # type: ignore[dict-item]


def test_a_kind_is_recognized_in_any_case() -> None:
    files = {"inputImage": [URL]}
    assert run_body({}, files, _known("combineFileInput")) == run_body({}, files, _known("combinefileinput"))


def test_an_unknown_file_parameter_is_named_together_with_the_known_ones() -> None:
    known = [*_known("fileinput"), ModelParameter("inputAudio", "multifileinput")]
    with pytest.raises(WiroUsageError, match=r"no file parameter 'picture'.*: inputAudio, inputImage\.$"):
        run_body({}, {"picture": [CAT]}, known)
    with pytest.raises(WiroUsageError, match=r"no file parameter 'prompt'. Its file parameters: none\.$"):
        run_body({}, {"prompt": [CAT]}, [ModelParameter("prompt", "textarea")])


def test_a_fileinput_takes_one_file() -> None:
    with pytest.raises(WiroUsageError, match="'inputImage' takes one file, found 2"):
        run_body({}, {"inputImage": [CAT, URL]}, _known("fileinput"))


def test_a_file_parameter_given_under_both_its_names_is_refused() -> None:
    with pytest.raises(WiroUsageError, match="'inputImage' is given twice"):
        run_body({}, {"inputImage": [CAT], "inputImageUrl": [URL]})


def test_a_url_with_a_comma_is_refused_in_a_list_of_urls() -> None:
    comma = FileUrl("https://a.example/1,2.png")
    with pytest.raises(WiroUsageError, match="%2C"):
        run_body({}, {"inputImage": [comma, URL]}, _known("multifileinput"))
    assert _json(run_body({}, {"inputImage": [comma]}, _known("fileinput")))["inputImageUrl"] == comma.url
    assert _json(run_body({}, {"inputImage": [comma]}, _known("combinefileinput"))) == {
        "inputImage": [comma.url]
    }
