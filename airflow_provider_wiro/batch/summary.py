"""The result of a batch that is over: its manifest, and the summary that its Airflow task returns."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, redact

from airflow_provider_wiro.batch.inputs.shown_input import with_input
from airflow_provider_wiro.batch.results.failed_items import FailedItems, failed_uri
from airflow_provider_wiro.batch.results.manifest import write_manifest
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.deletions import Deletion
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.failures import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.batch.context import BatchContext
    from airflow_provider_wiro.batch.spending.report import SpendingReport
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.state_files.task_try import TaskTry

#: What a batch returns.
BatchSummary = dict[str, Any]


def return_result(
    batch: BatchContext,
    fatal: Exception | None,
    max_tries: int,
    task_try: TaskTry,
    check_killed: Callable[[], None],
    spending: SpendingReport | None = None,
    undeleted: WiroError | None = None,
) -> BatchSummary:
    """
    Write the manifest, and return the summary; or raise why the batch failed.

    :param fatal: what ended the whole batch.
    :param max_tries: Airflow's, of the task instance.
    :param check_killed: raises if the Airflow task was stopped.
    :param spending: what was spent, if the batch has a budget.
    :param undeleted: why files that are to be deleted are still at Wiro.
    """
    state, settings = batch.state, batch.settings

    def check() -> None:
        check_killed()
        if batch.journal is not None:
            batch.journal.check()  # a later try, if there is one, knows more

    left_out = 0 if spending is None else spending.left_out
    if fatal is not None and not batch.knows_what_was_made:
        raise fatal
    try:
        with FailedItems(batch.manifest, batch.inputs.own, batch.own) as failed_items:
            failures = write_manifest(
                batch.manifest,
                state,
                batch.shards,
                check,
                own=batch.own,
                include_links=settings.include_links,
                why_not_run=spending.reason if spending is not None and left_out else None,
                fields_of=partial(batch.inputs.fields_of, mask=_without_airflows_secrets),
                failed=failed_items,
                see=batch.links.see,
            )
            left = failed_items.put(settings.log)
    except WiroError as error:
        if fatal is None:
            raise
        settings.log.warning("%s", error)
        raise fatal from error
    settings.log.info("The results are in %s.", batch.manifest)
    batch.links.end(batch.manifest, batch.own.verify)
    if left is not None:
        settings.log.info("The items that failed or were not run are in %s.", left)
    if fatal is not None:
        raise fatal
    failed = state.count(ItemState.FAILED)
    if failed and settings.fails_fast:
        kind = AirflowException if state.may_retry else AirflowFailException
        lines = [
            f"i{batch.inputs.name(item)[1:]}: {with_input(error, batch.inputs.shown(item))}"
            for item, error in failures
        ]
        raise kind(_failure(state.total, failed, lines, batch.manifest))
    succeeded = state.count(ItemState.DONE)
    if spending is not None and left_out and settings.fails_fast:
        raise AirflowFailException(spending.message(state.total, succeeded, batch.manifest))
    if not state.is_over and not left_out:
        # Should not happen. Failing costs a retry; a summary would drop items silently.
        raise AirflowException(
            f"Only {succeeded + failed:,} of {state.total:,} items are over, though nothing is left to do. A "
            "retry continues with the others."
        )
    if settings.delete_after and state.deletions.pending:
        raise _not_deleted(len(state.deletions.pending), undeleted, batch.manifest)
    summary: BatchSummary = {
        "model": settings.model,
        "total": state.total,
        "succeeded": succeeded,
        "failed": failed,
        **({"reused": state.reused} if settings.counts_reused else {}),
        "cost_usd": state.costs.total_usd,
        "known_cost_usd": state.costs.known_usd,
        "unknown_costs": state.costs.unknown,
        **({} if spending is None else spending.to_json(state.total - succeeded - failed)),
        **({} if batch.transfer is None else {"total_bytes": state.total_bytes}),
        **(_deletions(state) if settings.delete_after else {}),
        "manifest_uri": batch.manifest,
        **({} if left is None else {"failed_uri": left}),
    }
    if batch.journal is not None:
        batch.journal.append([entries.result_returned(max_tries, summary, task_try)])
    batch.shards.delete(state.named_shards)
    return summary


def lineage_outputs(
    state: BatchState, manifest: str, landed_below: str | None
) -> list[tuple[str, int | None]]:
    """
    Return what a batch has written, for OpenLineage, each with its size where it is known.

    :param landed_below: the folder of all objects, which can be a million; None: nothing landed.
    """
    has_left = state.count(ItemState.DONE) < state.total
    outputs: list[tuple[str, int | None]] = [(manifest, None)]
    if has_left:
        outputs.append((failed_uri(manifest), None))
    return outputs if landed_below is None else [*outputs, (landed_below, state.total_bytes)]


def lineage_fields(state: BatchState, model: str) -> dict[str, Any]:
    """Return what OpenLineage's run facet says of a batch; the costs are those of all tries so far."""
    return {
        "model": model,
        "total": state.total,
        "succeeded": state.count(ItemState.DONE),
        "failed": state.count(ItemState.FAILED),
        "costUsd": state.costs.total_usd,
        "knownCostUsd": state.costs.known_usd,
        "unknownCosts": state.costs.unknown,
    }


def _deletions(state: BatchState) -> dict[str, int]:
    counted = state.deletions.count
    return {"deleted": counted(Deletion.DELETED), "not_deleted": counted(Deletion.KEPT)}


def _not_deleted(count: int, problem: WiroError | None, manifest: str) -> Exception:
    """Return the error of a batch that has done everything but that."""
    may_retry = problem is None or problem.may_retry
    kind, then = (
        (AirflowException, "A retry runs nothing again, and tries to delete them.")
        if may_retry
        else (AirflowFailException, "Then clear this task: it runs nothing again, and deletes them.")
    )
    reason = then if problem is None else explain(problem, then)
    return kind(
        f"All results are in {manifest}, and all outputs are safe in S3, but the files of {count:,} Wiro "
        f"tasks could not be deleted from Wiro: {reason}"
    )


def _failure(total: int, failed: int, lines: Sequence[str], manifest: str) -> str:
    first = "; ".join(lines)  # in one line, as all errors are: a line break would be shown escaped
    return f"{failed:,} of {total:,} items failed. All results are in {manifest}. The first failures: {first}"


def _without_airflows_secrets(text: str) -> str:
    """Return a text as Airflow shows it in a rendered field: without the secrets of variables, say."""
    return str(redact(text))
