"""boto3's clients for an API server: one for each connection, kept for a short time, with short timeouts."""

from __future__ import annotations

import re
import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroMissingConnectionError
from airflow_provider_wiro.gallery.ranged.timed_cache import TimedCache
from airflow_provider_wiro.storage.s3.hooks import s3_hook

if TYPE_CHECKING:
    from botocore.config import Config

#: The connection that Airflow's S3 needs no entry for: as in the operators, boto3 then finds credentials.
_DEFAULT_AWS = "aws_default"
#: After this a changed connection is seen.
KEPT_SECONDS = 60.0
_MOST_CLIENTS = 32
_CONNECT_SECONDS = 3
_READ_SECONDS = 10
#: A page has 60 thumbnails, and browsers ask for six at a time.
_CONNECTIONS = 32

_OF_AWS = re.compile(r"https://s3([.-][a-z0-9-]+)?\.amazonaws\.com(\.cn)?/?")

_clients: TimedCache[Any] = TimedCache(KEPT_SECONDS, _MOST_CLIENTS, time.monotonic)
#: Making a client reads the connection and may ask AWS for a role: once, whatever comes at the same time.
_making = tuple(Lock() for _ in range(8))


def s3_client(aws_conn_id: str | None, region: str | None = None) -> Any:
    """
    Return the client of a connection. It signs with Signature Version 4.

    :param aws_conn_id: None: with the credentials that boto3 finds.
    :param region: in place of the connection's.
    :raises WiroMissingConnectionError: Airflow has no such connection.
    :raises Exception: what Airflow's hook raises for a connection that can't be used.
    """
    which = (aws_conn_id, region)
    with _making[hash(which) % len(_making)]:
        client = _clients.get(which)
        if client is None:
            client = _new_client(aws_conn_id, region)
            _clients.put(which, client)
        return client


def _new_client(aws_conn_id: str | None, region: str | None) -> Any:
    hook = s3_hook(aws_conn_id)
    if aws_conn_id and aws_conn_id != _DEFAULT_AWS and hook.conn_config.conn_id != aws_conn_id:
        # Airflow's hook would go on with the credentials of the API server itself.
        raise WiroMissingConnectionError(f"Airflow has no connection {aws_conn_id!r}. Create it.")
    config = _with_short_timeouts(hook.config)
    client: Any = hook.get_client_type(region_name=region, config=config)
    if not _OF_AWS.fullmatch(client.meta.endpoint_url):
        return client
    # Else URLs are signed for an address that AWS redirects from, outside of its oldest region.
    from botocore.config import Config

    virtual: Any = {**(getattr(config, "s3", None) or {}), "addressing_style": "virtual"}
    return hook.get_client_type(region_name=region, config=config.merge(Config(s3=virtual)))


def _with_short_timeouts(of_connection: Config) -> Config:
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
