"""The error for an unknown model suggests similar names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_wiro.api import model_slugs, operations
from airflow_provider_wiro.api.model_slugs import nearest
from airflow_provider_wiro.exceptions import WiroModelNotFoundError
from tests.api.fake_transport import HTML_502, FakeTransport, refused, success

SLUGS = [
    model["model"].strip()
    for model in json.loads((Path(__file__).parent / "data/model-catalog.json").read_text())
] + ["retroAIx/Retro-Cartoons"]
UNKNOWN = refused(1, "slug-owner-project-not-exist")
RETRO = success(tool=[{"slugowner": "retroAIx", "slugproject": "Retro-Cartoons"}])


def error_for(transport: FakeTransport, model: str) -> str:
    with pytest.raises(WiroModelNotFoundError) as raised:
        transport.drive(operations.run_model(transport.context, model, {"prompt": "x"}, {}))
    return str(raised.value)


def test_the_nearest_model_is_named() -> None:
    transport = FakeTransport(UNKNOWN, UNKNOWN, RETRO, success(tool=[]))

    assert error_for(transport, "retroAIx/Retro-Cartoonz") == (
        "Wiro has no model 'retroAIx/Retro-Cartoonz'; did you mean 'retroAIx/Retro-Cartoons'?"
    )
    owners, words = (json.loads(send.body.json or "") for send in transport.sends[-2:])
    assert owners["slugowner"] == "retroAIx"
    assert words["search"] == "Retro Cartoonz"


def test_an_unavailable_catalogue_costs_only_the_hint() -> None:
    transport = FakeTransport(UNKNOWN, UNKNOWN, HTML_502, HTML_502)

    assert error_for(transport, "retroAIx/Retro-Cartoonz") == "Wiro has no model 'retroAIx/Retro-Cartoonz'."
    assert len(transport.sends) == 4


def test_a_request_for_a_model_gets_the_same_error() -> None:
    transport = FakeTransport(
        refused(1, "tool-not-accessible"), refused(1, "tool-not-accessible"), RETRO, RETRO
    )

    with pytest.raises(WiroModelNotFoundError, match="did you mean 'retroAIx/Retro-Cartoons'"):
        transport.drive(model_slugs.get_model("retroAIx/Retro-Cartoon", transport.context))


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("retroAIx/Retro-Cartoonz", "retroAIx/Retro-Cartoons"),
        ("retroaix/retro_cartoons", "retroAIx/Retro-Cartoons"),
        ("retro/Retro-Cartoons", "retroAIx/Retro-Cartoons"),
        ("wiro/Animated-Logos", "wiro/Animated Logo"),
    ],
)
def test_typing_errors_of_every_kind_find_their_model(given: str, meant: str) -> None:
    assert nearest(given, [*SLUGS, "wiro/Animated Logo"])[0] == meant


@pytest.mark.parametrize("given", ["nope/nothing", "me/my-cat-pictures"])
def test_a_name_unlike_any_model_gets_no_hint(given: str) -> None:
    assert nearest(given, SLUGS) == []
