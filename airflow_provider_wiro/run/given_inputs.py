"""GivenInputs: what a decorated function gives a run, and how the run's record keeps it for a retry."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.exceptions import WiroError, WiroUsageError
from airflow_provider_wiro.input_files.stored_file import with_connection
from airflow_provider_wiro.recovery.record_store import current_try
from airflow_provider_wiro.redaction.secret_values import secret_values
from airflow_provider_wiro.state_files.task_try import is_of_deleted_dag_run, was_cleared_since

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_wiro.recovery.run_record import RunRecord
    from airflow_provider_wiro.run.notes import RunNotes
    from airflow_provider_wiro.run.prepared_run import PreparedRun
    from airflow_provider_wiro.run.settings import RunSettings
    from airflow_provider_wiro.state_files.task_try import TaskTry

#: Takes the inputs that an earlier part of the task was given, or None: then it has to find them itself.
GiveInputs = Callable[["GivenInputs | None"], None]
#: A record has to fit into one value of Airflow's task state store, which takes 64 KiB.
MOST_KEPT_BYTES = 32 * 1024


@dataclass(frozen=True)
class GivenInputs:
    """
    The inputs of a run that a function has returned.

    :ivar parameters: of the model.
    :ivar files: file parameter → source or sources.
    :ivar label: the run's name, None if it has none.
    """

    parameters: Mapping[str, Any] | None
    files: Mapping[str, Any] | None = None
    label: str | None = None

    def to_record(self) -> dict[str, Any]:
        """
        Return what a record keeps: JSON, and no secret.

        Of inputs that hold a secret, are too large, or are no JSON, only the label is kept.
        """
        label = {} if self.label is None else {"label": self.label}
        if secret_values(self.parameters) or secret_values(self.files):
            return label
        try:
            kept = {"parameters": self.parameters, "files": _sources(self.files), **label}
            size = len(json.dumps(kept, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            return label
        return kept if size <= MOST_KEPT_BYTES else label

    @classmethod
    def from_record(cls, record: RunRecord | None, task_try: TaskTry, max_tries: int) -> Self | None:
        """
        Return the inputs that this task's record keeps; None if it has none that hold for this try.

        After a Clear the function decides again what is run.

        :param max_tries: Airflow's, of the task instance.
        """
        if record is None or "parameters" not in record.inputs:
            return None
        written = record.written_by
        if is_of_deleted_dag_run(written, task_try) or was_cleared_since(written, task_try, max_tries):
            return None
        return cls.from_json(record.inputs)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self | None:
        """Return what :meth:`to_record` has returned; None of inputs that it could not keep."""
        if "parameters" not in kept:
            return None
        return cls(kept["parameters"], kept.get("files"), kept.get("label"))


class TryInputs:
    """
    The inputs of one part of a try, which a function may have to give first.

    They are kept in the run's record, and where there is none, in an XCom until the try is over. A retry runs
    what the record keeps, so that a function that returns something else each time pays once.

    :param give: sets the operator's parameters, files and label; None: Airflow has set them.
    """

    def __init__(
        self, operator: BaseOperator, context: Context, notes: RunNotes, give: GiveInputs | None
    ) -> None:
        self._operator: Any = operator
        self._context = context
        self._notes = notes
        self.give = give
        self._are_taken = give is None

    @property
    def are_known(self) -> bool:
        """Whether the settings have the inputs: no function gives them, or what it has given was adopted."""
        return self._are_taken

    def taken(self, settings: RunSettings, *, is_beginning: bool) -> RunSettings:
        """
        Return the settings with the inputs that the record keeps, or that the function returns now.

        :param is_beginning: nothing of this try ran before.
        """
        if self._are_taken or self.give is None:
            return settings
        return self._adopted(settings, self._kept(is_beginning=is_beginning))

    def kept(self, settings: RunSettings) -> RunSettings:
        """Return the settings with the inputs of the Run that was sent, as far as they are kept."""
        if self._are_taken or self.give is None:
            return settings
        try:
            kept = self._kept()
        except WiroError as error:  # the run is over, or followed; its inputs are only shown
            self._operator.log.warning("%s", error)
            kept = None
        if kept is not None:
            return self._adopted(settings, kept)
        return replace(settings, run_label=self._label)

    @property
    def _label(self) -> str | None:
        record = self._notes.record()
        return (self._notes.pushed_inputs() if record is None else record.inputs).get("label")

    def keep(self, run: PreparedRun, *, is_recorded: bool) -> None:
        """
        Keep the inputs for the part of this try after a deferral.

        :param is_recorded: the record keeps them.
        """
        if run.wanted.inputs and not is_recorded:
            self._notes.push_inputs(run.wanted.inputs)

    def noted_in(self, run: PreparedRun, settings: RunSettings) -> PreparedRun:
        """Return a run whose record will keep the inputs that the function has returned."""
        if self.give is None or run.wanted.problem is not None:
            return run
        given = GivenInputs(run.wanted.parameters, settings.files, settings.run_label)
        return replace(run, wanted=replace(run.wanted, inputs=given.to_record()))

    def warnings(self, run: PreparedRun) -> tuple[str, ...]:
        """Return what to log, before anything is sent, about inputs that a retry won't find."""
        is_kept = run.wanted.problem is not None or "parameters" in run.wanted.inputs
        if self.give is None or is_kept or not self._context["ti"].max_tries:
            return ()
        return (
            "What the function has returned is not kept for a retry: it holds a secret, or is larger than "
            f"{MOST_KEPT_BYTES // 1024} KiB. A retry calls the function again. If that returns something "
            "else, another run is sent and paid for.",
        )

    def check_taken(self) -> None:
        """
        Make sure that this part of the try knows the inputs. A run that is over calls no function for them.

        :raises WiroUsageError: it doesn't.
        """
        if not self._are_taken:
            raise WiroUsageError("The record doesn't keep what the function has returned.")

    def _kept(self, *, is_beginning: bool = False) -> GivenInputs | None:
        this_try = current_try(self._context, retries=self._operator.retries, is_beginning=is_beginning)
        record = self._notes.record()
        if record is None and not is_beginning:
            return GivenInputs.from_json(self._notes.pushed_inputs())
        return GivenInputs.from_record(record, this_try, self._context["ti"].max_tries)

    def _adopted(self, settings: RunSettings, kept: GivenInputs | None) -> RunSettings:
        if self.give is None:
            raise AssertionError("only a function gives inputs")
        self.give(kept)
        self._are_taken = True
        operator = self._operator
        return replace(
            settings, parameters=operator.parameters, files=operator.files, run_label=operator.run_label
        )


def _sources(given: Any) -> Any:
    """
    Return the sources of files as JSON.

    :raises TypeError: one is something else.
    """
    if given is None or isinstance(given, str | int | float):
        return given
    if isinstance(given, os.PathLike):
        return with_connection(given)
    if isinstance(given, Mapping):
        return {str(name): _sources(source) for name, source in given.items()}
    if isinstance(given, Sequence) and not isinstance(given, bytes | bytearray):
        return [_sources(source) for source in given]
    raise TypeError(type(given).__name__)
