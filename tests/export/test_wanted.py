"""Which tasks an export wants: nobody else's, and by Detail alone where the list is silent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.export.wanted import ExportIdentity, Filters, Verdict
from tests.export.exports import task

MODEL = {"modelslugowner": "retroAIx", "modelslugproject": "Retro-Cartoons"}
OTHER_MODEL = {"modelslugowner": "google", "modelslugproject": "imagen"}


def shown(**fields: Any) -> Task:
    return Task.from_wire(task(1, **fields))


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"projectid": "1", **MODEL}, True),
        ({"projectid": "2", **MODEL}, False),
        ({"projectid": "1", **OTHER_MODEL}, False),
        ({"projectid": "2"}, False),
        ({"projectid": "1"}, None),
        (MODEL, None),
        ({}, None),
    ],
)
def test_the_list_decides_only_by_what_it_shows(fields: dict[str, Any], wanted: bool | None) -> None:
    filters = Filters(project_id="1", model="retroaix/retro-cartoons")
    assert filters.wants_listed(shown(**fields)) is wanted
    assert filters.wants_listed(shown(**fields, status="task_cancel")) is wanted, "Detail says how it ended"


def test_without_filters_everything_on_the_list_may_be_wanted() -> None:
    assert Filters().wants_listed(shown()) is True


@pytest.mark.parametrize(
    ("filters", "fields", "verdict"),
    [
        (Filters(), {}, Verdict.WANTED),
        (Filters(), {"pexit": "1"}, Verdict.NOT_WANTED),
        (Filters(), {"status": "task_cancel"}, Verdict.NOT_WANTED),
        (Filters(succeeded_only=False), {"pexit": "1"}, Verdict.WANTED),
        (Filters(succeeded_only=False), {"status": "task_cancel"}, Verdict.WANTED),
        (Filters(succeeded_only=False), {"status": "task_start"}, Verdict.NOT_ENDED),
        (Filters(project_id="1"), {"projectid": "1"}, Verdict.WANTED),
        (Filters(project_id="1"), {"projectid": "2"}, Verdict.NOT_WANTED),
        (Filters(project_id="1"), {}, Verdict.UNATTRIBUTED),
        (Filters(project_id="1"), {"pexit": "1"}, Verdict.NOT_WANTED),
        (Filters(model="RetroAIx/Retro-Cartoons"), MODEL, Verdict.WANTED),
        (Filters(model="retroaix/retro-cartoons"), OTHER_MODEL, Verdict.NOT_WANTED),
        (Filters(model="retroaix/retro-cartoons"), {}, Verdict.UNATTRIBUTED),
    ],
)
def test_detail_decides(filters: Filters, fields: dict[str, Any], verdict: Verdict) -> None:
    assert filters.verdict(shown(**fields), is_unclear=True) is verdict


def test_what_the_list_has_shown_need_not_be_shown_again() -> None:
    assert Filters(project_id="1").verdict(shown(), is_unclear=False) is Verdict.WANTED
    assert Filters(project_id="1").verdict(shown(projectid="2"), is_unclear=False) is Verdict.NOT_WANTED


@pytest.mark.parametrize(("second", "verdict"), [(0, Verdict.WANTED), (1, Verdict.NOT_WANTED)])
def test_what_was_created_before_the_beginning_is_not_wanted(second: int, verdict: Verdict) -> None:
    since = datetime.fromtimestamp(1_700_000_001 + second, UTC)
    assert Filters().verdict(shown(), is_unclear=False, since=since) is verdict


def identity(**filters: Any) -> ExportIdentity:
    return ExportIdentity("api.wiro.ai", "s3://bucket/wiro", Filters(**filters))


def test_an_export_is_another_one_with_other_filters_or_elsewhere() -> None:
    others = [
        identity(project_id="1"),
        identity(model="a/b"),
        identity(succeeded_only=False),
        ExportIdentity("api.wiro.ai", "s3://bucket/other", Filters()),
        ExportIdentity("localhost:8900", "s3://bucket/wiro", Filters()),
    ]
    assert len({identity().digest, *(other.digest for other in others)}) == 6


def test_the_form_of_a_models_slug_makes_no_other_export() -> None:
    assert identity(model="Wiro/Virtual Try-On").digest == identity(model="wiro/virtual-try-on").digest


def test_a_digest_is_the_same_in_each_process_and_version() -> None:
    assert identity().digest == "7e99a0639f495782"
