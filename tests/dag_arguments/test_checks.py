"""Amounts, ages, lists of words and labels: what is accepted, and what is refused with a reason."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_wiro.dag_arguments.checks import check_age, check_label, check_usd, check_words
from airflow_provider_wiro.exceptions import WiroUsageError


@pytest.mark.parametrize(
    ("given", "usd"), [(None, None), (2, "2"), (0.05, "0.05"), (" 1.5 ", "1.5"), (Decimal("0.1"), "0.1")]
)
def test_an_amount_is_read_exactly(given: object, usd: str | None) -> None:
    assert check_usd("max_cost_usd", given) == (None if usd is None else Decimal(usd))


@pytest.mark.parametrize("given", [0, -1, True, "", "1,5", "$5", "NaN", float("inf"), [], "None"])
def test_what_is_no_amount_is_refused(given: object) -> None:
    with pytest.raises(WiroUsageError, match="Expected max_cost_usd as a positive number of US dollars"):
        check_usd("max_cost_usd", given)


@pytest.mark.parametrize(("given", "seconds"), [(None, None), (60, 60.0), (timedelta(days=1), 86_400.0)])
def test_an_age_is_seconds_or_a_timedelta(given: Any, seconds: float | None) -> None:
    assert check_age("reuse_max_age", given) == seconds


@pytest.mark.parametrize("given", [0, -5, True, "1d", timedelta(0), float("nan"), float("inf")])
def test_what_is_no_age_is_refused(given: Any) -> None:
    with pytest.raises(WiroUsageError, match="Expected reuse_max_age as a timedelta, or as a positive"):
        check_age("reuse_max_age", given)


def test_words_are_a_list_and_not_one_text() -> None:
    assert check_words("data_columns", ["shelf", "sku"]) == ("shelf", "sku")
    for given in ("shelf", [1], [""], None):
        with pytest.raises(WiroUsageError, match="Expected data_columns as a list of texts"):
            check_words("data_columns", given)  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["...", "/", " . ", "\x00"])
def test_a_label_of_which_a_key_could_keep_nothing_is_refused(label: str) -> None:
    with pytest.raises(WiroUsageError, match="Expected label to have a letter or a digit"):
        check_label(label)


@pytest.mark.parametrize(
    ("label", "kept"), [("SKU 7/b", "SKU 7/b"), ("字", "字"), ("", None), (" ", None), (7, "7")]
)
def test_any_other_label_is_kept_as_it_is(label: object, kept: str | None) -> None:
    assert check_label(label) == kept
