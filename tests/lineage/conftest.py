import pytest

from tests.operators.fixtures import _short_waits, task_log, wiro, work

__all__ = ["_short_waits", "task_log", "wiro", "work"]


@pytest.fixture(autouse=True)
def _openlineage() -> None:
    """It is in the group `dev`, and not in the environments of `make test-matrix`."""
    pytest.importorskip("airflow.providers.openlineage.extractors")
