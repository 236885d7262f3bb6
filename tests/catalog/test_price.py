"""What a run will cost: each method of counting, the row of the price list that counts, broken lists."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.api.catalog import Model
from airflow_provider_wiro.catalog.price import estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.catalog.estimate import Estimate


def item(name: str, kind: str = "text", **settings: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, **settings}


def model(prices: object = None, *items: dict[str, Any], **fields: Any) -> Model:
    """Return a model as Tool/Detail describes it; its price list travels as JSON text."""
    groups = [{"title": "All", "items": list(items)}]
    listed = {} if prices is None else {"dynamicprice": json.dumps(prices)}
    return Model.from_wire({"slugowner": "a", "slugproject": "b", "parameters": groups, **listed, **fields})


def priced(
    prices: object,
    *items: dict[str, Any],
    parameters: Mapping[str, Any] | None = None,
    files: Mapping[str, int] | None = None,
) -> Estimate:
    return estimate(model(prices, *items), parameters or {}, files or {})


def ends(found: Estimate) -> tuple[str, str | None, str | None]:
    shown = found.to_json()
    return shown["kind"], shown["min_usd"], shown["max_usd"]


def exact(usd: str) -> tuple[str, str, str]:
    return "exact", usd, usd


UNKNOWN = ("unknown", None, None)
IN_FOUR = item("samples", "number", default="4")
PROMPT = item("prompt", "textarea")
PICTURE = item("inputImage", "fileinput")
CLOTHES = item("inputImageClothes", "combinefileinput")
SIZE = (item("width", "number", default="1024"), item("height", "number", default="1024"))

SEEDANCE = [
    {"inputs": {"resolution": resolution, "duration": duration}, "price": price, "priceMethod": "cpr"}
    for resolution, duration, price in (
        ("480p", "5", 0.06), ("720p", "5", 0.13), ("1080p", "5", 0.29),
        ("480p", "10", 0.12), ("720p", "10", 0.26), ("1080p", "10", 0.58),
    )
]  # fmt: skip
RESOLUTION = item("resolution", "select", default="1080p")
DURATION = item("duration", "select", default="5")


def test_a_price_per_run_is_exact() -> None:
    row = {"inputs": {}, "price": 0.03, "priceMethod": "cpr"}
    found = priced([row])
    assert ends(found) == exact("0.03")
    assert (found.method, found.row, found.assumed, found.note) == ("cpr", row, {}, "")


@pytest.mark.parametrize(("resolution", "duration", "usd"), [
    ("480p", "5", "0.06"), ("720p", "5", "0.13"), ("1080p", "5", "0.29"),
    ("480p", "10", "0.12"), ("720p", "10", "0.26"), ("1080p", "10", "0.58"),
    ("720p", 5, "0.13"), ("720p", 5.0, "0.13"), ("720p", Decimal("5.0"), "0.13"), ("1080p", 10, "0.58"),
])  # fmt: skip
def test_the_row_whose_inputs_equal_the_runs_values_counts(
    resolution: str, duration: object, usd: str
) -> None:
    values = {"resolution": resolution, "duration": duration}
    found = priced(SEEDANCE, RESOLUTION, DURATION, parameters=values)
    assert ends(found) == exact(usd)
    assert found.assumed == {}


def test_a_value_that_no_row_lists_is_not_known() -> None:
    found = priced(SEEDANCE, RESOLUTION, DURATION, parameters={"resolution": "720p", "duration": "7"})
    assert ends(found) == UNKNOWN
    assert (found.method, found.row) == ("", None)
    assert found.note == "No row of Wiro's price list applies to the values of `resolution`, `duration`."


@pytest.mark.parametrize("missing", [{}, {"duration": None}, {"duration": ""}, {"duration": "  "}])
def test_a_parameter_that_was_not_given_has_the_schemas_default_and_the_estimate_says_so(
    missing: dict[str, Any],
) -> None:
    found = priced(SEEDANCE, RESOLUTION, DURATION, parameters={"resolution": "720p", **missing})
    assert ends(found) == exact("0.13")
    assert found.assumed == {"duration": "5"}


def test_without_a_default_a_parameter_that_was_not_given_fits_no_row() -> None:
    no_default = item("duration", "select")
    assert ends(priced(SEEDANCE, RESOLUTION, no_default, parameters={"resolution": "720p"})) == UNKNOWN


def test_an_empty_text_that_is_one_of_the_options_is_a_value() -> None:
    rows = [{"inputs": {"refiner": ""}, "price": 0.02}, {"inputs": {"refiner": "no"}, "price": 0.01}]
    options = [{"value": "", "label": "yes"}, {"value": "no", "label": "no"}]
    refiner = item("refiner", "select", default="no", options=options)
    assert ends(priced(rows, refiner, parameters={"refiner": ""})) == exact("0.02")
    found = priced(rows, refiner)
    assert (ends(found), found.assumed) == (exact("0.01"), {"refiner": "no"})


@pytest.mark.parametrize(("value", "usd"), [
    (False, "0.013"), (True, "0.014"), ("false", "0.013"), ("true", "0.014"),
])  # fmt: skip
def test_booleans_match_their_text(value: object, usd: str) -> None:
    rows = [
        {"inputs": {"promptExtend": "false"}, "price": 0.013},
        {"inputs": {"promptExtend": True}, "price": 0.014},
    ]
    assert ends(priced(rows, item("promptExtend", "checkbox"), parameters={"promptExtend": value})) == exact(
        usd
    )


@pytest.mark.parametrize("value", ["720P", " 720p ", ["720p"], {"a": 1}])
def test_a_value_that_may_equal_a_rows_is_not_known(value: object) -> None:
    found = priced(SEEDANCE, RESOLUTION, DURATION, parameters={"resolution": value})
    assert ends(found) == UNKNOWN
    assert "isn't known" in found.note


@pytest.mark.parametrize("value", ["5.0", "05", "5e0"])
def test_text_that_is_an_equal_number_but_another_text_is_not_known(value: str) -> None:
    assert ends(priced(SEEDANCE, RESOLUTION, DURATION, parameters={"duration": value})) == UNKNOWN


@pytest.mark.parametrize(("wanted", "value"), [(5, "5.0"), (5, " 5"), ("5.0", 5), ("05", 5), (5.0, "5.00")])
def test_a_number_and_a_text_that_does_not_look_like_it_are_not_known(wanted: object, value: object) -> None:
    rows = [{"inputs": {"duration": wanted}, "price": 0.06}]
    assert ends(priced(rows, item("duration"), parameters={"duration": value})) == UNKNOWN


def test_a_row_that_may_apply_beside_one_that_does_makes_a_range() -> None:
    rows = [{"inputs": {"mode": "pro"}, "price": 0.5}, {"inputs": {}, "price": 0.1}]
    assert ends(priced(rows, item("mode"), parameters={"mode": "Pro"})) == ("range", "0.1", "0.5")
    assert ends(priced(rows, item("mode"), parameters={"mode": "std"})) == exact("0.1")


QUANTITIES = [
    {"inputs": {"inputImageClothes": "QUANTITY:1"}, "price": 0.09, "priceMethod": "cpr"},
    {"inputs": {"inputImageClothes": "QUANTITY:2"}, "price": 0.14, "priceMethod": "cpr"},
]


@pytest.mark.parametrize(("count", "expected"), [
    (1, exact("0.09")), (2, exact("0.14")), (3, UNKNOWN), (0, UNKNOWN),
])  # fmt: skip
def test_a_quantity_is_exactly_that_many_files(count: int, expected: tuple[str, ...]) -> None:
    assert ends(priced(QUANTITIES, CLOTHES, files={"inputImageClothes": count})) == expected


URLS = ["https://a.example/1.png", "https://a.example/2.png"]


@pytest.mark.parametrize(("kind", "parameters", "files", "expected"), [
    ("combinefileinput", {"inputImageClothes": URLS}, {}, exact("0.14")),
    ("combinefileinput", {"inputImageClothes": URLS[0]}, {}, exact("0.09")),
    ("combinefileinput", {"inputImageClothes": "https://a.example/1,2.png"}, {}, exact("0.09")),
    ("multifileinput", {"inputImageClothesUrl": ",".join(URLS)}, {}, exact("0.14")),
    ("multifileinput", {"inputImageClothesUrl": ",".join(URLS) + ", "}, {}, exact("0.14")),
    ("multifileinput", {"inputImageClothes": "", "inputImageClothesUrl": URLS[0]}, {}, exact("0.09")),
    ("multifileinput", {}, {"inputImageClothesUrl": 2}, exact("0.14")),
    ("multifileinput", {"inputImageClothesUrl": ",".join(URLS)}, {"inputImageClothes": 1}, exact("0.09")),
    ("fileinput", {"inputImageClothesUrl": "https://a.example/1,2.png"}, {}, exact("0.09")),
    ("fileinput", {"inputImageClothes": URLS[0], "inputImageClothesUrl": URLS[0]}, {}, UNKNOWN),
    ("fileinputs-of-tomorrow", {"inputImageClothesUrl": ",".join(URLS)}, {}, UNKNOWN),
    ("fileinputs-of-tomorrow", {"inputImageClothes": URLS}, {}, exact("0.14")),
])  # fmt: skip
def test_urls_in_parameters_count_as_files_do(
    kind: str, parameters: dict[str, Any], files: dict[str, int], expected: tuple[str, ...]
) -> None:
    clothes = item("inputImageClothes", kind)
    assert ends(priced(QUANTITIES, clothes, parameters=parameters, files=files)) == expected


@pytest.mark.parametrize("name", ["inputImageClothes", "inputImageClothesUrl"])
@pytest.mark.parametrize("listed", ["inputImageClothes", "inputImageClothesUrl"])
@pytest.mark.parametrize("asked", ["inputImageClothes", "inputImageClothesUrl"])
def test_a_file_parameter_is_the_same_with_url_at_the_end_of_its_name(
    name: str, listed: str, asked: str
) -> None:
    rows = [{"inputs": {asked: "QUANTITY:1"}, "price": 0.09}]
    schema = item(listed, "string" if listed.endswith("Url") else "fileinput")
    assert ends(priced(rows, schema, files={name: 1})) == exact("0.09")
    assert ends(priced(rows, schema, parameters={name: URLS[0]})) == exact("0.09")
    assert ends(priced(rows, schema)) == UNKNOWN


@pytest.mark.parametrize(
    "wanted", ["QUANTITY:", "QUANTITY:two", "QUANTITY:-1", "QUANTITY:1.5", "QUANTITY:NaN"]
)
def test_a_quantity_that_is_no_number_is_not_known_also_beside_a_row_that_applies(wanted: str) -> None:
    rows = [{"inputs": {"inputImageClothes": wanted}, "price": 0.09}, {"inputs": {}, "price": 0.18}]
    assert ends(priced(rows, CLOTHES, files={"inputImageClothes": 1})) == UNKNOWN
    rows[0]["inputs"] = {"inputImageClothes": wanted, "mode": "pro"}
    assert ends(priced(rows, CLOTHES, parameters={"mode": "std"})) == exact("0.18")


def test_rows_that_apply_and_differ_are_a_range() -> None:
    rows = [{"inputs": {}, "price": 0.18, "priceMethod": "cpr"}, QUANTITIES[0]]
    found = priced(rows, CLOTHES, files={"inputImageClothes": 1})
    assert ends(found) == ("range", "0.09", "0.18")
    assert found.row == rows[0]
    assert found.note == (
        "2 rows of Wiro's price list apply or may apply; which one counts isn't documented."
    )


def test_rows_that_apply_and_agree_are_exact() -> None:
    rows = [{"inputs": {}, "price": "0.090"}, {"price": 0.09}]
    assert ends(priced(rows)) == exact("0.09")


@pytest.mark.parametrize("inputs", [{}, None, [], "", "{}", "[]", "null"])
def test_a_row_without_inputs_applies_always(inputs: object) -> None:
    assert ends(priced([{"inputs": inputs, "price": 0.03}])) == exact("0.03")


def test_without_a_method_a_price_per_run_is_assumed_and_the_estimate_says_so() -> None:
    found = priced([{"price": 0.045}])
    assert (ends(found), found.method) == (exact("0.045"), "cpr")
    assert "cpr) is assumed" in found.note
    assert ends(priced([{"price": 0.045, "priceMethod": "cpr"}])) == exact("0.045")


def test_a_price_per_output_ranges_from_one_output_to_what_the_parameters_ask_for() -> None:
    rows = [{"inputs": {}, "price": 0.01, "priceMethod": "cpo"}]
    found = priced(rows, IN_FOUR)
    assert (ends(found), found.assumed) == (("range", "0.01", "0.04"), {"samples": "4"})
    assert found.note == "0.01 USD for each output: `samples` asks for 4, and the model may make fewer."
    assert ends(priced(rows, IN_FOUR, parameters={"samples": "3"})) == ("range", "0.01", "0.03")
    assert ends(priced(rows, IN_FOUR, parameters={"samples": 1})) == exact("0.01")


@pytest.mark.parametrize("name", [
    "samples", "numOutputs", "num_outputs", "numImages", "num_images", "maxImages", "numberOfImages", "n",
])  # fmt: skip
def test_several_names_say_how_many_outputs(name: str) -> None:
    rows = [{"price": 0.01, "priceMethod": "cpo"}]
    assert ends(priced(rows, item(name, "number"), parameters={name: 6})) == ("range", "0.01", "0.06")


def test_two_parameters_that_say_how_many_multiply() -> None:
    rows = [{"price": 0.01, "priceMethod": "cpo"}]
    found = priced(rows, IN_FOUR, item("batchSize", "number", default="2"))
    assert ends(found) == ("range", "0.01", "0.08")


def test_a_misspelt_count_that_the_model_ignores_lowers_nothing() -> None:
    rows = [{"price": 0.01, "priceMethod": "cpo"}]
    found = priced(rows, IN_FOUR, parameters={"sampels": 1, "numImages": 1})
    assert ends(found) == ("range", "0.01", "0.04")


@pytest.mark.parametrize("value", [0, -1, 2.5, "many", "auto", True, [4], "1e9", "NaN"])
def test_a_count_that_is_none_gives_no_upper_end(value: object) -> None:
    rows = [{"price": 0.01, "priceMethod": "cpo"}]
    found = priced(rows, IN_FOUR, parameters={"samples": value})
    assert ends(found) == ("unknown", "0.01", None)
    assert not found.is_known


@pytest.mark.parametrize("method", ["cpo", "cp-outputPictureCount"])
def test_outputs_that_no_parameter_counts_have_no_upper_end(method: str) -> None:
    found = priced([{"price": 0.01, "priceMethod": method}], item("documents", "multifileinput"))
    assert ends(found) == ("unknown", "0.01", None)
    assert found.note == "0.01 USD for each output; no parameter says how many."


def test_a_price_per_picture_is_a_guess_like_a_price_per_output() -> None:
    rows = [{"price": 0.02, "priceMethod": "cp-outputPictureCount"}]
    assert ends(priced(rows, IN_FOUR)) == ("range", "0.02", "0.08")


@pytest.mark.parametrize("method", [
    "cps", "cpt", "cp-audiosecondslength", "cp-readoutput", "cp-realtimeturn", "cp-something-new",
])  # fmt: skip
def test_what_only_the_run_shows_is_not_known(method: str) -> None:
    row = {"inputs": {}, "price": 0.0001, "priceMethod": method}
    found = priced([row], PROMPT, IN_FOUR, parameters={"prompt": "x"}, files={"inputAudio": 2})
    assert (ends(found), found.method, found.row) == (UNKNOWN, method, row)
    assert found.note


CP_PIXEL = [{"price": 0.02, "priceMethod": "cp-pixel", "priceExtra": 0.01, "priceInput": 0.005}]


@pytest.mark.parametrize(("width", "height", "pictures", "usd"), [
    (1024, 1024, 0, "0.02"), ("2048", 1024, 0, "0.03"), (2048, 2048, 1, "0.07"),
    (1, 1, 0, "0.02"), (1025, 1024, 0, "0.03"), (1024, 1024, 2, "0.03"), (1024.0, "1024", 0, "0.02"),
])  # fmt: skip
def test_a_price_by_pixels_has_tiers(width: object, height: object, pictures: int, usd: str) -> None:
    values = {"width": width, "height": height}
    found = priced(CP_PIXEL, *SIZE, PICTURE, parameters=values, files={"inputImage": pictures})
    assert ends(found) == exact(usd)


def test_a_size_that_was_not_given_is_the_schemas_and_the_estimate_says_so() -> None:
    found = priced(CP_PIXEL, *SIZE, parameters={"width": 2048})
    assert (ends(found), found.assumed) == (exact("0.03"), {"height": "1024"})


@pytest.mark.parametrize(
    "other", ["resolution", "size", "aspectRatio", "aspect_ratio", "megapixels", "upscale"]
)
def test_a_size_that_another_parameter_decides_is_not_known(other: str) -> None:
    assert ends(priced(CP_PIXEL, item(other), parameters={other: "1K"}))[0] == "unknown"
    assert ends(priced(CP_PIXEL, *SIZE, item(other, default="16:9")))[0] == "unknown"
    assert ends(priced(CP_PIXEL, *SIZE, item(other))) == exact("0.02")


@pytest.mark.parametrize("width", [0, -5, "auto", "", None, 1e9, [1024]])
def test_a_width_that_is_none_is_not_known(width: object) -> None:
    height = item("height", "number", default="1024")
    assert ends(priced(CP_PIXEL, item("width"), height, parameters={"width": width}))[0] == "unknown"


def test_whether_pixels_count_for_each_sample_is_not_documented_so_it_is_a_range() -> None:
    # Four times the price, or the price of four times the pixels: 4 * 0.03, or 0.02 + 7 * 0.01.
    found = priced(CP_PIXEL, *SIZE, IN_FOUR, parameters={"width": 2048})
    assert ends(found) == ("range", "0.03", "0.12")
    dear = [{**CP_PIXEL[0], "priceExtra": 0.05}]  # 4 * 0.07, or 0.02 + 7 * 0.05
    assert ends(priced(dear, *SIZE, IN_FOUR, parameters={"width": 2048})) == ("range", "0.07", "0.37")


def test_whether_a_sound_counts_as_an_input_picture_is_not_known() -> None:
    sound = item("inputAudio", "fileinput")
    found = priced(CP_PIXEL, *SIZE, PICTURE, sound, files={"inputImage": 1, "inputAudio": 1})
    assert ends(found) == ("range", "0.025", "0.03")


def test_a_price_by_the_prompts_length_is_exact() -> None:
    rows = [{"inputs": {}, "price": 0.00002, "priceMethod": "cp-promptlength"}]
    assert ends(priced(rows, PROMPT, parameters={"prompt": "x" * 500})) == exact("0.01")
    assert ends(priced(rows, PROMPT, parameters={"prompt": "ğ字"})) == exact("0.00004")
    found = priced(rows, item("prompt", default="hello"))
    assert (ends(found), found.assumed) == (exact("0.0001"), {"prompt": "hello"})


def test_whether_an_emoji_is_one_character_or_two_is_not_known() -> None:
    rows = [{"price": 0.1, "priceMethod": "cp-promptlength"}]
    assert ends(priced(rows, PROMPT, parameters={"prompt": "a😀"})) == ("range", "0.2", "0.3")


def test_without_a_prompt_its_length_is_not_known() -> None:
    rows = [{"price": 0.1, "priceMethod": "cp-promptlength"}]
    assert ends(priced(rows, item("text"), parameters={"text": "hello"})) == UNKNOWN
    assert ends(priced(rows, PROMPT, parameters={"prompt": ["hello"]})) == UNKNOWN


@pytest.mark.parametrize("name", ["duration", "durationSeconds", "seconds", "videoSeconds"])
def test_a_films_length_is_a_guess_and_it_can_play_up_to_a_second_longer(name: str) -> None:
    rows = [{"price": 0.04, "priceMethod": "cp-outputVideoLength"}]
    found = priced(rows, item(name, "select", default="5"))
    assert (ends(found), found.assumed) == (("range", "0.04", "0.24"), {name: "5"})


@pytest.mark.parametrize("items", [
    (), (item("duration", default="auto"),), (item("duration", default="-1"),),
    (item("duration", default="5"), item("seconds", default="5")),
    (item("duration", default="5"), item("numFrames", default="121")),
    (item("duration", default="5"), item("samples", default="some")),
])  # fmt: skip
def test_a_film_whose_length_no_parameter_surely_says_has_no_upper_end(items: tuple[Any, ...]) -> None:
    rows = [{"price": 0.04, "priceMethod": "cp-outputVideoLength"}]
    assert ends(priced(rows, *items)) == ("unknown", "0.04", None)


def test_several_films_multiply() -> None:
    rows = [{"price": 0.04, "priceMethod": "cp-outputVideoLength"}]
    assert ends(priced(rows, DURATION, item("samples", default="2"))) == ("range", "0.04", "0.48")


def test_without_a_price_list_only_wiros_own_estimate_is_known_and_it_is_no_upper_end() -> None:
    found = estimate(model(cps="0.000585", approximatelycost="0.00351"), {}, {})
    assert (ends(found), found.method, found.row) == (UNKNOWN, "cps", None)
    assert found.to_json()["approximate_usd"] == "0.00351"
    assert "0.000585 USD for each second" in found.note
    assert "some 0.00351 USD" in found.note


@pytest.mark.parametrize("absent", [None, "", "[]", "null", []])
def test_an_empty_price_list_is_none(absent: object) -> None:
    found = estimate(model(dynamicprice=absent, cps="0.001"), {}, {})
    assert (ends(found), found.method) == (UNKNOWN, "cps")


@pytest.mark.parametrize("fields", [{}, {"cps": None}, {"cps": "-1"}, {"cps": "free"}])
def test_without_any_price_nothing_is_known(fields: dict[str, Any]) -> None:
    found = estimate(model(**fields), {}, {})
    assert (ends(found), found.note) == (UNKNOWN, "Wiro lists no price for the model.")


@pytest.mark.parametrize("broken", [
    "{", "soon", "5", {"price": 1}, '{"price": 1}', [5], [{"price": 0.01}, None], "[[]]", 7, True,
])  # fmt: skip
def test_a_price_list_that_cannot_be_read_is_not_known_and_never_cps(broken: object) -> None:
    found = estimate(model(dynamicprice=broken, cps="0.001", approximatelycost="0.01"), {}, {})
    assert (ends(found), found.method) == (UNKNOWN, "")
    assert found.to_json()["approximate_usd"] is None
    assert "can't be read" in found.note


def test_a_price_list_that_is_no_text_is_read_too() -> None:
    assert ends(estimate(model(dynamicprice=[{"price": "0.03"}]), {}, {})) == exact("0.03")


def test_none_applies_is_never_cps() -> None:
    listed = model(SEEDANCE, RESOLUTION, DURATION, cps="0.001", approximatelycost="0.01")
    found = estimate(listed, {"duration": "7"}, {})
    assert (ends(found), found.method, found.approximate_usd) == (UNKNOWN, "", None)


@pytest.mark.parametrize("price", [
    -0.01, "-1", float("nan"), float("inf"), "NaN", "soon", "$1", "0.03 USD", None, "", True, [], {},
    1e7, 1e300,
])  # fmt: skip
def test_a_row_whose_price_is_none_is_not_known_also_beside_one_that_can_be_read(price: object) -> None:
    rows = [{"inputs": {"mode": "pro"}, "price": price}, {"inputs": {}, "price": 0.1}]
    assert ends(priced(rows, parameters={"mode": "pro"})) == UNKNOWN
    assert ends(priced(rows, parameters={"mode": "std"})) == exact("0.1")


@pytest.mark.parametrize("row", [
    {"price": 0.1, "inputs": "soon"}, {"price": 0.1, "inputs": [1]}, {"price": 0.1, "inputs": 5},
    {"price": 0.1, "priceMethod": 5}, {"price": 0.1, "priceMethod": ["cpr"]},
    {"price": 0.1, "priceMethod": "cpr", "priceExtra": 0.1}, {"price": 0.1, "priceInput": "soon"},
])  # fmt: skip
def test_a_row_with_fields_that_mean_nothing_known_is_not_known(row: dict[str, Any]) -> None:
    assert ends(priced([row])) == UNKNOWN
    assert ends(priced([{"price": 0.1}, row])) == UNKNOWN


def test_a_price_keeps_its_digits() -> None:
    assert ends(priced([{"price": "0.000000000000000001"}])) == exact("0.000000000000000001")
    assert ends(priced([{"price": 4e-7}])) == exact("0.0000004")
    rows = [{"price": 0.1, "priceMethod": "cpo"}]
    assert ends(priced(rows, item("samples", default="3"))) == ("range", "0.1", "0.3")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["QUANTITY:1", "QUANTITY:x", "5", "cpo", "cp-pixel", "cp-promptlength", "1e999999999"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
names = st.sampled_from(
    ["samples", "prompt", "width", "height", "duration", "inputImage", "inputImageUrl", "x"]
)
methods = st.sampled_from([
    None, "cpr", "cps", "cpo", "cpt", "cp-pixel", "cp-audiosecondslength", "cp-promptlength",
    "cp-outputVideoLength", "cp-outputPictureCount", "cp-readoutput", "cp-realtimeturn", "new",
])  # fmt: skip
kinds = st.sampled_from(["text", "number", "fileinput", "multifileinput", "combinefileinput", "checkbox", ""])
rows_of_anything = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "inputs": st.dictionaries(names, anything, max_size=3) | anything,
            "price": st.floats(0, 10) | st.sampled_from(["0.03", "-1"]) | anything,
            "priceMethod": methods | anything,
            "priceExtra": st.floats(0, 1) | anything,
            "priceInput": anything,
        },
    ),
    max_size=4,
)
schemas = st.lists(
    st.fixed_dictionaries({"id": names | anything, "type": kinds | anything}, optional={"default": anything}),
    max_size=5,
)


@given(
    prices=rows_of_anything | anything,
    as_text=st.booleans(),
    schema=schemas | anything,
    parameters=st.dictionaries(names | st.text(max_size=5), anything, max_size=5),
    files=st.dictionaries(names, st.integers(-1, 5), max_size=3),
    cps=anything,
)
def test_no_price_list_schema_or_parameters_make_it_raise_or_lie_about_its_ends(
    prices: object,
    as_text: bool,
    schema: object,
    parameters: dict[str, Any],
    files: dict[str, int],
    cps: object,
) -> None:
    wire = {
        "dynamicprice": json.dumps(prices) if as_text else prices,
        "parameters": [{"items": schema}],
        "cps": cps,
        "approximatelycost": cps,
    }
    found = estimate(Model.from_wire(wire), parameters, files)
    if found.is_known:
        assert found.minimum_usd is not None
        assert found.maximum_usd is not None
        assert 0 <= found.minimum_usd <= found.maximum_usd
        assert found.row is not None
    json.dumps(found.to_json(), allow_nan=False).encode()


def test_a_whole_number_of_thousands_of_digits_is_no_number() -> None:
    assert ends(priced(SEEDANCE, RESOLUTION, DURATION, parameters={"duration": 10**5000})) == UNKNOWN
