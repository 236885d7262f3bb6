from tests.metrics.recorder import stats
from tests.operators.fixtures import _short_waits, task_log, wiro, work

__all__ = ["_short_waits", "stats", "task_log", "wiro", "work"]
