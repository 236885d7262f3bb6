"""
The Add Connection form of connection type ``wiro``: its labels, placeholders and extra fields, written once.

Airflow 3.2+ reads them from the provider info, Airflow 2.11 to 3.1 from the hook; both use these.
It imports nothing heavy, since Airflow loads it in every process.
"""

from __future__ import annotations

from typing import NamedTuple

HIDDEN_FIELDS = ("schema", "port")

LABELS = {"host": "Base URL", "login": "API key", "password": "API secret"}

PLACEHOLDERS = {
    "host": "https://api.wiro.ai/v1",
    "login": "leave empty in API-key-only mode",
    "password": "the secret; in API-key-only mode the API key itself",
}


class ExtraField(NamedTuple):
    """A field of the form, stored in the connection's extra as ``name``."""

    name: str
    label: str
    description: str
    is_secret: bool = False


EXTRA_FIELDS = (
    ExtraField(
        "websocket_url", "WebSocket URL", "Default: wss://socket.wiro.ai/v1 where the base URL is Wiro's own"
    ),
    ExtraField("project_id", "Project id", "Bill runs to this project instead of the key's own."),
    ExtraField("connect_timeout", "Connect timeout", "Seconds to wait for a connection. Default: 10"),
    ExtraField(
        "read_timeout", "Read timeout", "Seconds to wait for the next bytes of a response. Default: 60"
    ),
    ExtraField("verify", "Verify TLS", "true (default), false, or the path of a CA bundle."),
    ExtraField(
        "allow_insecure",
        "Allow insecure",
        "true: let http:// and ws:// lead to a public host. Default: false",
    ),
    ExtraField("proxy", "Proxy", "URL of an HTTP proxy; may hold its password.", is_secret=True),
)
