"""The settings of a batch, and what it asks for when it defers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.retry import LOST_RUN_PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.batch.results.progress_xcom import ProgressXCom
    from airflow_provider_wiro.catalog import CheckMode
    from airflow_provider_wiro.metrics.run_metrics import RunMetrics
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.triggers.batch_progress import ProgressCounts


@dataclass(frozen=True)
class BatchSettings:
    """
    The settings of a batch.

    :ivar fails_fast: submit nothing more after the first item that failed permanently.
    :ivar timeout_seconds: for each item, from its submission.
    :ivar min_outputs: an item whose run succeeds with fewer outputs has failed.
    :ivar lost_run_patience: ``[wiro] lost_run_patience``, in seconds.
    :ivar try_number: of the Airflow task.
    :ivar random: from [0, 1).
    :ivar now: Unix time in seconds, by a clock that is not set while the batch works.
    :ivar is_deferrable: it may wait in the triggerer.
    :ivar defer_after_seconds: how long it then waits in the worker for a run to end before it defers.
    :ivar shortest_deferral_seconds: it also waits in the worker for what is due sooner than this.
    :ivar aws_conn_id: the Airflow connection by which files at ``s3://bucket/key`` are read.
    :ivar include_links: keep the URLs of outputs in results.
    :ivar reuse_results: the folder of result cards, None: nothing is reused.
    :ivar reuse_max_age: reuse only what is younger, in seconds.
    :ivar progress: writes how far the batch is as an XCom; None writes nothing.
    :ivar check_parameters: how strictly items are compared with the model's schema.
    :ivar fill_defaults: send omitted parameters with the schema's default.
    :ivar allow_categories: of those that are refused otherwise.
    :ivar max_cost_usd: the budget over all tries, None if there is none.
    :ivar refuses_unknown_price: run nothing whose price isn't known, if there is a budget.
    :ivar retry_failed_only: the manifest of an earlier batch, whose successes are not run again; True: the
        one that is where this batch's will be; None: all items are run.
    :ivar delete_after: delete Wiro's copies of what has landed.
    :ivar deletes_shared_inputs: also where other runs may need them.
    :ivar has_event_for_each: an asset alias is given an event for each item.
    :ivar metrics: count the items' tasks; None counts nothing.
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
    is_deferrable: bool = False
    defer_after_seconds: float = 0.0
    shortest_deferral_seconds: float = 0.0
    aws_conn_id: str | None = "aws_default"
    include_links: bool = False
    reuse_results: str | None = None
    reuse_max_age: float | None = None
    metrics: RunMetrics | None = None
    progress: ProgressXCom | None = None
    check_parameters: CheckMode = "warn"
    fill_defaults: bool = False
    allow_categories: Sequence[str] = ()
    max_cost_usd: Decimal | None = None
    refuses_unknown_price: bool = False
    retry_failed_only: str | bool | None = None
    delete_after: bool = False
    deletes_shared_inputs: bool = False
    has_event_for_each: bool = False

    @property
    def counts_reused(self) -> bool:
        """Whether results that were made before can be among the items."""
        return self.reuse_results is not None or bool(self.retry_failed_only)

    @property
    def needs_model(self) -> bool:
        """Whether Wiro is asked for the model's schema and prices."""
        return self.check_parameters != "off" or self.fill_defaults or self.max_cost_usd is not None

    def wall(self, moment: float) -> datetime:
        """Return a moment of ``now`` by the wall clock, to compare it with that one."""
        return datetime.fromtimestamp(moment - self.now() + time.time(), tz=UTC)


@dataclass(frozen=True)
class DeferralRequest:
    """
    What a batch waits for when there is nothing else to do.

    :ivar wiro_task_ids: the tasks in flight.
    :ivar started_at: the Unix time at which Wiro accepted each.
    :ivar wake_at: the Unix time at which to continue at the latest: a timeout, or a slot that may be free.
    :ivar limit: how many runs may be in flight, as learned from Wiro's refusals.
    :ivar lost: items whose Run may have started a task which is not known.
    :ivar progress: how far the batch is, for its log.
    :ivar counts: the same in numbers.
    """

    wiro_task_ids: Sequence[str]
    started_at: Sequence[float]
    wake_at: float | None
    limit: int
    lost: int = 0
    progress: str = ""
    counts: ProgressCounts | None = None
