"""WiroSpendOperator: what was spent at Wiro, and a limit for it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, BaseOperator

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.api.parameters import split_slug
from airflow_provider_wiro.dag_arguments.checks import check_usd, one_of
from airflow_provider_wiro.dag_arguments.literals import (
    check_closed,
    check_conn_id,
    check_model,
    check_project_id,
    is_known_later,
)
from airflow_provider_wiro.failures import TaskStoppedError, airflow_failures, in_brief
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.spend.period import Moment, Period, moment_of
from airflow_provider_wiro.version_compat import is_parsed

# What takes long to import is imported where it is used: parsing a DAG file, which Airflow does all day long,
# needs none of it.
if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.spend.ledger import Spend

#: The key under which Airflow keeps what a task returns.
_RETURN_VALUE = "return_value"


class WiroSpendOperator(PlainLogs, BaseOperator):
    """
    Add up what was spent at Wiro, from Wiro's own task list, and fail or skip above a limit.

    Put it before the night's production: above the limit nothing downstream runs. It counts the tasks that
    were *created* in the period, also those of scripts and colleagues with the same key; work of agents,
    workflow steps and the Studio is not in the list. The list is walked once, from the newest task down to
    ``since``; that is free, and takes a request for each 100 tasks.

    :param since: the beginning of the period: a datetime, ISO text such as ``"{{ data_interval_start }}"``,
        or a timedelta, which is so long ago. Without a time zone it is UTC. (templated)
    :param until: the end of the period, in the same forms. None: now. (templated)
    :param model: count only this model's tasks, ``owner/model``. None: all. (templated)
    :param limit_usd: how many US dollars may be spent. None: no limit. (templated)
    :param on_limit: what happens if *more* was spent: ``"fail"`` the task, without a retry, or ``"skip"`` it,
        and with it what is downstream. The result is in XCom in both cases.
    :param project_id: count only this Wiro project's tasks. None: the connection's ``project_id``; if that
        isn't set either, all tasks that the key sees are counted, and in a team's workspace these are the
        whole team's. (templated)
    :param wiro_conn_id: id of the Airflow connection, of type ``wiro``. (templated)
    :return: the sums, see :meth:`~airflow_provider_wiro.spend.ledger.Spend.to_json`.
    :raises AirflowFailException: more was spent than ``limit_usd``; or a retry can't help: arguments,
        credentials.
    :raises AirflowSkipException: more was spent than ``limit_usd``, and ``on_limit="skip"``.
    :raises WiroError: a retry may help: Wiro can't be reached.
    """

    template_fields: Sequence[str] = ("since", "until", "model", "limit_usd", "project_id", "wiro_conn_id")
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        since: Moment,
        until: Moment | None = None,
        model: str | None = None,
        limit_usd: float | str | None = None,
        on_limit: Literal["fail", "skip"] = "fail",
        project_id: str | None = None,
        wiro_conn_id: str = "wiro_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            _check_period(since, until)
            if model is not None:
                check_model(model)
            if not is_known_later(limit_usd):
                check_usd("limit_usd", limit_usd)
            check_conn_id(wiro_conn_id)
            check_project_id(project_id)
        self.since = since
        self.until = until
        self.model = model
        self.limit_usd = limit_usd
        self.on_limit = one_of("on_limit", on_limit, ("fail", "skip"))
        self.project_id = project_id
        self.wiro_conn_id = wiro_conn_id
        self._is_killed = False

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        hook = WiroHook(self.wiro_conn_id)
        hook.interrupted_by(self._check_killed)
        return hook

    @in_brief
    def execute(self, context: Context) -> dict[str, Any]:
        """Read the list, and compare the sum with the limit."""
        from airflow_provider_wiro.spend.reading import read_spend

        with airflow_failures(), self.hook:
            period = Period.of(self.since, self.until, datetime.now(UTC))
            limit = check_usd("limit_usd", self.limit_usd)
            model = self.model or None
            if model is not None:
                split_slug(model)
            check_project_id(self.project_id)  # a template can give anything
            given = self.project_id or self.hook.connection.project_id
            project_id = None if given is None else str(given).strip() or None
            spend = self.hook.run_flow(
                lambda flow_context: read_spend(
                    flow_context, period, model=model, project_id=project_id, check=self._check_killed
                )
            )
        result = spend.to_json()
        self._report(spend)
        if limit is not None and spend.usd > limit:
            # What a task returns is not kept if it fails or is skipped.
            context["ti"].xcom_push(key=_RETURN_VALUE, value=result)
            raise self._above(spend, limit)
        return result

    def on_kill(self) -> None:
        """Read no further page."""
        self._is_killed = True

    def _check_killed(self) -> None:
        if self._is_killed:
            raise TaskStoppedError

    def _report(self, spend: Spend) -> None:
        self.log.info("Spent %s.", _summary(spend))
        for line in spend.by_model:
            self.log.info(
                "%s: %s USD, %s tasks.",
                line.model or "A model that isn't named",
                plain_usd(line.usd),
                line.tasks,
            )
        if spend.open_ends:
            self.log.warning("More may have been spent: among these tasks are %s.", spend.open_ends)
        if spend.unattributed:
            self.log.warning(
                "%s tasks are counted although Wiro doesn't show whether they are of this project and model.",
                spend.unattributed,
            )
        if spend.has_other_projects:
            self.log.warning(
                "The key sees several projects' tasks, as in a team's workspace, and all are counted. For "
                "those of one, set project_id, here or in the connection's extra."
            )

    def _above(self, spend: Spend, limit: Decimal) -> Exception:
        at_least = f"More may have been spent: among these tasks are {spend.open_ends}. "
        message = (
            f"More was spent at Wiro than limit_usd={plain_usd(limit)}: {_summary(spend)}. "
            f"{at_least if spend.open_ends else ''}Raise the limit, or run this again in a later period."
        )
        return AirflowSkipException(message) if self.on_limit == "skip" else AirflowFailException(message)


def _summary(spend: Spend) -> str:
    whose = "" if spend.project_id is None else f" of project {spend.project_id}"
    model = "" if spend.model is None else f" of {spend.model}"
    return f"{plain_usd(spend.usd)} USD on {spend.tasks:,} Wiro tasks{model}{whose}, {spend.period}"


def _check_period(since: object, until: object) -> None:
    """
    Raise for a period that can't be right, as far as the DAG file writes it out.

    :raises WiroUsageError: says what to write instead.
    """
    now = datetime.now(UTC)
    for name, value in (("since", since), ("until", until)):
        check_closed(name, value)
        if not (is_known_later(value) or (name == "until" and value is None)):
            moment_of(name, value, now)
    if not (is_known_later(since) or is_known_later(until)) and until is not None:
        Period.of(since, until, now)
