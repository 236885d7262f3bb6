"""The upper end of an estimate is never below a bill: a budget relies on it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.catalog import Model
from airflow_provider_wiro.catalog.price import estimate
from tests.catalog.schemas import item, model_of

if TYPE_CHECKING:
    from airflow_provider_wiro.catalog.estimate import Estimate

SAMPLES = item("samples", "number", default="1")
SIZE = (item("width", "number", default="1024"), item("height", "number", default="1024"))
DURATION = item("duration", "number", default="5")
PROMPT = item("prompt", "textarea")
URL = "https://a.example/1.png"
SAMPLE_PICTURE = "https://cdn1.wiro.ai/sampleinputs/1.png"


PER_OUTPUT = [{"inputs": {}, "price": 0.01, "priceMethod": "cpo"}]
BY_PIXELS = [{"price": 0.02, "priceMethod": "cp-pixel", "priceExtra": 0.01, "priceInput": 0.005}]
BY_QUANTITY = [
    {"inputs": {}, "price": 0.01},
    {"inputs": {"images": "QUANTITY:1"}, "price": 0.05},
    {"inputs": {"images": "QUANTITY:2"}, "price": 0.02},
]
PER_CHARACTER = [{"price": "0.00002", "priceMethod": "cp-promptlength"}]
PER_SECOND = [{"price": 0.04, "priceMethod": "cp-outputVideoLength"}]


def priced(rows: list[dict[str, Any]], *items: dict[str, Any], **run: Any) -> Estimate:
    model = model_of(*items, dynamicprice=json.dumps(rows))
    return estimate(model, run.get("parameters", {}), run.get("files", {}))


def costs_up_to(found: Estimate, usd: str) -> bool:
    return found.maximum_usd is None or found.maximum_usd >= Decimal(usd)


class TestOutputs:
    @pytest.mark.parametrize("name", ["batchCount", "numBatches", "n_iterations", "repeats", "gridImages"])
    def test_what_perhaps_counts_outputs_too_multiplies(self, name: str) -> None:
        found = priced(PER_OUTPUT, SAMPLES, item(name, "number", default="4"))
        assert (found.minimum_usd, found.maximum_usd) == (Decimal("0.01"), Decimal("0.04"))
        assert f"`samples` and `{name}` ask for up to 4" in found.note

    @pytest.mark.parametrize(
        "name", ["steps", "numInferenceSteps", "seed", "numFrames", "numBeams", "max_tokens", "guidanceScale"]
    )
    def test_what_counts_something_else_does_not(self, name: str) -> None:
        found = priced(PER_OUTPUT, SAMPLES, item(name, "number", default="40"))
        assert found.maximum_usd == Decimal("0.01")

    def test_each_of_several_files_may_give_an_output(self) -> None:
        pictures = item("images", "multifileinput")
        assert priced(PER_OUTPUT, SAMPLES, pictures, files={"images": 5}).maximum_usd == Decimal("0.05")
        assert priced(PER_OUTPUT, SAMPLES, pictures, files={"images": 1}).is_exact

    @pytest.mark.parametrize("prompts", [["a", "b", "c"], '["a", "b", "c"]'])
    def test_each_of_several_prompts_may_give_an_output(self, prompts: Any) -> None:
        found = priced(PER_OUTPUT, SAMPLES, item("prompts", "textarea"), parameters={"prompts": prompts})
        assert found.maximum_usd == Decimal("0.03")


class TestPixels:
    @pytest.mark.parametrize(
        ("kind", "name", "value", "usd"),
        [
            ("imageinput", "inputImage", URL, "0.025"),
            ("text", "inputImageUrl", URL, "0.025"),
            ("gallery", "references", [URL, URL], "0.03"),
            ("gallery", "references", [{"url": URL}], "0.025"),
            ("gallery", "references", f"{URL},{URL}", "0.03"),
        ],
    )
    def test_a_url_in_a_parameter_of_an_open_type_may_be_a_picture(
        self, kind: str, name: str, value: Any, usd: str
    ) -> None:
        found = priced(BY_PIXELS, *SIZE, item(name, kind), parameters={name: value})
        assert (found.minimum_usd, found.maximum_usd) == (Decimal("0.02"), Decimal(usd))

    def test_a_url_for_a_model_without_a_schema_may_be_a_picture(self) -> None:
        model = Model.from_wire({"parameters": None, "dynamicprice": BY_PIXELS})
        values = {"width": 1024, "height": 1024, "inputImage": URL}
        assert estimate(model, values, {}).maximum_usd == Decimal("0.025")
        assert estimate(model, values | {"inputImage": ""}, {}).is_exact
        assert estimate(model, values | {"inputImage": "", "callbackUrl": URL}, {}).is_exact

    def test_a_default_picture_may_count(self) -> None:
        picture = item("inputImage", "fileinput", default=SAMPLE_PICTURE)
        found = priced(BY_PIXELS, *SIZE, picture)
        assert (found.minimum_usd, found.maximum_usd) == (Decimal("0.02"), Decimal("0.025"))
        assert priced(BY_PIXELS, *SIZE, picture, files={"inputImage": 1}).is_exact

    @pytest.mark.parametrize("name", ["outscale", "highres_scale", "hiresFactor", "upscaler"])
    def test_what_perhaps_enlarges_leaves_no_upper_end(self, name: str) -> None:
        assert not priced(BY_PIXELS, *SIZE, item(name, default="2")).is_known
        assert priced(BY_PIXELS, *SIZE, item(name, "checkbox", default="false")).is_exact


class TestFiles:
    def test_a_default_file_may_count(self) -> None:
        found = priced(BY_QUANTITY, item("images", "fileinput", default=SAMPLE_PICTURE))
        assert found.maximum_usd == Decimal("0.05")

    @pytest.mark.parametrize("value", [["https://a.example/1,2.png"], "data:image/png;base64,iVBORw0KGgo="])
    def test_a_comma_may_belong_to_a_url(self, value: Any) -> None:
        found = priced(BY_QUANTITY, item("images", "multifileinput"), parameters={"images": value})
        assert (found.minimum_usd, found.maximum_usd) == (Decimal("0.01"), Decimal("0.05"))


class TestPrompts:
    @pytest.mark.parametrize("prompt", [" " * 500, "\0" * 500, "\n" * 500])
    @pytest.mark.parametrize("default", [None, "y" * 100])
    def test_characters_that_show_nothing_may_count(self, prompt: str, default: str | None) -> None:
        text = item("prompt", "textarea", default=default)
        assert costs_up_to(priced(PER_CHARACTER, text, parameters={"prompt": prompt}), "0.01")


class TestVideos:
    @pytest.mark.parametrize(
        "name", ["videoLength", "max_duration_seconds", "durationMs", "loops", "extendSeconds", "minutes"]
    )
    def test_what_perhaps_lengthens_leaves_no_upper_end(self, name: str) -> None:
        assert costs_up_to(priced(PER_SECOND, DURATION, item(name, "number", default="60")), "2.4")

    @pytest.mark.parametrize("name", ["inputVideo", "inputAudio", "voice", "file", "inputImageOrVideo"])
    @pytest.mark.parametrize("kind", ["fileinput", "combinefileinput", "videoinput"])
    def test_a_film_can_be_as_long_as_what_it_is_made_of(self, name: str, kind: str) -> None:
        media = item(name, kind)
        assert not priced(PER_SECOND, DURATION, media, files={name: 1}).is_known
        assert not priced(PER_SECOND, DURATION, media, parameters={name: URL}).is_known
        assert priced(PER_SECOND, DURATION, media).is_known

    @pytest.mark.parametrize("name", ["inputImage", "firstFrame", "startPicture"])
    def test_a_picture_has_no_length(self, name: str) -> None:
        assert priced(PER_SECOND, DURATION, item(name, "fileinput"), files={name: 1}).is_known

    @pytest.mark.parametrize("shots", [[{"prompt": "a", "duration": 10}], '[{"duration": 10}]'])
    def test_a_list_of_shots_leaves_no_upper_end(self, shots: Any) -> None:
        multi = item("multiPrompt", "textarea")
        assert not priced(PER_SECOND, DURATION, multi, parameters={"multiPrompt": shots}).is_known
        assert priced(PER_SECOND, DURATION, multi, parameters={"multiPrompt": ""}).is_known

    @pytest.mark.parametrize("name", ["fps", "frameRate", "maxPromptLength", "guidanceScale", "seed"])
    def test_what_says_nothing_of_the_length_leaves_the_upper_end(self, name: str) -> None:
        assert priced(PER_SECOND, DURATION, item(name, "number", default="24")).is_known
