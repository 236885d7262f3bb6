"""
Lost Runs as a trigger may store them: enough to recognise their tasks in Wiro's list, and none of their
values.

Airflow stores a trigger's arguments as plain text, in a column of 64 KB, while parameters can be secret and
long. So texts are stored as digests of the forms in which Wiro may show them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.input_files.sent_files import SentFile
from airflow_provider_wiro.recovery.fingerprint import Concealed, conceal
from airflow_provider_wiro.recovery.lost_runs import LostRun, find_lost
from airflow_provider_wiro.recovery.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_provider_wiro.api.flow import Flow, FlowContext

#: How many characters of a trigger's row the digests may take.
MOST_CHARACTERS = 40_000


def find_to_stop(
    context: FlowContext,
    runs: Sequence[LostRun],
    known_ids: Sequence[str],
    *,
    patience_seconds: float,
    call_patience_seconds: float,
) -> Flow[list[str]]:
    """
    Search once for the tasks of Runs that are in flight or lost, to stop them.

    Stopping needs more certainty than following: only tasks that Wiro created right after the last byte of
    the sending are returned.

    :param known_ids: tasks that are known to be other runs, the latest last.
    :param patience_seconds: ``[wiro] lost_run_patience``.
    :param call_patience_seconds: how long each call is repeated.
    :return: the ids of the tasks that certainly are these runs'; none if the list can't be searched.
    :raises WiroError: Wiro can't be asked.
    """
    try:
        found = yield from find_lost(
            context,
            runs,
            known_ids,
            own_ids=reversed(known_ids),
            patience_seconds=patience_seconds,
            call_patience_seconds=call_patience_seconds,
        )
    except WiroOrphanedRunError:
        return []
    sendings = {run.item: run.sending for run in runs}
    return [
        wiro_task_id
        for item, wiro_task_id in found.tasks.items()
        if sendings[item].was_right_before(found.seen[wiro_task_id])
    ]


@dataclass(frozen=True)
class LostRunDigests:
    """
    Lost Runs that a trigger can search for.

    :ivar known_ids: tasks that are known to be other runs, the latest last.
    :ivar patience_seconds: ``[wiro] lost_run_patience``.
    """

    runs: tuple[LostRun, ...]
    known_ids: tuple[str, ...]
    patience_seconds: float

    def to_json(self, most_characters: int = MOST_CHARACTERS) -> dict[str, Any] | None:
        """Return the digests as they are stored; None if that would be longer, or if there are no runs."""
        noted = {
            "runs": [_run_to_json(run) for run in self.runs],
            "known_ids": list(self.known_ids),
            "patience": self.patience_seconds,
        }
        return noted if self.runs and len(json.dumps(noted)) <= most_characters else None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """
        Read stored digests.

        :raises ValueError, TypeError, KeyError: they are damaged.
        """
        return cls(
            tuple(_run_from_json(number, run) for number, run in enumerate(stored["runs"])),
            tuple(map(str, stored["known_ids"])),
            float(stored["patience"]),
        )


def _run_to_json(run: LostRun) -> dict[str, Any]:
    return {
        "model": run.model,
        "parameters": {name: _to_json(conceal(value)) for name, value in run.parameters.items()},
        "files": {name: [_file_to_json(one) for one in files] for name, files in run.files.items()},
        "fingerprint": run.fingerprint,
        "sending": {name: value for name, value in run.sending.to_json().items() if value is not None},
        "project_id": run.project_id,
    }


def _run_from_json(number: int, stored: Mapping[str, Any]) -> LostRun:
    return LostRun(
        number,
        stored["model"],
        {name: _from_json(value) for name, value in stored["parameters"].items()},
        stored["fingerprint"],
        Sending.from_json(stored["sending"]),
        {name: [SentFile(**one) for one in files] for name, files in stored["files"].items()},
        stored["project_id"],
    )


def _file_to_json(one: SentFile) -> dict[str, Any]:
    """
    Return what may be stored of a file.

    A query can be a signature: the URL of a run's output is stored without it, any other with a query not at
    all.
    """
    if one.url is not None:
        url, mark, _ = one.url.partition("?")
        if "@" in one.url or (mark and not one.is_output):
            return {}
        return {"url": url, "is_output": True} if one.is_output else {"url": url}
    return {} if one.sha256 is None else {"sha256": one.sha256}


def _to_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_json(part) for part in value]
    return value.to_json() if isinstance(value, Concealed) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(part) for part in value]
    return Concealed(**value) if isinstance(value, Mapping) else value
