"""boto3's clients for an API server: one for each connection, kept for a short time, with short timeouts."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.gallery.ranged.timed_cache import TimedCache
from airflow_provider_wiro.storage.object_files import check_known
from airflow_provider_wiro.storage.s3.hooks import s3_hook

if TYPE_CHECKING:
    from botocore.config import Config

#: After this a changed connection is seen.
KEPT_SECONDS = 60.0
_MOST_CLIENTS = 32
_CONNECT_SECONDS = 3
_READ_SECONDS = 10
#: A page has 60 thumbnails, and browsers ask for six at a time.
_CONNECTIONS = 32

_clients: TimedCache[Any] = TimedCache(KEPT_SECONDS, _MOST_CLIENTS, time.monotonic)
#: Making a client reads the connection and may ask AWS for a role: once, whatever comes at the same time.
_making = tuple(Lock() for _ in range(8))


def s3_client(aws_conn_id: str | None) -> Any:
    """
    Return the client of a connection. It signs with Signature Version 4.

    :param aws_conn_id: None: with the credentials that boto3 finds.
    :raises WiroMissingConnectionError: Airflow has no such connection.
    :raises Exception: what Airflow's hook raises for a connection that can't be used.
    """
    with _making[hash(aws_conn_id) % len(_making)]:
        client = _clients.get(aws_conn_id)
        if client is None:
            client = _new_client(aws_conn_id)
            _clients.put(aws_conn_id, client)
        return client


def forget_clients() -> None:
    """Make new clients from now on."""
    _clients.clear()


def _new_client(aws_conn_id: str | None) -> Any:
    if aws_conn_id is not None:
        check_known(aws_conn_id, f"S3 with {aws_conn_id!r}")
    hook = s3_hook(aws_conn_id)
    return hook.get_client_type(config=_patient_for_seconds(hook.config))


def _patient_for_seconds(of_connection: Config) -> Config:
    from botocore import UNSIGNED
    from botocore.config import Config

    ours = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 2},
        max_pool_connections=_CONNECTIONS,
    )
    if getattr(of_connection, "signature_version", None) is not UNSIGNED:
        # By itself boto3 signs URLs of some regions with Version 2, which most others refuse.
        ours = ours.merge(Config(signature_version="s3v4"))
    return of_connection.merge(ours)
