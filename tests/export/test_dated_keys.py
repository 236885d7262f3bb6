"""The date in a key is the task's own, in UTC, in any form that strftime knows; a wrong form is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.export.dated_keys import dates_in, with_date, with_example_date

CREATED = datetime(2026, 3, 1, 1, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("wiro/{created:%Y/%m/%d}/{name}", "wiro/2026/03/01/{name}"),
        ("dt={created:%Y-%m-%d}/hr={created:%H}/{name}", "dt=2026-03-01/hr=01/{name}"),
        ("{created:%j}-{name}", "060-{name}"),
        ("{created:at %H.%M}/{name}", "at 01.05/{name}"),
        ("wiro/{name}", "wiro/{name}"),
    ],
)
def test_the_date_is_that_of_the_task_and_other_placeholders_stay(template: str, key: str) -> None:
    assert with_date(template, CREATED) == key


def test_the_date_is_in_utc_wherever_the_time_came_from() -> None:
    istanbul = datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=3)))
    assert with_date("{created:%Y/%m/%d %H}", istanbul) == "2026/02/28 22"


def test_a_task_without_a_time_has_a_place_of_its_own() -> None:
    assert with_date("wiro/{created:%Y/%m/%d}/{name}", None) == "wiro/undated/{name}"


def test_the_placeholders_of_a_template_are_known_by_their_whole_text() -> None:
    dates = dates_in("{created:%Y}/{created:%m}/{name}")
    assert dates == {"created:%Y", "created:%m", "created:%Y/%m/%d"}


@pytest.mark.parametrize("form", ["%Y/%m/%d", "%G-W%V", "%A", "%Y%m%dT%H%M%SZ", "year %Y"])
def test_any_form_of_a_date_is_accepted(form: str) -> None:
    assert with_example_date(f"a/{{created:{form}}}/{{name}}").startswith("a/")


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ("{created}", "without one"),
        ("{created:}", "without one"),
        ("{created:%n}", "gives '\\\\n'"),
        ("{created: }", "gives ' '"),
        ("{created:%!}", "gives '%!'"),
        ("{created:%s}", "Use directives of strftime"),
        ("{created:..}", "without '..'"),
        ("{created:%Y/../%m}", "without '..'"),
    ],
)
def test_a_form_that_gives_no_part_of_a_key_is_refused_with_an_example(form: str, reason: str) -> None:
    with pytest.raises(WiroUsageError, match=reason) as refused:
        with_example_date(f"wiro/{form}/{{name}}", argument="manifest")
    assert "manifest" in str(refused.value)
