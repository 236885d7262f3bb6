"""What is done when an error ends an Airflow task."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import TaskDeferred

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_provider_wiro.cancellation.log import Log


@contextmanager
def at_an_error(leave: Callable[[BaseException], None], log: Log) -> Iterator[None]:
    """
    Call ``leave`` with the error that ends this block, then let it go on. A deferral is no error.

    :param leave: what it raises itself is logged: the error of the Airflow task is the one to be seen.
    """
    try:
        yield
    except TaskDeferred:
        raise
    except BaseException as error:
        try:
            leave(error)
        except Exception:
            log.exception("Could not find out which Wiro tasks to stop; they may still run.")
        raise
