"""Outputs whose links, bytes, sizes or costs Wiro doesn't show at the first look: waited for, asked again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from tests.contract.scripts import refuse, respond, success
from tests.transfers.fake_wiro import BIG, DETAIL, LLM, PNG, TaskInstance, transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.contract.hostile import HostileServer, Script
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

    Transfer = Callable[..., tuple[dict[str, Any], list[bytes]]]

pytestmark = pytest.mark.usefixtures("connect")


@pytest.fixture(params=["s3", "object storage"])
def move(request: pytest.FixtureRequest, s3: S3, tmp_path: Path) -> Transfer:
    """Return either transfer: what it returns, and the bytes that landed."""

    def to_s3(**arguments: Any) -> tuple[dict[str, Any], list[bytes]]:
        landed = transfer(**arguments)
        return landed, [s3.get(file["uri"].partition("/outputs/")[2]) for file in landed["files"]]

    def to_disk(**arguments: Any) -> tuple[dict[str, Any], list[bytes]]:
        path = str(tmp_path / "{index}-{name}")
        operator = WiroToObjectStorageOperator(task_id="land", wiro_task_id="2221", path=path, **arguments)
        landed = operator.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
        files = [tmp_path / file["uri"].rpartition("/")[2] for file in landed["files"]]
        return landed, [file.read_bytes() for file in files]

    return to_s3 if request.param == "s3" else to_disk


def shown(server: HostileServer, *looks: list[Any], **more: Any) -> None:
    """Have Detail show these outputs, one list after the other."""
    task = {"id": "2221", "status": "task_postprocess_end", "pexit": "0", "totalcost": "0.01", **more}
    server.on(DETAIL, *(success(tasklist=[{**task, "outputs": outputs}]) for outputs in looks))


@pytest.mark.parametrize("missing", ["", None])
def test_a_link_that_is_empty_at_first_is_waited_for(
    wiro: Wiro, server: HostileServer, move: Transfer, missing: object
) -> None:
    files = [wiro.file(PNG), wiro.file(BIG)]
    early = [{**file, "url": missing, "size": "0"} for file in files]
    shown(server, early, early, [files[0], early[1]], files)

    landed, bodies = move()
    assert bodies == [PNG, BIG]
    assert landed["total_bytes"] == len(PNG) + len(BIG)


def test_a_link_that_is_404_though_detail_shows_it_is_waited_for(
    wiro: Wiro, server: HostileServer, move: Transfer
) -> None:
    not_yet: list[Script] = [respond(b"", 404)] * 4
    file = wiro.file(PNG)
    path = file["url"].partition("/f/")[2]
    wiro._cdn.on(f"/f/{path}", *not_yet, respond(PNG, content_type="image/png"))
    shown(server, [file])

    assert move()[1] == [PNG]
    assert len(server.to(DETAIL)) >= 2


@pytest.mark.parametrize(
    ("url", "expected"),
    [("", "shows no link for output 0"), (None, "HTTP 404 .* though Wiro's Detail shows")],
)
def test_what_never_comes_is_a_passing_error(
    wiro: Wiro, server: HostileServer, move: Transfer, url: str | None, expected: str
) -> None:
    file = wiro.file(PNG, respond(b"", 404))
    shown(server, [file if url is None else {**file, "url": url}])

    with pytest.raises(WiroOutputUnavailableError, match=expected):
        move()
    assert len(server.to(DETAIL)) < 25


def test_a_poll_that_shows_no_outputs_may_pass(wiro: Wiro, server: HostileServer, move: Transfer) -> None:
    file = wiro.file(PNG)
    shown(server, [{**file, "url": ""}], [], [file])
    assert move()[1] == [PNG]


def test_an_expired_link_is_renewed_although_wiro_shows_no_outputs_for_a_moment(
    wiro: Wiro, server: HostileServer, move: Transfer
) -> None:
    file = wiro.file(PNG)
    shown(server, [wiro.file(PNG, respond(b"", 403), name=file["name"])], [], [file])
    assert move()[1] == [PNG]


@pytest.mark.parametrize("early", [{"name": ""}, {"name": "0.png?Expires=1"}, {"contenttype": ""}])
def test_a_file_has_the_name_that_comes_with_its_link(
    wiro: Wiro, server: HostileServer, move: Transfer, early: dict[str, str]
) -> None:
    file = wiro.file(PNG)
    shown(server, [{**file, "url": "", "size": "7", **early}], [file])
    landed, bodies = move()
    assert bodies == [PNG]
    assert landed["files"][0]["uri"].endswith("0-0.png")


def test_an_output_that_has_gone_for_good_is_a_passing_error(
    wiro: Wiro, server: HostileServer, move: Transfer
) -> None:
    shown(server, [{**wiro.file(PNG), "url": ""}], [])
    with pytest.raises(WiroOutputUnavailableError, match="doesn't show output 0"):
        move()


def test_an_llms_answer_has_no_link_by_nature(wiro: Wiro, server: HostileServer, move: Transfer) -> None:
    wiro.shows(LLM, {**LLM, "content": None}, debugoutput="as printed")
    _, bodies = move()
    assert bodies[1] == "Merhaba 🌍\n\nve hoşça kal\n".encode()
    assert bodies[3] == b"as printed\n"
    assert len(server.to(DETAIL)) == 1


@pytest.mark.parametrize("size", ["0", 0, "", None])
def test_a_size_of_zero_is_not_believed_against_the_bytes(wiro: Wiro, move: Transfer, size: object) -> None:
    wiro.shows(wiro.file(PNG, size=size))
    landed, bodies = move()
    assert (bodies, landed["files"][0]["size"]) == ([PNG], len(PNG))


def test_a_size_that_says_something_still_is_checked(wiro: Wiro, move: Transfer) -> None:
    wiro.shows(wiro.file(PNG, size="7"))
    with pytest.raises(AirflowFailException, match="has 7 bytes"):
        move()


@pytest.mark.parametrize("unknown", ["0", "", None])
def test_a_cost_that_is_not_known_at_first_is_asked_for_once_more(
    wiro: Wiro, s3: S3, server: HostileServer, unknown: object
) -> None:
    task = {"id": "2221", "status": "task_postprocess_end", "pexit": "0", "outputs": [wiro.file(PNG)]}
    server.on(
        DETAIL,
        success(tasklist=[{**task, "totalcost": unknown}]),
        success(tasklist=[{**task, "totalcost": "0.0035", "outputs": []}]),
    )
    landed = transfer(manifest=True)
    described = json.loads(s3.get("wiro/2221/manifest.json"))
    assert (landed["cost_usd"], described["cost_usd"], described["total_bytes"]) == (
        "0.0035",
        "0.0035",
        len(PNG),
    )
    assert len(server.to(DETAIL)) == 2


def test_a_cost_that_cannot_be_asked_for_fails_no_transfer(
    wiro: Wiro, server: HostileServer, move: Transfer
) -> None:
    task = {"id": "2221", "status": "task_postprocess_end", "pexit": "0", "outputs": [wiro.file(PNG)]}
    server.on(DETAIL, success(tasklist=[task]), refuse(1, "There is no task yet."))
    landed, bodies = move()
    assert (landed["cost_usd"], bodies) == (None, [PNG])


def test_the_manifest_says_how_an_llm_ended_and_what_it_used(wiro: Wiro, s3: S3) -> None:
    usage = {"input_tokens": 84, "output_tokens": 21, "total_tokens": 105}
    segments = [{"type": "thinking", "text": "hm"}, {"type": "answer", "text": "Hello"}]
    content = {"segments": segments, "answer": ["other"], "finishreason": "length", "usage": usage}
    wiro.shows({**LLM, "content": json.dumps(content)})

    transfer(manifest=True)

    described = json.loads(s3.get("wiro/2221/manifest.json"))
    assert (described["finish_reason"], described["usage"]) == ("length", usage)
    assert s3.get("wiro/2221/0-answer.txt") == b"Hello\n"
    assert json.loads(s3.get("wiro/2221/0-answer.json")) == content
