"""WiroProjectToS3Operator: everything that a project has made since the last time, into S3."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_wiro.api.polling import check_poll_interval
from airflow_provider_wiro.dag_arguments.checks import check_state_path, whole_number
from airflow_provider_wiro.dag_arguments.literals import (
    check_closed,
    check_conn_id,
    check_flags,
    check_model,
    check_project_id,
    is_known_later,
)
from airflow_provider_wiro.failures import TaskStoppedError, airflow_failures, in_brief
from airflow_provider_wiro.lineage.asset_events import check_asset_events
from airflow_provider_wiro.links.landed import S3_LINKS, begin_without_links
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.spend.period import Moment, moment_of
from airflow_provider_wiro.transfers.export_arguments import check_wait, check_written
from airflow_provider_wiro.triggers.deferral import FailedDeferral, is_stale_event, longest_deferral
from airflow_provider_wiro.triggers.shortest_deferral import shortest_deferral_seconds
from airflow_provider_wiro.version_compat import is_parsed

# What takes long to import is imported where it is used: DAG files are parsed all day long and need none of
# it.
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.export.execution import ProjectExport
    from airflow_provider_wiro.export.opening import OpenedExport
    from airflow_provider_wiro.export.summary import ExportSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.transfers.export_report import ExportReport

#: How often a worker that waits for open tasks looks for them, in seconds.
_LOOK_SECONDS = 15.0


class WiroProjectToS3Operator(PlainLogs, BaseOperator):
    """
    Land the outputs of all tasks of a Wiro project that have ended since the last time, also those of others.

    Each task's outputs land once: what was landed is kept in a small state beside the export, which runs that
    work at the same time share. A run that dies loses nothing: its next try continues at once, and the next
    run of the DAG a quarter of an hour later. The state belongs to Wiro's address, the folder of ``s3_key``
    (what stands before its first placeholder), and ``project_id``, ``model`` and ``succeeded_only``: change
    one of them, and another export begins. Rename the DAG, and it continues.

    Outputs live at Wiro for a limited time, so run it at least once a day. A task of which a file is gone, or
    that can never land, is reported once, in the log, in the result and in the manifest, and doesn't stop the
    others. What may pass (the CDN or S3 fails) is left for the next try: the others land, and then the
    Airflow task fails.

    Work of agents, workflow steps and the Studio is not in Wiro's list of tasks, and can't be exported.

    :param since: where the export begins, if this is its first run: a datetime, ISO text, or a timedelta,
        which is so long ago. Without a time zone it is UTC. None: now; only what ends from now on is
        exported. Later runs pass over it. (templated)
    :param model: export only this model's tasks, ``owner/model``. None: all. (templated)
    :param succeeded_only: leave out tasks that failed or were cancelled.
    :param project_id: export only this Wiro project's tasks. None: the connection's ``project_id``; if that
        isn't set either, all tasks that the key sees, and in a team's workspace these are the whole team's.
        (templated)
    :param s3_bucket: see :class:`~airflow_provider_wiro.transfers.wiro_to_s3.WiroToS3Operator`, as for all
        arguments that are not described here. (templated)
    :param s3_key: the key of each object, or a full ``s3://bucket/key``. After Jinja, ``{wiro_task_id}``,
        which has to be in it, ``{model}``, ``{index}``, ``{name}``, ``{stem}`` and ``{suffix}`` are filled,
        and ``{created:%Y/%m/%d}`` with the time in UTC at which Wiro created the task, in any form of
        ``strftime``; ``undated`` where Wiro doesn't say it. (templated)
    :param replace: overwrite objects that are there. Otherwise an identical one is skipped, and a different
        one stays: its task is reported as refused.
    :param max_tasks: how many tasks a run lands at most; the others wait for the next one. None: all.
    :param wait_for_open: minutes to wait for tasks that have not ended, and to land them, too.
    :param deferrable: wait for them without a worker.
    :param wiro_conn_id: the Airflow connection to Wiro. (templated)
    :param aws_conn_id: the Airflow connection to S3. (templated)
    :param verify: check S3's TLS certificate; a path is a CA bundle.
    :param encrypt: have S3 encrypt the objects (SSE-S3).
    :param acl_policy: a canned ACL for the objects. (templated)
    :param extra_args: further arguments of the upload.
    :param tags: tag the objects with where they come from. (templated)
    :param manifest: write a manifest for each task, beside its outputs. Its key may have ``{created:…}`` as
        well. (templated)
    :param manifest_uri: where the manifest of the run goes: JSON Lines, a line for each task. A path or URI
        of its own for each run, such as ``s3://aws_default@bucket/exports/{{ run_id }}.jsonl``. None: in
        ``_wiro_export/manifests`` beside the export. (templated)
    :param state_path: a folder for the state, as a path or URI that all workers share. None: ``_wiro_export``
        beside the export. (templated)
    :param asset_events: "one": an ``AssetAlias`` in ``outlets`` gets one event for the run, whose asset is
        the folder of the export. "each": one event for each object.
    :param log_links: log where the first 20 outputs are, at the end.
    :param delete_after: delete the files of a task from Wiro, inputs included, once all of its outputs are in
        the bucket and recorded. A task keeps them if other runs may need its inputs, see WiroToS3Operator;
        the result counts it as ``not_deleted``.
    :param delete_shared_inputs: let ``delete_after`` delete such inputs as well: no other run needs them.
    :param max_concurrency: how many outputs, or parts of one, are moved at once, of all tasks together.
    :param part_size: bytes of each part of a large output.
    :param require_size: refuse an output whose size neither Wiro nor the CDN states.
    :param poll_interval: seconds between two looks at open tasks. None: 15 on a worker, adaptive deferred.
    :return: the counts, see :func:`~airflow_provider_wiro.export.summary.export_summary`.
    :raises AirflowFailException: a retry can't help: arguments, credentials, a bucket that refuses.
    :raises WiroError: a retry may help: Wiro or S3 can't be reached, or some tasks could not be landed now.
    """

    template_fields: Sequence[str] = (
        "since",
        "model",
        "project_id",
        "s3_bucket",
        "s3_key",
        "wiro_conn_id",
        "aws_conn_id",
        "acl_policy",
        "tags",
        "manifest",
        "manifest_uri",
        "state_path",
    )
    operator_extra_links = S3_LINKS
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        since: Moment | None = None,
        model: str | None = None,
        succeeded_only: bool = True,
        project_id: str | None = None,
        s3_bucket: str | None = None,
        s3_key: str = "wiro/{created:%Y/%m/%d}/{wiro_task_id}/{index}-{name}",
        replace: bool = False,
        max_tasks: int | None = None,
        wait_for_open: float = 0,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        wiro_conn_id: str = "wiro_default",
        aws_conn_id: str | None = "aws_default",
        verify: bool | str | None = None,
        encrypt: bool = False,
        acl_policy: str | None = None,
        extra_args: Mapping[str, Any] | None = None,
        tags: bool | Mapping[str, str] = False,
        manifest: bool | str = False,
        manifest_uri: str | None = None,
        state_path: str | None = None,
        asset_events: Literal["one", "each"] = "one",
        log_links: bool = False,
        delete_after: bool = False,
        delete_shared_inputs: bool = False,
        max_concurrency: int = 4,
        part_size: int = 8 * 1024**2,
        require_size: bool = False,
        poll_interval: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            check_conn_id(wiro_conn_id)
            if model is not None:
                check_model(model)
            check_project_id(project_id)
            check_closed("since", since)
            if not (since is None or is_known_later(since)):
                moment_of("since", since, datetime.now(UTC))
            if not is_known_later(state_path):
                check_state_path(state_path)
        check_asset_events(asset_events)
        check_flags(
            deferrable=deferrable,
            succeeded_only=succeeded_only,
            replace=replace,
            log_links=log_links,
            delete_after=delete_after,
            delete_shared_inputs=delete_shared_inputs,
            require_size=require_size,
        )
        self.since = since
        self.model = model
        self.succeeded_only = succeeded_only
        self.project_id = project_id
        self.s3_bucket = s3_bucket
        self.s3_key = s3_key
        self.replace = replace
        self.max_tasks = (
            None if max_tasks is None else whole_number("max_tasks", max_tasks, least=1, most=1_000_000)
        )
        self.wait_for_open = check_wait(wait_for_open)
        self.deferrable = deferrable
        self.wiro_conn_id = wiro_conn_id
        self.aws_conn_id = aws_conn_id
        self.verify = verify
        self.encrypt = encrypt
        self.acl_policy = acl_policy
        self.extra_args = extra_args
        self.tags = tags
        self.manifest = manifest
        self.manifest_uri = manifest_uri
        self.state_path = state_path
        self.asset_events = asset_events
        self.log_links = log_links
        self.delete_after = delete_after
        self.delete_shared_inputs = delete_shared_inputs
        self.max_concurrency = max_concurrency
        self.part_size = part_size
        self.require_size = require_size
        self.poll_interval = check_poll_interval(poll_interval)
        if is_parsed(self):
            check_written(self)
        self._manifest_template = manifest_uri
        self._is_killed = False
        self._waits_here = False
        self._export: ProjectExport | None = None
        self._report: ExportReport | None = None

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        # Airflow calls this for mapped tasks as well, in all versions.
        self._manifest_template = self.manifest_uri
        super()._do_render_template_fields(*args, **kwargs)

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's Wiro connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        hook = WiroHook(self.wiro_conn_id)
        hook.interrupted_by(self._check_killed)
        return hook

    @in_brief
    def execute(self, context: Context) -> ExportSummary:
        """Land what has ended, wait for the rest if that is wanted, and report."""
        return self._run(context, None)

    @in_brief
    def execute_complete(
        self, context: Context, event: Mapping[str, Any] | None = None, *, deadline: float | None = None
    ) -> ExportSummary:
        """
        Continue after the trigger's event: it is only a hint.

        :param deadline: Unix time until which open tasks are waited for.
        """
        if is_stale_event(event, context):
            return self._run(context, None)
        from airflow_provider_wiro.triggers.wiro_batch import BatchOutcome

        with airflow_failures():
            outcome = BatchOutcome.from_event(event)
        if outcome.is_failure:
            self._waits_here = True  # not deferred again, to a triggerer that can't follow
            self.log.warning("%s Open tasks are waited for here from now on.", outcome.message)
        return self._run(context, deadline)

    @in_brief
    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> ExportSummary:
        """Continue after a deferral, also after one that Airflow ended itself: no triggerer could follow."""
        failed = FailedDeferral.found_in(next_method, next_kwargs)
        if failed is None:
            result: ExportSummary = super().resume_execution(next_method, next_kwargs, context)
            return result
        self.log.warning("No triggerer follows the export, so it continues here. %s", failed.reason)
        self._waits_here = True
        # Airflow has replaced what the task was handed over; most of the wait is over.
        return self._run(context, time.time() if failed.is_timeout else None)

    def _run(self, context: Context, deadline: float | None) -> ExportSummary:
        """
        Run the export.

        :param deadline: of the wait for open tasks; None: it has not begun.
        """
        begin_without_links(self)
        with self._opened(context, is_beginning=deadline is None) as opened:
            export = opened.export
            export.land()
            if self.wait_for_open and (deadline is None or deadline > time.time()):
                self._wait_for_open(export, context, deadline or time.time() + 60 * self.wait_for_open)
            return self._finish(opened, context)

    @contextmanager
    def _opened(self, context: Context, *, is_beginning: bool) -> Iterator[OpenedExport]:
        from airflow_provider_wiro.export.opening import opened_export
        from airflow_provider_wiro.storage.s3.hooks import shared_s3_hooks
        from airflow_provider_wiro.transfers.export_arguments import arguments_of

        with airflow_failures(), shared_s3_hooks(), self.hook:
            arguments = arguments_of(self, self.hook, self._manifest_template)
            with opened_export(
                arguments, self.hook, context, self._check_killed, is_beginning=is_beginning
            ) as opened:
                self._export = opened.export
                try:
                    yield opened
                finally:
                    self._export = None

    def _wait_for_open(self, export: ProjectExport, context: Context, deadline: float) -> None:
        """Land the tasks that are open now as they end, until the deadline; or defer meanwhile."""
        waiting = export.open_tasks
        while waiting and (left := deadline - time.time()) > 0:
            if self.deferrable and not self._waits_here and left > shortest_deferral_seconds():
                self._defer(export, context, waiting, deadline)
            self.hook.pause(min(left, self.poll_interval or _LOOK_SECONDS))
            export.land()
            waiting &= export.open_tasks

    def _defer(
        self, export: ProjectExport, context: Context, waiting: frozenset[int], deadline: float
    ) -> None:
        """Defer until some of the open tasks have ended. None is ever stopped: they are other people's."""
        from airflow_provider_wiro.triggers.packed_tasks import fitting
        from airflow_provider_wiro.triggers.wiro_batch import WiroBatchTrigger

        until = datetime.fromtimestamp(deadline, UTC)
        self.log.info("Deferring until some of %d open tasks have ended.", len(waiting))
        export.pause_until(deadline)
        now = time.time()
        tasks = fitting([(str(number), now) for number in sorted(waiting)])
        self.defer(
            trigger=WiroBatchTrigger(
                wiro_task_ids=[wiro_task_id for wiro_task_id, _ in tasks],
                started_at=[started_at for _, started_at in tasks],
                wiro_conn_id=self.wiro_conn_id,
                wake_at=deadline,
                poll_interval=self.poll_interval,
                watch="poll",
                cancel_on_kill=False,
                try_number=context["ti"].try_number,
            ),
            method_name="execute_complete",
            kwargs={"deadline": deadline},
            timeout=longest_deferral(until),
        )

    def _finish(self, opened: OpenedExport, context: Context) -> ExportSummary:
        from airflow_provider_wiro.transfers.export_report import ExportReport

        self._report = report = ExportReport(
            opened, self.model or None, keeps_each=self.asset_events == "each"
        )
        summary = opened.export.finish(report.begin, report.take)
        report.summary = summary
        report.show(self, context)
        opened.export.raise_problems()
        return summary

    def on_kill(self) -> None:
        """Let all transfers fail at once. Nothing is stopped at Wiro; the next try continues."""
        self._is_killed = True
        if self._export is not None:
            self._export.stop()

    def _check_killed(self) -> None:
        if self._is_killed:
            raise TaskStoppedError

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Report to OpenLineage, if it is installed, where everything has landed, and what it cost."""
        return None if self._report is None else self._report.lineage()

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Report what has landed all the same."""
        return self.get_openlineage_facets_on_complete(task_instance)
