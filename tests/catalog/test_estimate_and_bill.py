"""
Estimates compared with bills: what the emulator charges lies within what the catalogue had said.

The two share no code. A third reading of the price list is below: the table of Wiro's methods, as literals.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.catalog import Model
from airflow_provider_wiro.catalog.price import estimate
from airflow_provider_wiro.emulator import Fault, ManualClock, WiroEmulator
from airflow_provider_wiro.emulator.catalog import MODELS
from airflow_provider_wiro.emulator.catalog.model import FILE_TYPES
from airflow_provider_wiro.emulator.generation.inputs import Inputs, RequestBody
from airflow_provider_wiro.emulator.generation.pricing import cost_usd
from airflow_provider_wiro.emulator.generation.rendering import Rendering, render
from airflow_provider_wiro.hooks.wiro import WiroHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_wiro.catalog.estimate import Estimate
    from airflow_provider_wiro.emulator.catalog.model import Model as EmulatedModel
    from airflow_provider_wiro.emulator.catalog.model import Parameter, Price

URL = "https://a.example/{}.png"
#: Methods whose upper end is known before the run, if the parameters say how much is made.
KNOWN_BEFORE = {
    "cpr",
    None,
    "cpo",
    "cp-pixel",
    "cp-promptlength",
    "cp-outputVideoLength",
    "cp-outputPictureCount",
}

#: US dollars by method: the price, and what the run was.
TABLE: dict[str | None, Callable[[Price, Inputs, Rendering, Decimal], Decimal]] = {
    "cpr": lambda row, run, made, seconds: usd(row.price),
    None: lambda row, run, made, seconds: usd(row.price),
    "cps": lambda row, run, made, seconds: usd(row.price) * seconds,
    "cpo": lambda row, run, made, seconds: usd(row.price) * (len(made.files) or 1),
    "cpt": lambda row, run, made, seconds: usd(row.price) * (made.answer.tokens if made.answer else 0),
    "cp-pixel": lambda row, run, made, seconds: (
        usd(row.price)
        + usd(row.extra) * (math.ceil(made.pixels / 1_048_576) - 1)
        + usd(row.per_input) * len(run.sources) * math.ceil(made.pixels / 1_048_576)
    ),
    "cp-audiosecondslength": lambda row, run, made, seconds: usd(row.price) * Decimal(str(run.audio_seconds)),
    "cp-promptlength": lambda row, run, made, seconds: usd(row.price) * len(run.text("prompt")),
    "cp-outputVideoLength": lambda row, run, made, seconds: usd(row.price) * Decimal(str(made.video_seconds)),
    "cp-outputPictureCount": lambda row, run, made, seconds: usd(row.price) * len(made.files),
    "cp-readoutput": lambda row, run, made, seconds: usd(row.price) * made.reported_units,
    "cp-realtimeturn": lambda row, run, made, seconds: usd(row.price) * made.reported_units,
}


def usd(price: float | None) -> Decimal:
    return Decimal(str(price or 0))


PRICED = [model for model in MODELS if model.prices]


def described(model: EmulatedModel) -> Model:
    """Return a model as the emulator's Tool/Detail describes it."""
    groups = [{"title": "All", "items": [item.to_json() for item in model.parameters()]}]
    rows = [price.to_json() for price in model.prices]
    return Model.from_wire({"parameters": groups, "dynamicprice": rows, "cps": model.cps})


def values_of(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Return values that a run can have for a parameter, in each form that JSON has for them."""
    if parameter.type in FILE_TYPES:
        most = 1 if parameter.type == "fileinput" else 4
        urls = st.integers(0, most).map(lambda count: [URL.format(number) for number in range(count)])
        return urls if parameter.type == "combinefileinput" else urls.map(",".join)
    if parameter.type == "select":
        options = [value for value, _ in parameter.options]
        return st.sampled_from([*options, *(int(option) for option in options if option.isdigit())])
    if parameter.type == "checkbox":
        return st.sampled_from([True, False, "true", "false"])
    if parameter.type in {"number", "range", "float"}:
        low, high = int(parameter.minimum or 1), int(parameter.maximum or 2000)
        numbers = st.integers(low, max(low, high))
        return numbers | numbers.map(str) | numbers.map(float)
    return st.text(max_size=40)


def parameters_of(model: EmulatedModel) -> st.SearchStrategy[dict[str, Any]]:
    fields = {}
    for parameter in model.parameters():
        name = parameter.url_field if parameter.type in {"fileinput", "multifileinput"} else parameter.id
        fields[name] = values_of(parameter) | st.none()
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda found: {name: value for name, value in found.items() if value is not None}
    )


#: Made once and not for each example: of a model its description, and the parameters that a run can have.
RUNS = {model.project: (described(model), parameters_of(model)) for model in PRICED}


@pytest.mark.parametrize("model", PRICED, ids=lambda model: model.project)
@given(data=st.data())
def test_every_bill_lies_within_the_estimate_and_is_what_the_table_says(
    model: EmulatedModel, data: st.DataObject
) -> None:
    description, possible = RUNS[model.project]
    parameters = data.draw(possible)
    found = estimate(description, parameters, {})
    inputs = Inputs(model, RequestBody(parameters))
    made = render(inputs)
    seconds = Decimal("6.5")
    bills = [cost_usd(inputs, made, 6.5, dearest=dearest) for dearest in (False, True)]

    assert within(found, *bills)
    fitting = [row for row in model.prices if fits(row, inputs)]
    if fitting and all(row.method in TABLE for row in fitting):
        amounts = [TABLE[row.method](row, inputs, made, seconds) for row in fitting]
        assert bills == [amounts[0], max(amounts)]
    if not fitting:
        assert not found.is_known
    if len(fitting) == 1 and fitting[0].method in {"cpr", None}:
        assert found.is_exact


def fits(row: Price, run: Inputs) -> bool:
    return all(
        run.count_files(name) == int(wanted[9:])
        if wanted.startswith("QUANTITY:")
        else run.text(name) == wanted
        for name, wanted in row.inputs.items()
    )


def within(found: Estimate, *bills: Decimal) -> bool:
    # Runs here succeed and make something. The emulator takes an emoji for one character.
    return all(
        (found.minimum_usd is None or found.minimum_usd <= bill)
        and (found.maximum_usd is None or bill <= found.maximum_usd)
        for bill in bills
    )


def test_the_emulator_has_a_model_for_each_method() -> None:
    methods = {price.method for model in PRICED for price in model.prices}
    assert methods == set(TABLE) | {"cp-frame"}


@pytest.mark.parametrize("model", PRICED, ids=lambda model: model.project)
def test_what_a_model_costs_is_known_before_exactly_where_its_method_lets_it_be(model: EmulatedModel) -> None:
    found = estimate(described(model), {"prompt": "hello"}, {"inputImageClothes": 1, "inputImage": 1})
    # These say nowhere how large a picture, how long a film or how long a list of documents is.
    says_nothing = model.project in {"image-edit-general", "Animated Logo", "AI-Resume-CV-Parser"}
    assert found.is_known == ({row.method for row in model.prices} <= KNOWN_BEFORE and not says_nothing)


@pytest.fixture(scope="module")
def wiro() -> Iterator[WiroEmulator]:
    with WiroEmulator(clock=ManualClock(), price_row="dearest", late_cost_seconds=600) as emulator:
        yield emulator


@pytest.fixture
def hook(wiro: WiroEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[WiroHook]:
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", wiro.connection)
    with WiroHook() as opened:
        yield opened


PICTURE = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(("model", "parameters", "files", "expected"), [
    ("ByteDance/seedance-pro-v1.5", {"resolution": "720p", "duration": 5, "ratio": "1:1"}, {},
     ("0.13", "0.13")),
    ("wiro/Virtual Try-On", {}, {"inputImageHuman": PICTURE, "inputImageClothes": [PICTURE, PICTURE]},
     ("0.14", "0.18")),
    ("wiro/Virtual Try-On", {}, {"inputImageHuman": URL, "inputImageClothes": [URL, PICTURE, URL]},
     ("0.18", "0.18")),
    ("wiro/omni-zero", {}, {"inputImage": PICTURE}, ("0.09", "0.18")),
    ("google/imagen-v4-fast", {"samples": 3}, {}, ("0.02", "0.06")),
    ("black-forest-labs/flux-2-flex", {"width": 2048, "height": 2048}, {"inputImage": [PICTURE]},
     ("0.07", "0.07")),
    ("black-forest-labs/flux-2-flex", {"width": 2048, "samples": 2}, {"inputImage": [PICTURE, URL]},
     ("0.05", "0.1")),
    ("ByteDance/seedream-v4-5", {"maxImages": 4}, {}, ("0.04", "0.16")),
    ("klingai/kling-v3", {"negativePrompt": "", "multiPrompt": "", "duration": "10", "ratio": "1:1",
                          "multiShot": "false", "inputImage": ""}, {}, ("0.04", "0.44")),
    ("resemble-ai/chatterbox-turbo", {"prompt": "çok güzel"}, {}, ("0.00018", "0.00018")),
    ("wiro/wan-text-to-image", {}, {}, ("0.014", "0.014")),
    ("wiro/Face-Swap", {}, {"inputImage": PICTURE}, ("0.045", "0.045")),
    ("wiro/text-to-image-flux", {}, {}, (None, None)),
    ("openai/gpt-5-nano", {}, {}, (None, None)),
    ("elevenlabs/speech-to-text", {}, {"inputAudio": "data:audio/wav;base64,UklGRg=="}, (None, None)),
    ("wiro/rag-chat-github", {}, {}, (None, None)),
    ("pruna/p-video", {}, {}, (None, None)),
])  # fmt: skip
def test_a_run_of_each_way_of_billing_costs_what_was_estimated(
    wiro: WiroEmulator,
    hook: WiroHook,
    model: str,
    parameters: dict[str, Any],
    files: dict[str, Any],
    expected: tuple[str | None, str | None],
) -> None:
    parameters = {"prompt": "a robot", **parameters}
    found = hook.estimate(model, parameters, files)
    shown = found.to_json()
    assert (shown["min_usd"], shown["max_usd"]) == expected

    run = hook.run_model(model, parameters, files)
    wiro.advance(120)
    early = hook.get_task(run.wiro_task_id)
    wiro.advance(600)
    task = hook.get_task(run.wiro_task_id)
    assert task.has_succeeded
    assert early.cost_usd is None
    assert task.cost_usd is not None
    assert within(found, Decimal(task.cost_usd))


def test_a_task_that_is_killed_is_charged_at_most_what_was_estimated(
    wiro: WiroEmulator, hook: WiroHook
) -> None:
    found = hook.estimate("google/imagen-v4-fast", {"prompt": "x", "samples": 2})
    wiro.inject(Fault("billed_kill"))
    run = hook.run_model("google/imagen-v4-fast", {"prompt": "x", "samples": 2})
    wiro.advance(5)
    hook.kill_task(run.wiro_task_id)
    wiro.advance(600)
    cost = hook.get_task(run.wiro_task_id).cost_usd
    assert cost is not None
    assert found.maximum_usd is not None
    assert 0 < Decimal(cost) <= found.maximum_usd
