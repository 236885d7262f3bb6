from tests.operators.fixtures import _short_waits, told, wiro, work

__all__ = ["_short_waits", "told", "wiro", "work"]
