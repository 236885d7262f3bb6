"""The result of an earlier run, as the run summary of one that was not sent names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.models import Output, Task, TaskStatus
from airflow_provider_wiro.api.run_summary import model_of, task_id_of
from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroUsageError
from airflow_provider_wiro.storage.landed_object import LandedObject

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What to do if it can't be used.
CLEAR_THE_RUN = "Clear the task of the run: it looks again, and runs the model if need be."


@dataclass(frozen=True)
class ReusedResult:
    """
    Objects that an earlier transfer has landed.

    :ivar task: the Wiro task that made them, as far as the run summary shows it. It cost nothing this time.
    """

    task: Task
    landed: Sequence[LandedObject]

    @classmethod
    def in_summary(cls, summary: object) -> ReusedResult | None:
        """
        Return the result that a run summary names; None for a run that was sent, and for an answer that was
        reused without any object: its task is read from Wiro.

        :raises WiroUsageError: it can't be read.
        """
        if not isinstance(summary, Mapping) or not summary.get("reused"):
            return None
        reuse = summary.get("reuse")
        listed = reuse.get("landed") if isinstance(reuse, Mapping) else None
        if listed == []:
            return None
        try:
            landed = [LandedObject.from_json(one) for one in (listed if isinstance(listed, list) else [None])]
        except ValueError as error:
            raise WiroUsageError(
                f"Expected the run summary of a reused result: {error} {CLEAR_THE_RUN}"
            ) from None
        return cls(_task(summary, landed), landed)

    def of(self, output: int, part: str) -> LandedObject:
        """Return the object of an output, or of a part of an answer."""
        return next(one for one in self.landed if (one.output, one.part) == (output, part))


def _task(summary: Mapping[str, Any], landed: Sequence[LandedObject]) -> Task:
    named = {one.output: one for one in landed}
    elapsed = summary.get("elapsed_seconds")
    return Task(
        task_id_of(summary),
        TaskStatus.POSTPROCESS_END.value,
        model=model_of(summary),
        exit_code="0",
        outputs=tuple(
            Output(index, one.name, one.content_type, None if one.part else one.size, None)
            for index, one in sorted(named.items())
        ),
        elapsed_seconds=elapsed if isinstance(elapsed, int | float) else None,
        cost_usd="0",
        shows_parameters=False,
    )


class ResultChangedError(WiroOutputRefusedError):
    """An object that a reused result names is gone, or is another one now. Nothing was put."""


def source_changed(uri: str) -> ResultChangedError:
    """Return the error for an object that is no longer the one that a reused result names."""
    return ResultChangedError(
        f"{uri[:300]}, which the reused result names, is gone or has changed. "
        f"Nothing was put. {CLEAR_THE_RUN}"
    )


def source_elsewhere(uri: str, reader: str) -> WiroUsageError:
    """Return the error for an object that a transfer may not, or can't, read."""
    return WiroUsageError(
        f"The reused result is in {uri[:300]}, which this transfer doesn't read: {reader}. Land it by "
        "the kind of transfer that landed it first, or run without reuse_results."
    )
