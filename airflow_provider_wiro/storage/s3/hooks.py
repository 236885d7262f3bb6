"""Shares one S3Hook per connection within a task, since each new one reads the connection and logs it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    Hooks = dict[tuple[str | None, bool | str | None], S3Hook]

_SHARED: ContextVar[Hooks | None] = ContextVar("wiro_s3_hooks", default=None)


@contextmanager
def shared_s3_hooks() -> Iterator[None]:
    """Have :func:`s3_hook` return the same hook for the same connection, within this block and thread."""
    if _SHARED.get() is not None:
        yield
        return
    token = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(token)


def client_for(hook: S3Hook, max_connections: int) -> Any:
    """
    Return boto3's client of a hook, for several threads at once.

    :param max_connections: how many; boto3 itself has ten connections.
    """
    config: Any = hook.config
    if max_connections <= (config.max_pool_connections or 0):
        return hook.get_conn()
    from botocore.config import Config

    return hook.get_client_type(config=config.merge(Config(max_pool_connections=max_connections)))


def s3_hook(aws_conn_id: str | None, verify: bool | str | None = None) -> S3Hook:
    """
    Return a hook; call it where Airflow may be asked for a connection.

    :param verify: check the certificate of S3; a path is a CA bundle; None as the connection says.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    hooks = _SHARED.get()
    if hooks is None:
        return S3Hook(aws_conn_id=aws_conn_id, verify=verify)
    found = hooks.get((aws_conn_id, verify))
    if found is None:
        found = hooks.setdefault((aws_conn_id, verify), S3Hook(aws_conn_id=aws_conn_id, verify=verify))
    return found
