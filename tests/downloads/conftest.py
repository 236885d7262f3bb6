from tests.contract.fixtures import _short_pauses, cdn, connect, no_repeats, server, twin

__all__ = ["_short_pauses", "cdn", "connect", "no_repeats", "server", "twin"]
