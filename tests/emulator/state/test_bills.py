"""What a run costs, by each method of counting of Wiro's price lists."""

from __future__ import annotations

import io
import wave
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from airflow_provider_wiro.emulator import Fault

if TYPE_CHECKING:
    from tests.emulator.conftest import Client, StartEmulator

URL = "https://a.example/"


async def bill(wiro: Client, model: str, body: dict[str, Any]) -> Decimal:
    return Decimal((await wiro.finish(model, {"prompt": "x", **body}))["totalcost"])


@pytest.mark.parametrize(("model", "body", "usd"), [
    # cpr: rows by resolution and duration, by booleans, by the number of files
    ("ByteDance/seedance-pro-v1.5", {"resolution": "480p", "duration": "5", "ratio": "1:1"}, "0.06"),
    ("ByteDance/seedance-pro-v1.5", {"resolution": "720p", "duration": 5, "ratio": "1:1"}, "0.13"),
    ("ByteDance/seedance-pro-v1.5", {"resolution": "1080p", "duration": "10", "ratio": "1:1"}, "0.58"),
    ("ByteDance/seedance-pro-v1.5", {"resolution": "720p", "duration": "5", "ratio": "1:1"}, "0.13"),
    ("wiro/wan-text-to-image", {"promptExtend": False}, "0.013"),
    ("wiro/wan-text-to-image", {"promptExtend": "true"}, "0.014"),
    ("wiro/wan-text-to-image", {}, "0.014"),
    ("wiro/virtual-try-on", {"inputImageHuman": URL, "inputImageClothes": [URL]}, "0.09"),
    ("wiro/virtual-try-on", {"inputImageHuman": URL, "inputImageClothes": [URL, URL]}, "0.14"),
    # no method
    ("wiro/face-swap", {"inputImage": URL}, "0.045"),
    # cps: in the list, and without one
    ("wiro/text-to-image-flux", {}, "0.0475"),
    ("retroAIx/Retro-Cartoons", {"width": 64, "height": 64}, "0.00351"),
    ("google/imagen-v4-fast", {"samples": 4}, "0.08"),
    ("google/imagen-v4-fast", {}, "0.02"),
    ("black-forest-labs/flux-2-flex", {}, "0.02"),
    ("black-forest-labs/flux-2-flex", {"width": 2048, "height": "1024"}, "0.03"),
    ("black-forest-labs/flux-2-flex", {"width": 2048, "height": 2048, "inputImage": URL}, "0.07"),
    ("resemble-ai/chatterbox-turbo", {"prompt": "x" * 500}, "0.01"),
    ("wiro/animated-logo", {"inputImage": URL, "effectType": "spin"}, "0.2"),
    ("ByteDance/seedream-v4-5", {"maxImages": 3}, "0.12"),
    ("pruna/p-video", {}, "0.08"),
])  # fmt: skip
async def test_a_run_costs_what_its_row_of_the_price_list_says(
    wiro: Client, model: str, body: dict[str, Any], usd: str
) -> None:
    assert await bill(wiro, model, body) == Decimal(usd)


def sound(seconds: float) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(1)
        written.setframerate(8000)
        written.writeframes(bytes(round(8000 * seconds)))
    return file.getvalue()


async def test_the_seconds_of_all_input_sounds_are_billed(wiro: Client) -> None:
    form = aiohttp.FormData({"inputAudioUrl": ""})
    for seconds in (12.5, 7.5):
        form.add_field("inputAudio", sound(seconds), filename="a.wav", content_type="audio/wav")
    task = await wiro.finish("elevenlabs/speech-to-text", data=form)
    assert Decimal(task["totalcost"]) == Decimal("0.002")


async def test_a_sound_that_was_uploaded_before_is_billed_by_its_length(wiro: Client) -> None:
    form = aiohttp.FormData()
    form.add_field("file", sound(20), filename="a.wav", content_type="audio/wav")
    (stored,) = (await wiro("File/Upload", data=form))["list"]
    assert await bill(wiro, "elevenlabs/speech-to-text", {"inputAudioUrl": stored["url"]}) == Decimal("0.002")


async def test_tokens_are_billed_as_the_answer_counts_them(wiro: Client) -> None:
    task = await wiro.finish("openai/gpt-5-nano", {"prompt": "Why?"})
    tokens = task["outputs"][0]["content"]["usage"]["total_tokens"]
    assert Decimal(task["totalcost"]) == tokens * Decimal("0.0000004")


@pytest.mark.parametrize(("model", "unit"), [
    ("wiro/rag-chat-github", "0.002"), ("nvidia/personaplex-realtime", "0.003"),
])  # fmt: skip
async def test_what_a_model_reports_is_billed_and_differs_from_run_to_run(
    wiro: Client, model: str, unit: str
) -> None:
    costs = [await bill(wiro, model, {"prompt": f"question {number}"}) for number in range(8)]
    assert all(cost % Decimal(unit) == 0 and cost > 0 for cost in costs)
    assert len(set(costs)) > 1


@pytest.mark.parametrize(("model", "body", "usd"), [
    ("google/imagen-v4-fast", {"samples": 4}, "0.02"),
    ("ByteDance/seedream-v4-5", {"maxImages": 3}, "0"),
    ("wiro/animated-logo", {"inputImage": URL, "effectType": "spin"}, "0"),
    ("wiro/wan-text-to-image", {}, "0.014"),
])  # fmt: skip
async def test_a_success_without_outputs_is_billed_once_or_by_what_there_is(
    wiro: Client, model: str, body: dict[str, Any], usd: str
) -> None:
    wiro.emulator.inject(Fault("no_outputs"))
    assert await bill(wiro, model, body) == Decimal(usd)


async def test_more_outputs_than_the_parameters_ask_for_are_all_billed(wiro: Client) -> None:
    wiro.emulator.inject(Fault("big_output", bytes=10, outputs=7))
    assert await bill(wiro, "google/imagen-v4-fast", {}) == Decimal("0.14")


@pytest.mark.parametrize(("row", "usd"), [("first", "0.09"), ("dearest", "0.18")])
async def test_of_several_rows_that_fit_the_first_or_the_dearest_is_billed(
    start_emulator: StartEmulator, row: str, usd: str
) -> None:
    body = {"inputImageHuman": URL, "inputImageClothes": [URL]}
    async with start_emulator(price_row=row) as wiro:
        assert await bill(wiro, "wiro/virtual-try-on", body) == Decimal(usd)


@pytest.mark.parametrize("bills", [True, False])
async def test_a_task_killed_while_it_runs_costs_nothing_or_its_price(
    start_emulator: StartEmulator, bills: bool
) -> None:
    async with start_emulator(bill_killed=bills) as wiro:
        task_id = await wiro.run("google/imagen-v4-fast", {"prompt": "x", "samples": 2})
        wiro.emulator.advance(5)
        assert (await wiro("Task/Kill", {"taskid": task_id}))["result"] is True
        assert Decimal((await wiro.detail(task_id))["totalcost"]) == (Decimal("0.04") if bills else 0)


@pytest.mark.parametrize(
    "model", ["google/imagen-v4-fast", "wiro/wan-text-to-image", "ByteDance/seedream-v4-5"]
)
async def test_a_failed_run_and_one_cancelled_in_the_queue_cost_nothing(wiro: Client, model: str) -> None:
    wiro.emulator.inject(Fault("exit_code", exit_code="1"))
    assert await bill(wiro, model, {}) == 0
    task_id = await wiro.run(model, {"prompt": "x"})
    assert (await wiro("Task/Cancel", {"taskid": task_id}))["result"] is True
    assert Decimal((await wiro.detail(task_id))["totalcost"]) == 0


async def test_a_cost_that_is_recorded_late_is_the_same_cost(start_emulator: StartEmulator) -> None:
    async with start_emulator(late_cost_seconds=300) as wiro:
        assert await bill(wiro, "ByteDance/seedream-v4-5", {}) == 0
        wiro.emulator.advance(300)
        (task,) = (await wiro("Task/List", {}))["tasklist"]
        assert Decimal(task["totalcost"]) == Decimal("0.04")
