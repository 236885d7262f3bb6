from tests.contract.fixtures import _short_pauses, cdn, connect, no_repeats, server, twin
from tests.operators.fixtures import _short_waits, wiro

__all__ = ["_short_pauses", "_short_waits", "cdn", "connect", "no_repeats", "server", "twin", "wiro"]
