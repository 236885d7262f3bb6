"""A model is found under either form of its slug; a Run is repeated only after that one refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api import model_slugs, operations
from airflow_provider_wiro.api.parameters import split_slug
from airflow_provider_wiro.exceptions import (
    WiroError,
    WiroLostRunError,
    WiroModelNotFoundError,
    WiroNotFoundError,
)
from tests.api.fake_transport import CUT_OFF, HTML_502, TOKEN, FakeTransport, http_response, refused, success

if TYPE_CHECKING:
    from airflow_provider_wiro.api.responses import ApiResponse
    from airflow_provider_wiro.api.retry import RequestFailure

CATALOG: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data/model-catalog.json").read_text())
STARTED = success(taskid="2221", socketaccesstoken=TOKEN)
UNKNOWN = refused(1, "slug-owner-project-not-exist")
LOGO = success(tool=[{"slugowner": "wiro", "slugproject": "Animated Logo", "parameters": None}])


def run(transport: FakeTransport, model: str) -> str:
    return transport.drive(operations.run_model(transport.context, model, {"prompt": "x"}, {})).wiro_task_id


@pytest.mark.parametrize(
    "unknown",
    [
        UNKNOWN,
        refused(1, "Slug-Owner-Project-Not-Exist"),
        refused(1, "slug-owner-project-not-exist", status=404),
    ],
)
def test_a_slug_as_shown_is_tried_in_its_clean_form(unknown: ApiResponse) -> None:
    transport = FakeTransport(unknown, STARTED)

    assert run(transport, "retroAIx/Animated Logo") == "2221"
    assert transport.paths == ["Run/retroAIx/Animated%20Logo", "Run/retroaix/animated-logo"]


def test_a_clean_slug_is_tried_as_the_catalogue_shows_it() -> None:
    broken: dict[str, Any] = {"slugowner": None}
    other = {"slugowner": "wiro", "slugproject": "Animated Logos"}
    logo = {"slugowner": "wiro ", "slugproject": " Animated Logo"}
    transport = FakeTransport(UNKNOWN, success(tool=[broken, other, logo]), STARTED)

    assert run(transport, "wiro/animated-logo") == "2221"
    assert transport.paths == ["Run/wiro/animated-logo", "Tool/List", "Run/wiro/Animated%20Logo"]


@pytest.mark.parametrize(
    "catalogue", [success(tool=[]), UNKNOWN, refused(0, "Request parameter [x] required")]
)
def test_a_clean_slug_that_the_catalogue_does_not_show_is_sent_once(catalogue: ApiResponse) -> None:
    transport = FakeTransport(UNKNOWN, catalogue)

    with pytest.raises(WiroModelNotFoundError, match="Wiro has no model 'wiro/no-such-model'"):
        run(transport, "wiro/no-such-model")
    assert [path for path in transport.paths if path.startswith("Run/")] == ["Run/wiro/no-such-model"]


def test_a_model_unknown_in_both_forms_is_refused_under_the_given_name() -> None:
    transport = FakeTransport(UNKNOWN, refused(1, "slug-owner-project-not-exist, second"))

    with pytest.raises(WiroNotFoundError) as raised:
        run(transport, "wiro/No Model")
    assert str(raised.value) == "Wiro has no model 'wiro/No Model'."
    assert transport.paths == ["Run/wiro/No%20Model", "Run/wiro/no-model", "Tool/List", "Tool/List"]


@pytest.mark.parametrize(
    "refusal",
    [
        refused(1, "tool-not-accessible"),
        refused(1, "There is no task yet."),
        refused(0, "slug-owner-project-not-exist"),
        refused(97, "Insufficient balance"),
        http_response(404, b"slug-owner-project-not-exist"),
        refused(1, "slug-owner-project-not-exist", status=401),
    ],
)
def test_no_other_refusal_repeats_a_run(refusal: ApiResponse) -> None:
    transport = FakeTransport(refusal, STARTED)

    with pytest.raises(WiroError):
        run(transport, "wiro/Animated Logo")
    assert len(transport.sends) == 1


@pytest.mark.parametrize("lost", [CUT_OFF, HTML_502, refused(1, "slug-owner-project-not-exist", status=502)])
def test_a_lost_run_is_not_repeated_in_the_other_form(
    lost: ApiResponse | RequestFailure,
) -> None:
    transport = FakeTransport(lost, STARTED)

    with pytest.raises(WiroLostRunError):
        run(transport, "wiro/Animated Logo")
    assert len(transport.sends) == 1


def test_a_run_in_the_other_form_can_be_lost_like_any_run() -> None:
    transport = FakeTransport(UNKNOWN, CUT_OFF, STARTED)

    with pytest.raises(WiroLostRunError):
        run(transport, "wiro/Animated Logo")
    assert len(transport.sends) == 2


@pytest.mark.parametrize("unknown", [UNKNOWN, refused(1, "tool-not-accessible"), success(tool=[])])
def test_a_models_parameters_are_found_in_either_form(unknown: ApiResponse) -> None:
    transport = FakeTransport(unknown, LOGO)

    model = transport.drive(model_slugs.get_model("wiro/Animated Logo", transport.context))

    assert model.slug == "wiro/Animated Logo"
    assert [json.loads(send.body.json or "") for send in transport.sends] == [
        {"slugowner": "wiro", "slugproject": "Animated Logo"},
        {"slugowner": "wiro", "slugproject": "animated-logo"},
    ]


def test_a_batch_is_notified_of_the_form_that_wiro_knows() -> None:
    learned: list[str] = []
    transport = FakeTransport(UNKNOWN, LOGO)

    transport.drive(
        model_slugs.call_in_either_form(
            "wiro/Animated Logo", model_slugs.endpoints.get_model, transport.context, learn=learned.append
        )
    )

    assert learned == ["wiro/animated-logo"]


@pytest.mark.parametrize("model", [model["model"].strip() for model in CATALOG])
def test_every_real_model_has_a_clean_form(model: str) -> None:
    clean = model_slugs.clean_slug(model)

    assert set(clean) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._/")
    assert len(split_slug(clean)) == 2
    assert model_slugs.clean_slug(clean) == clean
