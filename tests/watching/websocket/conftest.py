from tests.contract.fixtures import _short_pauses, cdn, connect, server

__all__ = ["_short_pauses", "cdn", "connect", "server"]
