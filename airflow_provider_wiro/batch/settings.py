"""What a batch is to do, as its parts need to know it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.api.polling import Watch


class Log(Protocol):
    """What is used of Airflow's logger, whose class differs by version."""

    def info(self, message: str, /, *args: object) -> object: ...
    def warning(self, message: str, /, *args: object) -> object: ...


@dataclass(frozen=True)
class BatchSettings:
    """
    The settings of a batch.

    :ivar fails_fast: submit nothing more after the first item that failed for good.
    :ivar timeout_seconds: for each item, from its submission.
    :ivar min_outputs: an item whose run succeeds with fewer outputs has failed.
    :ivar lost_run_patience: ``[wiro] lost_run_patience``, in seconds.
    :ivar try_number: of the Airflow task.
    :ivar random: from [0, 1).
    :ivar now: Unix time in seconds, by a clock that is not set while the batch works.
    :ivar defer_after_seconds: how long a batch that may defer waits here for a run to end before it does.
    :ivar shortest_deferral_seconds: it waits here too for what is due sooner than that.
    :ivar aws_conn_id: the Airflow connection by which files at ``s3://bucket/key`` are read.
    :ivar include_links: keep the URLs of outputs in results.
    """

    model: str
    project_id: str | None
    callback_url: str | None
    wiro_conn_id: str
    max_active: int
    fails_fast: bool
    max_item_retries: int
    poll_interval: float | None
    timeout_seconds: float
    watch: Watch
    cancel_on_kill: bool
    cancel_on_timeout: bool
    resubmits_orphans: bool
    min_outputs: int | None
    try_number: int
    log: Log
    random: Callable[[], float]
    now: Callable[[], float]
    lost_run_patience: float = LOST_RUN_PATIENCE_SECONDS
    defer_after_seconds: float = 0.0
    shortest_deferral_seconds: float = 0.0
    aws_conn_id: str | None = "aws_default"
    include_links: bool = False

    def wall(self, moment: float) -> datetime:
        """Return a moment of ``now`` as the wall clock's, for what is compared with that one."""
        return datetime.fromtimestamp(moment - self.now() + time.time(), tz=UTC)


@dataclass(frozen=True)
class DeferralRequest:
    """
    What a batch waits for when there is nothing else to do.

    :ivar wiro_task_ids: the tasks on their way.
    :ivar started_at: when Wiro accepted each, as Unix time.
    :ivar wake_at: when to go on at the latest, as Unix time: a deadline, or a slot that may be free.
    :ivar limit: how many may be on their way, as learned from Wiro's refusals.
    :ivar lost: items whose Run may have started a task which is not known.
    :ivar progress: how far the batch is, for its log.
    """

    wiro_task_ids: Sequence[str]
    started_at: Sequence[float]
    wake_at: float | None
    limit: int
    lost: int = 0
    progress: str = ""
