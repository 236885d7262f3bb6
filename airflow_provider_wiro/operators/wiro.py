"""WiroRunOperator: run a Wiro model as an Airflow task."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_wiro.api.polling import check_defer_after, check_poll_interval, check_watch
from airflow_provider_wiro.cancellation.run_stopper import RunStopper
from airflow_provider_wiro.dag_arguments.checks import (
    check_age,
    check_label,
    check_min_outputs,
    check_state_path,
    check_timeout,
    check_words,
    check_written_run,
    one_of,
)
from airflow_provider_wiro.dag_arguments.literals import check_flags, is_known_later
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.failures import in_brief
from airflow_provider_wiro.links.landed import WiroFirstOutputLink, begin_without_links
from airflow_provider_wiro.links.wiro import WiroTaskLink, begin_without_url
from airflow_provider_wiro.operators.secret_parameters import MasksSecretParameters
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.version_compat import is_parsed

# What takes long to import is imported where it is used: parsing a DAG file, which Airflow does all day long,
# needs none of it.
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.catalog import CheckMode
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.run.given_inputs import GiveInputs
    from airflow_provider_wiro.run.run_ends import RunEnds
    from airflow_provider_wiro.run.task_run import TaskRun


class WiroRunOperator(PlainLogs, MasksSecretParameters, BaseOperator):
    """
    Run a Wiro model, wait for its end, and return the run summary.

    A successful run is billed. The Wiro task is stopped when the Airflow task is killed, times out, is marked
    while deferred, or fails with no retry left that would follow the Wiro task.

    :param model: ``owner/model``, such as ``retroAIx/Retro-Cartoons``. (templated)
    :param parameters: the model's parameters by name; None values are left out. (templated)
    :param files: file parameter → local path, object-storage URI (``s3://bucket/key``, read with
        ``aws_conn_id``, or ``gs://google_cloud_default@bucket/key``), http(s) or ``data:`` URL, what another
        task returned (a run summary: its outputs; the result of an upload or a transfer, or one file of it),
        or a list of these. A file has 1 byte to 100 MB. (templated)
    :param callback_url: http(s) URL to which Wiro POSTs the finished task. (templated)
    :param project_id: id of the Wiro project to bill; None: the connection's. (templated)
    :param wiro_conn_id: id of the Airflow connection, of type ``wiro``. (templated)
    :param aws_conn_id: id of the Airflow connection by which files at ``s3://bucket/key`` are read.
        (templated)
    :param wait_for_completion: wait for the end. False returns as soon as Wiro has accepted the run; a
        :class:`~airflow_provider_wiro.sensors.wiro.WiroTaskSensor` can wait for it later.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param defer_after: with ``deferrable``, seconds for which the worker itself polls the run before it
        defers. A deferral takes 20 s or more, which a run of a few seconds avoids this way; the worker slot
        is occupied meanwhile. Give short models a little more than they usually take (10 for most LLMs);
        leave it at 0 for long ones, and where thousands are mapped.
    :param poll_interval: seconds between polls; None is adaptive: every second at first, less often with the
        task's age, at least every 30 s.
    :param watch: how a deferred task is notified of the end: ``"poll"``; ``"websocket"``, by which Wiro
        reports it within a second, with polling as what catches the rest; or ``"auto"``, which is that for
        the first 1,000 tasks of a connection in a triggerer. Without a ``websocket_url`` of the connection's
        own it is used only if the connection leads to Wiro itself. A worker that waits polls.
    :param timeout: seconds from the submission to the end of the Wiro task. The deadline is absolute:
        retries and triggerer restarts don't extend it.
    :param cancel_on_kill: stop the Wiro task when the Airflow task is stopped, or fails with no retry left
        that would follow the Wiro task. False leaves it running.
    :param cancel_on_timeout: stop the Wiro task when ``timeout`` has passed. False leaves it running, and a
        retry waits for it again.
    :param min_outputs: fail, so that a retry runs the model again, if a run succeeds with fewer outputs than
        this (from 1): a content filter can remove all of them. Each such run is billed. None accepts any
        number.
    :param durable: keep a record of the run outside the worker, so that a retry resumes it instead of paying
        for another: in Airflow's task state store (3.3+), else in a file below ``state_path``.
    :param state_path: absolute path (``~`` is the home directory) or object-storage URI of the folder for
        such files, shared by all workers. None: ``[wiro] state_path``, and with LocalExecutor outside of
        Kubernetes a folder in ``AIRFLOW_HOME``. Not needed on Airflow 3.3+.
    :param on_stale_state: what a retry does with an unfinished run of other parameters: ``"leave"`` it to
        end, or ``"stop"`` it.
    :param on_orphaned_intent: what a retry does if it isn't known whether an earlier try started a run:
        ``"fail"``, so that a person checks, or ``"resubmit"``, which may pay twice.
    :param check_parameters: compare parameters and files with the model's schema before anything is paid for.
        A required parameter that is missing, a value that can't be read as the parameter's type and a number
        outside of its bounds are refused. ``"warn"`` logs unknown names and values that are not among a
        select's options; ``"strict"`` refuses these, too; ``"off"`` checks nothing. Wiro is asked for the
        schema at most once an hour for a machine; without it the run is not checked, which is logged.
    :param fill_defaults: send parameters that are not given with the schema's default: some models refuse a
        run without them.
    :param allow_categories: of ``"realtime"`` and ``"training"``, those whose models may run: they don't end
        by themselves, or cost from $10.
    :param max_cost_usd: refuse the run, before it is sent, if its estimate's upper end is above this many US
        dollars. None: no limit. (templated)
    :param on_unknown_price: what ``max_cost_usd`` does about a price that isn't known before the run:
        ``"run"`` it, or ``"refuse"``.
    :param estimate_only: run nothing, and return the estimate, see
        :class:`~airflow_provider_wiro.catalog.estimate.Estimate`.
    :param reuse_results: a folder in any object store (``s3://aws_default@bucket/prefix``) for result cards.
        A run with the same model, parameters and contents of files as one that has a card there sends
        nothing, costs nothing, and returns that one's run summary with ``"reused": true``. None: no cards.
        (templated)
    :param reuse_max_age: reuse only what is younger: a timedelta, or seconds. None: whatever its age.
    :param label: a name of your own for the run: it is in the run summary, and as ``{label}`` in the keys of
        a transfer, in the objects' metadata and in the manifest. (templated)
    :param log_links: log, at the end, the URLs of the first 20 outputs. Anyone who has one can fetch the file
        while Wiro keeps it. A signed URL is not logged.
    :return: the run summary, see :func:`~airflow_provider_wiro.api.run_summary.run_summary`.
    :raises AirflowFailException: a retry can't help: credentials, balance, parameters, cancelled by hand, or
        a run whose response was lost.
    :raises WiroError: a retry may help: the model failed, the timeout passed, Wiro can't be reached.
    """

    template_fields: Sequence[str] = (
        "model",
        "parameters",
        "files",
        "callback_url",
        "project_id",
        "wiro_conn_id",
        "aws_conn_id",
        "max_cost_usd",
        "reuse_results",
        "run_label",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"parameters": "json", "files": "json"}
    operator_extra_links = (WiroTaskLink(), WiroFirstOutputLink())
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        model: str,
        parameters: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        callback_url: str | None = None,
        project_id: str | None = None,
        wiro_conn_id: str = "wiro_default",
        aws_conn_id: str | None = "aws_default",
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        defer_after: float = 0,
        poll_interval: float | None = None,
        watch: Watch = "auto",
        timeout: float = 3600,
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        min_outputs: int | None = None,
        durable: bool = True,
        state_path: str | None = None,
        on_stale_state: Literal["leave", "stop"] = "leave",
        on_orphaned_intent: Literal["fail", "resubmit"] = "fail",
        check_parameters: CheckMode = "warn",
        fill_defaults: bool = False,
        allow_categories: Sequence[str] = (),
        max_cost_usd: float | str | None = None,
        on_unknown_price: Literal["run", "refuse"] = "run",
        estimate_only: bool = False,
        reuse_results: str | None = None,
        reuse_max_age: float | timedelta | None = None,
        label: str | None = None,
        log_links: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            check_written_run(
                model=model,
                parameters=parameters,
                files=files,
                callback_url=callback_url,
                wiro_conn_id=wiro_conn_id,
                max_cost_usd=max_cost_usd,
                reuse_results=reuse_results,
            )
            if not is_known_later(label):
                check_label(label)
        check_flags(
            wait_for_completion=wait_for_completion,
            deferrable=deferrable,
            cancel_on_kill=cancel_on_kill,
            cancel_on_timeout=cancel_on_timeout,
            durable=durable,
            fill_defaults=fill_defaults,
            estimate_only=estimate_only,
            log_links=log_links,
        )
        self._names_parameters = parameters is not None
        self.model = model
        self.parameters = parameters
        self.files = files
        self.callback_url = callback_url
        self.project_id = project_id
        self.wiro_conn_id = wiro_conn_id
        self.aws_conn_id = aws_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.defer_after = check_defer_after(defer_after)
        self.poll_interval = check_poll_interval(poll_interval)
        self.watch = check_watch(watch)
        self.timeout = check_timeout(timeout)
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.min_outputs = check_min_outputs(min_outputs)
        self.durable = durable
        self.state_path = check_state_path(state_path)
        self.on_stale_state = one_of("on_stale_state", on_stale_state, ("leave", "stop"))
        self.on_orphaned_intent = one_of("on_orphaned_intent", on_orphaned_intent, ("fail", "resubmit"))
        self.check_parameters = one_of("check_parameters", check_parameters, ("warn", "strict", "off"))
        self.fill_defaults = fill_defaults
        self.allow_categories = check_words("allow_categories", allow_categories)
        self.max_cost_usd = max_cost_usd
        self.on_unknown_price = one_of("on_unknown_price", on_unknown_price, ("run", "refuse"))
        self.estimate_only = estimate_only
        self.reuse_results = reuse_results
        self.reuse_max_age = check_age("reuse_max_age", reuse_max_age)
        # Airflow's operators have a property `label`: the task's name in the graph.
        self.run_label = label
        self.log_links = log_links
        self._ends: RunEnds | None = None

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        hook = WiroHook(self.wiro_conn_id)
        hook.interrupted_by(self._stopper.check)
        return hook

    @property
    def _stopper(self) -> RunStopper:
        """Knows the Wiro task that a kill has to stop. It is made at first use, also by a signal handler."""
        found: RunStopper | None = self.__dict__.get("_the_stopper")
        if found is None:
            # A signal handler can interrupt this and make one too. With setdefault both get the same.
            found = self.__dict__.setdefault(
                "_the_stopper",
                RunStopper(
                    self.log, cancel_on_kill=self.cancel_on_kill, cancel_on_timeout=self.cancel_on_timeout
                ),
            )
        return found

    @in_brief
    def execute(self, context: Context) -> RunSummary:
        """Start the run, or resume what an earlier try started, and wait for it or defer."""
        begin_without_url(self)
        return self._show_outputs(context, self._task_run(context).execute())

    @in_brief
    def execute_when_free(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        *,
        give_up_at: float | None = None,
        refusals: int = 0,
    ) -> RunSummary:
        """Resume after a pause: ask again for a slot, or search again for a lost run."""
        task_run = self._task_run(context)
        return self._show_outputs(
            context, task_run.resume_after_pause(event, give_up_at=give_up_at, refusals=refusals)
        )

    @in_brief
    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        *,
        is_resumed: bool = False,
        follow_until: float | None = None,
        inputs: str | None = None,
    ) -> RunSummary:
        """Resume after the trigger's event: read the task itself, and return its run summary."""
        summary = self._task_run(context).complete(
            event, is_resumed=is_resumed, follow_until=follow_until, inputs=inputs
        )
        return self._show_outputs(context, summary)

    @in_brief
    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> RunSummary:
        """Resume after a deferral, also after one that Airflow ended itself, without an event."""
        from airflow_provider_wiro.triggers.deferral import FailedDeferral

        failed = FailedDeferral.found_in(next_method, next_kwargs)
        if failed is not None:
            return self._show_outputs(context, self._task_run(context).recover(failed))
        result: RunSummary = super().resume_execution(next_method, next_kwargs, context)
        return result

    @property
    def _is_killed(self) -> bool:
        """Whether Airflow has stopped the task, as in the provider's other operators."""
        return self._stopper.is_killed

    def on_kill(self) -> None:
        """Stop the Wiro task. Airflow calls this in a signal handler, after which execution continues."""
        self._stopper.kill()

    def _task_run(self, context: Context) -> TaskRun:
        from airflow_provider_wiro.metrics.run_metrics import RunMetrics
        from airflow_provider_wiro.run.run_ends import RunEnds
        from airflow_provider_wiro.run.settings import RunSettings
        from airflow_provider_wiro.run.task_run import TaskRun

        begin_without_links(self)
        metrics = RunMetrics(context["ti"].dag_id, self.model, self.log)
        self._ends = RunEnds(metrics, self._stopper, self.model)
        return TaskRun(
            self,
            context,
            RunSettings.of(self),
            self.hook,
            self._stopper,
            self._check_rendered_arguments,
            self._ends,
            self._give_inputs(context),
        )

    def _show_outputs(self, context: Context, summary: RunSummary) -> RunSummary:
        from airflow_provider_wiro.run.shown_outputs import show_outputs

        return show_outputs(self, context, summary, logs_links=self.log_links)

    def _give_inputs(self, context: Context) -> GiveInputs | None:
        """Return what sets the run's inputs when the task runs; None: Airflow has set them."""
        return None

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Report to OpenLineage, if it is installed, the model, its input files, and what the run cost."""
        return None if self._ends is None else self._ends.lineage()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Report the same of a run that failed, was stopped, or brought too few outputs."""
        return self.get_openlineage_facets_on_complete(task_instance)

    def _check_rendered_arguments(self) -> None:
        self.check_native_tuples()
        if self._names_parameters and self.parameters is None:
            raise WiroUsageError(
                "Expected `parameters` as a dict, found None: the task or template that they come from gave "
                "nothing. Nothing was sent."
            )


def __getattr__(name: str) -> Any:
    """Import WiroBatchRunOperator, which has a module of its own, only when it is asked for."""
    if name == "WiroBatchRunOperator":
        from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator

        return WiroBatchRunOperator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
