"""
BeforeRun: what happens before a new run is sent, while nothing is paid for and no record is written.

A try that resumes an earlier try's run comes past none of this. In order: the model's description is looked
up, what is sent is made of what was given, that is compared with the schema, and its price with the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.parameters import clean_parameters
from airflow_provider_wiro.catalog.checks import check_category, check_run
from airflow_provider_wiro.catalog.estimate import Estimate
from airflow_provider_wiro.catalog.price import estimate
from airflow_provider_wiro.catalog.to_send import to_send
from airflow_provider_wiro.dag_arguments.checks import check_label
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroUsageError
from airflow_provider_wiro.input_files.sources import count_files
from airflow_provider_wiro.run.cost_limit import CostLimit, in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.run.prepared_run import PreparedRun
    from airflow_provider_wiro.run.reuse import RunReuse
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
    Passes or refuses one run. Whatever it does, it does once, however often the run is sent.

    :ivar reuse: finds the result of an equal run.
    :ivar is_checked: this try has passed the run before, and has waited for a slot since.
    """

    hook: WiroHook
    settings: RunSettings
    run: PreparedRun
    log: Log
    reuse: RunReuse
    is_checked: bool = False

    def __call__(self) -> RunSummary | None:
        """
        Return the result of an equal run that need not be repeated, or None if this one is to be sent.

        :raises WiroUsageError: the run can't be right, or may cost too much. Nothing was sent.
        """
        return self._result

    @cached_property
    def _result(self) -> RunSummary | None:
        check_label(self.settings.run_label)
        limit = CostLimit.of(self.settings)
        body = self.body
        if not self.is_checked:
            self._check(body, limit)
        return self.reuse.find(self.run)

    @cached_property
    def body(self) -> RunBody:
        """What the Run is sent with."""
        settings, given = self.settings, self.run.wanted.parameters
        model = self._described_model() if self._needs_model else None
        if model is None or not (settings.fill_defaults or settings.check_parameters != "off"):
            return RunBody(given, model)
        sent = to_send(model, given, self._files, fill_defaults=settings.fill_defaults)
        if sent.changes and not self.is_checked:
            self.log.info("%s", " ".join(sent.changes))
        return RunBody(sent.parameters, model)

    @property
    def _needs_model(self) -> bool:
        settings = self.settings
        is_checked = settings.check_parameters != "off" or settings.max_cost_usd is not None
        return is_checked or settings.fill_defaults or bool(self.run.files)

    def _described_model(self) -> Model | None:
        """Return the model as Wiro describes it. A run may be allowed where this is not."""
        try:
            return self.hook.cached_model(self.settings.model)
        except WiroAuthenticationError as error:
            self.log.warning("Wiro's description of %s can't be had: %s", self.settings.model, error)
            return None

    @property
    def _files(self) -> dict[str, int]:
        return {name: len(values) for name, values in self.run.files.items()}

    def _check(self, body: RunBody, limit: CostLimit) -> None:
        settings, model = self.settings, body.model
        if model is None:
            self._warn_unchecked()
            _refuse(limit.refusal(settings.model, None))
            return
        _refuse(check_category(model, settings.allow_categories))
        if settings.check_parameters != "off":
            found = check_run(model, body.parameters, self._files, mode=settings.check_parameters)
            _refuse(found.refusal(settings.model))
            if warning := found.warning(settings.model):
                self.log.warning("%s", warning)
            if not model.parameters:
                self.log.warning("Wiro lists no parameters of %s, so they were not checked.", settings.model)
        expected = estimate(model, body.parameters, self._files)
        _refuse(limit.refusal(settings.model, expected))
        self.log.info("Estimated cost of this run: %s.", in_words(expected))

    def _warn_unchecked(self) -> None:
        """Log what is not done because Wiro doesn't describe the model."""
        settings = self.settings
        left_out = ["not compared with its schema"] if settings.check_parameters != "off" else []
        if settings.fill_defaults:
            left_out.append("sent without the defaults that fill_defaults asks for")
        if settings.max_cost_usd is not None:
            left_out.append("not compared with max_cost_usd")
        if left_out:
            self.log.warning("The run of %s is %s.", settings.model, ", ".join(left_out))


def estimate_only(hook: WiroHook, settings: RunSettings, log: Log) -> dict[str, Any]:
    """
    Return what a run would cost. Nothing is run, recorded or read but the model's description.

    :return: ``{"model", …}`` and what :meth:`~airflow_provider_wiro.catalog.estimate.Estimate.to_json` gives.
    :raises WiroUsageError: model or parameters can't be right.
    """
    given = clean_parameters({} if settings.parameters is None else settings.parameters)
    files = count_files(settings.files)
    model = hook.cached_model(settings.model)
    if model is None:
        return {"model": settings.model, **Estimate(note="Wiro doesn't describe the model now.").to_json()}
    sent = to_send(model, given, files, fill_defaults=settings.fill_defaults).parameters
    found = check_run(model, sent, files, mode=settings.check_parameters)
    for problem in (check_category(model, settings.allow_categories), *found.refusals, *found.warnings):
        if problem is not None:
            log.warning("This run would be refused, or is probably not meant: %s", problem)
    expected = estimate(model, sent, files)
    log.info("Estimated cost of this run: %s. Nothing was run.", in_words(expected))
    return {"model": settings.model, **expected.to_json()}


def _refuse(refusal: str | None) -> None:
    if refusal is not None:
        raise WiroUsageError(refusal)
