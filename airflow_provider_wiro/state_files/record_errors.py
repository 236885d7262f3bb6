"""Errors of the stores of records, journals and results, as WiroRecordError."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError, WiroRecordError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def record_errors(what: str) -> Iterator[None]:
    """Raise what a store's client raises as WiroRecordError."""
    try:
        yield
    except WiroError:
        raise
    except Exception as error:
        raise WiroRecordError(f"Can't read or write {what}: {type(error).__name__}: {error}") from error
