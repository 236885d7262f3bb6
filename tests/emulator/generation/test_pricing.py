"""The known bills of Wiro's price lists, one by one."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_wiro.emulator.catalog.billing import IMAGEN
from airflow_provider_wiro.emulator.catalog.model import Model, Parameter, Price
from airflow_provider_wiro.emulator.generation.inputs import Inputs, RequestBody
from airflow_provider_wiro.emulator.generation.pricing import cost_usd
from airflow_provider_wiro.emulator.generation.rendering import RenderedFile, Rendering
from airflow_provider_wiro.emulator.media.prose import Answer

FILES = tuple(RenderedFile(f"{index}.png", "image/png", bytes) for index in range(4))
CLOTHES = Parameter("inputImageClothes", "combinefileinput")
#: 84 tokens in, 21 out, of four characters each.
ANSWER = Answer("p" * 336, ("",), ("a" * (84 - len("<think></think>")),))
ONE_OR_TWO = tuple(
    Price(usd, "cpr", inputs={"inputImageClothes": f"QUANTITY:{count}"})
    for count, usd in ((1, 0.09), (2, 0.14))
)
EXTENDED = tuple(
    Price(usd, "cpr", inputs={"promptExtend": value}) for value, usd in (("false", 0.013), ("true", 0.014))
)
URL = "https://a.example/1.png"


def model(*prices: Price, cps: str = "0", parameters: tuple[Parameter, ...] = (CLOTHES,)) -> Model:
    return replace(IMAGEN, prices=prices, cps=cps, groups={"All": parameters})


def bill(of: Model, made: Rendering | None = None, seconds: float = 6.0, **fields: Any) -> Decimal:
    return cost_usd(Inputs(of, RequestBody(fields), audio_seconds=12.5 + 7.5), made or Rendering(), seconds)


PIXELS = Price(0.02, "cp-pixel", extra=0.01, per_input=0.005)


@pytest.mark.parametrize(("cost", "usd"), [
    (bill(model(Price(0.03, "cpr"))), "0.03"),
    (bill(model(Price(0.045, None))), "0.045"),
    (bill(model(cps="0.000585"), seconds=6.0), "0.00351"),
    (bill(model(Price(0.00095, "cps")), seconds=50), "0.0475"),
    (bill(model(Price(0.01, "cpo")), Rendering(files=FILES)), "0.04"),
    (bill(model(Price(0.01, "cpo"))), "0.01"),
    (bill(model(Price(4e-7, "cpt")), Rendering(answer=ANSWER)), "0.000042"),
    (bill(model(PIXELS), Rendering(pixels=1024 * 1024)), "0.02"),
    (bill(model(PIXELS), Rendering(pixels=2048 * 1024)), "0.03"),
    (bill(model(PIXELS), Rendering(pixels=2048 * 2048), inputImageClothes=URL), "0.07"),
    (bill(model(Price(0.00002, "cp-promptlength")), prompt="x" * 500), "0.01"),
    (bill(model(Price(0.0001, "cp-audiosecondslength"))), "0.002"),
    (bill(model(Price(0.04, "cp-outputVideoLength")), Rendering(files=FILES[:1], video_seconds=5)), "0.2"),
    (bill(model(Price(0.04, "cp-outputPictureCount")), Rendering(files=FILES[:3])), "0.12"),
    (bill(model(Price(0.002, "cp-readoutput")), Rendering(reported_units=7)), "0.014"),
    (bill(model(Price(0.003, "cp-realtimeturn")), Rendering(reported_units=2)), "0.006"),
    (bill(model(*ONE_OR_TWO), inputImageClothes=[URL, URL]), "0.14"),
    (bill(model(*ONE_OR_TWO), inputImageClothes=URL), "0.09"),
    (bill(model(*EXTENDED), promptExtend=False), "0.013"),
    (bill(model(*EXTENDED), promptExtend=True), "0.014"),
    (bill(model(*EXTENDED), promptExtend="true"), "0.014"),
])  # fmt: skip
def test_a_bill_is_the_known_one(cost: Decimal, usd: str) -> None:
    assert cost == Decimal(usd)


def test_of_several_rows_that_fit_the_first_counts_or_the_dearest() -> None:
    both = model(ONE_OR_TWO[0], Price(0.18, "cpr"))
    inputs = Inputs(both, RequestBody({"inputImageClothes": URL}))
    costs = [cost_usd(inputs, Rendering(), 1, dearest=dearest) for dearest in (False, True)]
    assert costs == [Decimal("0.09"), Decimal("0.18")]
