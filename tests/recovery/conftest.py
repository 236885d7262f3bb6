import pytest

from tests.input_files.object_storage import attach_memory
from tests.operators.fixtures import _short_waits, task_log, wiro, work

__all__ = ["_short_waits", "task_log", "wiro", "work"]


@pytest.fixture(autouse=True)
def _memory_is_a_store() -> None:
    attach_memory()
