"""Resumption: what a batch knows of the part of its try before a deferral, and what it refuses by that."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.deferral.missing_journal import (
    fail_without_journal,
    missing_place,
    unseen_tries,
)
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.batch.deferral.missing_journal import BeforeDeferral
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.exceptions import WiroError
    from airflow_provider_wiro.transport.connection import WiroConnection


@dataclass(frozen=True)
class Resumption:
    """
    What the part of a try after a deferral knows of the part before it.

    :ivar fingerprint: of the inputs.
    :ivar limit: how many runs may be in flight, as learned from Wiro's refusals.
    :ivar must_poll: the tasks to read before anything is waited for; None: all.
    :ivar before: what is known without the journal; None: nothing was deferred.
    """

    fingerprint: str | None = None
    limit: int | None = None
    must_poll: Sequence[str] | None = None
    before: BeforeDeferral | None = None

    def check_unchanged(
        self, inputs: str, journal: Journal | None, settings: BatchSettings, connection: WiroConnection
    ) -> None:
        """
        Make sure that the inputs are those of before the deferral.

        :param inputs: their fingerprint.
        :raises WiroUsageError: they are others.
        :raises WiroOrphanedRunError: they are, and the journal is missing: what was in flight is stopped.
        """
        if self.fingerprint in {None, inputs}:
            return
        changed = (
            "Inputs changed during the deferral, so finished items can't be matched. Templates of inputs, "
            "parameters and files must not change within one run."
        )
        if self.before is not None and (where := missing_place(journal)) is not None:
            raise fail_without_journal(settings, connection, self.before, where, also=changed)
        raise WiroUsageError(changed)

    def missing_journal_error(
        self, settings: BatchSettings, connection: WiroConnection, *, is_unseen: bool
    ) -> Callable[[str], WiroError] | None:
        """
        Return what makes the error for a missing journal; None if a new one may be started.

        :param is_unseen: this is a retry, and no earlier try left a trace on this machine.
        """
        if self.before is not None:
            return partial(fail_without_journal, settings, connection, self.before)
        return unseen_tries if is_unseen and not settings.resubmits_orphans else None
