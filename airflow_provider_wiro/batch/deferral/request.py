"""What a batch defers with: the trigger, and what the task is handed when it resumes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.deferral.missing_journal import BeforeDeferral
from airflow_provider_wiro.triggers.deferral import longest_deferral
from airflow_provider_wiro.triggers.packed_tasks import MOST_CHARACTERS, fitting, pack
from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.settings import BatchSettings, DeferralRequest
    from airflow_provider_wiro.recovery.lost_run_digests import LostRunDigests

#: How often to poll the tasks that a trigger has no room for.
_LEFT_OUT_SECONDS = 300.0


def deferral_arguments(
    request: DeferralRequest, settings: BatchSettings, fingerprint: str, lost_runs: LostRunDigests | None
) -> dict[str, Any]:
    """
    Return the arguments of ``BaseOperator.defer``, for ``execute_complete`` to resume.

    :param fingerprint: of the inputs.
    :param lost_runs: the lost Runs by which the trigger finds their tasks.
    """
    now = time.time()
    tasks = fitting(list(zip(request.wiro_task_ids, request.started_at, strict=True)))
    left_out = len(request.wiro_task_ids) - len(tasks)
    settings.log.info("%s Deferring until some have ended.", request.progress)
    latest = request.wake_at or now + settings.timeout_seconds
    if left_out:
        latest = min(latest, now + _LEFT_OUT_SECONDS)
        settings.log.warning(
            "The ids of %d of them don't fit into the trigger's row in Airflow's database. They are "
            "polled every %.0f s, and a user who marks the task meanwhile leaves them running.",
            left_out,
            _LEFT_OUT_SECONDS,
        )
    return {
        "trigger": WiroBatchTrigger(
            wiro_task_ids=[wiro_task_id for wiro_task_id, _ in tasks],
            started_at=[started_at for _, started_at in tasks],
            wiro_conn_id=settings.wiro_conn_id,
            wake_at=latest,
            poll_interval=settings.poll_interval,
            watch=settings.watch,
            cancel_on_kill=settings.cancel_on_kill,
            try_number=settings.try_number,
            lost=request.lost,
            lost_runs=None if lost_runs is None else lost_runs.to_json(MOST_CHARACTERS - len(pack(tasks))),
            progress=None if request.counts is None else request.counts.to_json(),
        ),
        "method_name": "execute_complete",
        "kwargs": {
            "fingerprint": fingerprint,
            "limit": request.limit,
            "looks_at_all": left_out > 0,
            "before": BeforeDeferral.of(request.wiro_task_ids).to_json(),
        },
        "timeout": longest_deferral(datetime.fromtimestamp(latest, tz=UTC)),
    }
