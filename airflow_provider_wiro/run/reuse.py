"""RunReuse: the result card of one run, looked up before it is sent and kept when it has ended."""

from __future__ import annotations

import time
from functools import cached_property, partial
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError
from airflow_provider_wiro.input_files.digests import fetched_digest
from airflow_provider_wiro.redaction.secret_values import secret_values
from airflow_provider_wiro.reuse.card_store import CardStore
from airflow_provider_wiro.reuse.contents import RunInputs
from airflow_provider_wiro.reuse.keeping import card_of, keep
from airflow_provider_wiro.reuse.lookup import ResultReuse
from airflow_provider_wiro.reuse.summary import CardPlace, reused_summary, with_card_place
from airflow_provider_wiro.reuse.unchanged import LandedObjects
from airflow_provider_wiro.storage.named_stores import NamedStores
from airflow_provider_wiro.storage.timestamps import to_stored

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.run.prepared_run import PreparedRun
    from airflow_provider_wiro.run.settings import RunSettings


class RunReuse:
    """
    Reuses results for one run, if its operator asks for it.

    :param settings: returns the operator's arguments, as far as they are known by now.
    :ivar fingerprint: of the run's inputs as they were when it was sent; None: nothing is reused, or it isn't
        known (any more).
    """

    def __init__(self, hook: WiroHook, settings: Callable[[], RunSettings], log: Log) -> None:
        self._hook = hook
        self._settings_of = settings
        self._log = log
        self.fingerprint: str | None = None

    @property
    def _settings(self) -> RunSettings:
        return self._settings_of()

    @property
    def is_wanted(self) -> bool:
        """Whether the operator gives ``reuse_results``."""
        return bool(self._settings.reuse_results)

    def find(self, run: PreparedRun) -> RunSummary | None:
        """
        Return the run summary of an equal run, None if this one has to be sent.

        :raises WiroUsageError: ``reuse_results`` can't be right.
        """
        if not self.is_wanted:
            return None
        reuse, settings = self._reuse, self._settings
        self.fingerprint = reuse.fingerprint_of(self._inputs(run))
        if self.fingerprint is None:
            return None
        found = reuse.find(self.fingerprint, min_outputs=settings.min_outputs)
        if found is None:
            return None
        card = found.card
        self._log.info(
            "Nothing is sent: Wiro task %s had the same inputs. Its result of %s is reused; it cost %s USD.",
            card.wiro_task_id,
            to_stored(card.made_at)[:19],
            card.cost_usd or "an unknown number of",
        )
        place = CardPlace(reuse.cards.uri, self.fingerprint)
        return reused_summary(card, place, found.landed, model=settings.model, label=settings.run_label)

    def continue_with(self, fingerprint: str | None, prepare: Callable[[], PreparedRun] | None) -> None:
        """
        Continue after a deferral.

        :param fingerprint: as it was before the deferral; None if Airflow has not kept it, as in
            ``airflow dags test``.
        :param prepare: prepares the run again; None: its inputs aren't known any more.
        """
        self.fingerprint = fingerprint
        if self.is_wanted and fingerprint is None and prepare is not None:
            try:
                self.recognise(prepare())
            except WiroError as error:  # the run is paid for: a card is not worth its failure
                self._log.warning("No result card is kept: %s", error)

    def recognise(self, run: PreparedRun) -> None:
        """Compute the fingerprint of a run that an earlier try has sent, if it is certain to be the same."""
        if self.is_wanted and self.fingerprint is None:
            inputs = self._inputs(run)
            if run.wanted.problem is None and inputs.are_fixed:
                self.fingerprint = self._reuse.fingerprint_of(inputs)
            else:
                self._log.info("No result card is kept of a run that an earlier try sent with these files.")

    def finish(self, summary: RunSummary, task: Task | None = None) -> RunSummary:
        """
        Return a run's summary with the place of its card, by which a transfer keeps one.

        The card of an answer that is text alone is kept here: nothing of it has to land.

        :param task: once it has succeeded.
        """
        if not self.is_wanted or self.fingerprint is None:
            return summary
        if task is not None:
            card = card_of(task, self.fingerprint)
            if card.is_text:
                given = secret_values(self._settings.parameters)
                secrets = [*self._hook.connection.secrets, *given, *secret_values(task.parameters)]
                keep(self._reuse.cards, card, secrets, self._log)
        return with_card_place(summary, CardPlace(str(self._settings.reuse_results), self.fingerprint))

    def _inputs(self, run: PreparedRun) -> RunInputs:
        wanted = run.wanted
        return RunInputs(self._hook.connection.base_url, wanted.model, wanted.parameters, run.files)

    @cached_property
    def _reuse(self) -> ResultReuse:
        settings, uri = self._settings, str(self._settings.reuse_results)
        return ResultReuse(
            CardStore(uri, self._log),
            LandedObjects(NamedStores(uri, settings.aws_conn_id)),
            settings.reuse_max_age,
            time.time,
            partial(fetched_digest, self._hook.connection),
            self._log,
        )
