"""What an export's operator returns: counts, bytes, cost, and where the manifest is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.export.landing.landed_task import (
    BYTES,
    FAILED,
    FILES,
    NOT_DELETED,
    UNKNOWN_COSTS,
)
from airflow_provider_wiro.export.state import VANISHED, Outcome

if TYPE_CHECKING:
    from airflow_provider_wiro.export.state import ExportState, Tally

#: What an export's operator returns.
ExportSummary = dict[str, Any]


def export_summary(tally: Tally, state: ExportState, manifest_uri: str | None) -> ExportSummary:
    """
    Return the result of a run of the export.

    :param state: at its end.
    :return: ``{"tasks", "files", "total_bytes", "cost_usd", "known_cost_usd", "unknown_costs", "dead_links",
        "refused", "failed", "unattributed", "vanished", "open", "pending", "not_deleted", "manifest_uri"}``.
        ``tasks`` are those that have landed with all of their outputs, ``files`` their objects and
        ``total_bytes`` the bytes of these. ``cost_usd`` is text for ``decimal.Decimal``, what the tasks of
        the manifest cost; None if that isn't known of ``unknown_costs`` of them, and ``known_cost_usd`` is
        the sum of the others. ``dead_links`` are tasks of which a file is gone, ``refused`` those that can
        never land (not what Wiro announced, another object in the way): the manifest has the reason, and the
        export doesn't try them again. ``failed`` have failed or were cancelled, and ``succeeded_only`` leaves
        them out; ``unattributed`` were left out since Wiro doesn't show whose they are; ``vanished`` are no
        longer known to Wiro before they ended. ``open`` have not ended, ``pending`` have and wait for the
        next run. ``not_deleted`` have files that ``delete_after`` could not delete, since other runs may need
        them. ``manifest_uri`` is None if nothing has ended.
    """
    counts = tally.counts
    unknown = counts.get(UNKNOWN_COSTS, 0)
    known = plain_usd(tally.usd)
    return {
        "tasks": tally.of(Outcome.LANDED),
        "files": counts.get(FILES, 0),
        "total_bytes": counts.get(BYTES, 0),
        "cost_usd": None if unknown else known,
        "known_cost_usd": known,
        "unknown_costs": unknown,
        "dead_links": tally.of(Outcome.DEAD_LINK),
        "refused": tally.of(Outcome.REFUSED),
        "failed": counts.get(FAILED, 0),
        "unattributed": tally.of(Outcome.UNATTRIBUTED),
        "vanished": counts.get(VANISHED, 0),
        "open": len(state.open),
        "pending": len(state.pending),
        "not_deleted": counts.get(NOT_DELETED, 0),
        "manifest_uri": manifest_uri,
    }
