import pytest

from airflow_provider_wiro.api import flow
from tests.operators.fixtures import _short_waits, task_log, wiro, work

__all__ = ["_short_waits", "no_patience", "task_log", "wiro", "work"]


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each call but a Run fail at its first failure, so that a test needn't wait a minute for it."""
    monkeypatch.setitem(flow.call.__kwdefaults__, "patience_seconds", 0.0)
