"""The result of an earlier run, as the run summary of one that was not sent names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.decoding.llm_answers import RAW
from airflow_provider_wiro.api.models import Output, Task, TaskStatus
from airflow_provider_wiro.api.run_summary import model_of, task_id_of
from airflow_provider_wiro.exceptions import WiroOutputRefusedError, WiroTaskNotFoundError, WiroUsageError
from airflow_provider_wiro.storage.landed_object import LandedObject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def is_reused(summary: object) -> bool:
    """Whether this is the run summary of a run that was not sent: nothing at Wiro is its own."""
    return isinstance(summary, Mapping) and bool(summary.get("reused"))


def reused_answer(summary: Mapping[str, Any], read: Callable[[], Task]) -> Task:
    """
    Return the task of an answer that is reused without any object. It cost nothing this time.

    What Wiro shows has the whole structure of the answer. Where Wiro shows it no longer, the text of the
    summary is the answer.

    :param read: reads the task from Wiro.
    """
    try:
        task = read()
    except WiroTaskNotFoundError:
        task = None
    if task is None or not any(output.content for output in task.outputs):
        task = _answered_task(summary)
    return replace(task, cost_usd="0")


def _answered_task(summary: Mapping[str, Any]) -> Task:
    text, listed = summary.get("text"), summary.get("outputs")
    if not isinstance(text, str) or not text.strip():
        raise WiroUsageError(
            f"Expected the run summary of a reused result: its text is missing. {CLEAR_THE_RUN}"
        )
    first = listed[0] if isinstance(listed, list | tuple) and listed else {}
    name = first.get("name") if isinstance(first, Mapping) else None
    answer: dict[str, Any] = {"answer": [text]}
    if summary.get("finish_reason") is not None:
        answer["finishreason"] = summary["finish_reason"]
    if summary.get("usage") is not None:
        answer["usage"] = summary["usage"]
    return replace(
        _task(summary, ()),
        outputs=(Output(0, name if isinstance(name, str) else "", RAW, None, None, answer),),
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
