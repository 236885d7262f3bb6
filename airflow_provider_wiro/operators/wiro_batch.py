"""WiroBatchRunOperator: many runs of a Wiro model in one Airflow task."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_wiro.api.parameters import split_slug
from airflow_provider_wiro.api.polling import check_defer_after, check_poll_interval, check_watch
from airflow_provider_wiro.batch.cancellation.stopper import BatchStopper
from airflow_provider_wiro.batch.preflight.arguments import (
    DEFAULT_KEY,
    are_listed,
    check_after_landing,
    check_folders,
    check_names,
    check_places,
    check_written_values,
)
from airflow_provider_wiro.cancellation.task_end import is_retried
from airflow_provider_wiro.dag_arguments.checks import (
    check_age,
    check_min_outputs,
    check_state_path,
    check_timeout,
    check_words,
    one_of,
    whole_number,
)
from airflow_provider_wiro.dag_arguments.literals import check_flags
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.failures import airflow_failures, in_brief
from airflow_provider_wiro.links.landed import S3_LINKS, begin_without_links
from airflow_provider_wiro.links.wiro import WiroTaskLink, begin_without_url
from airflow_provider_wiro.operators.secret_parameters import MasksSecretParameters
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.triggers.deferral import FailedDeferral, is_stale_event
from airflow_provider_wiro.triggers.shortest_deferral import shortest_deferral_seconds
from airflow_provider_wiro.version_compat import is_parsed

# What takes long to import is imported where it is used: DAG files are parsed all day long and need none of
# it.
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.batch.deferral.resumption import Resumption
    from airflow_provider_wiro.batch.execution import BatchExecution
    from airflow_provider_wiro.batch.given import Destination, Sources
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.preflight.batch_estimate import BatchEstimate
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.summary import BatchSummary
    from airflow_provider_wiro.catalog import CheckMode
    from airflow_provider_wiro.hooks.wiro import WiroHook


class WiroBatchRunOperator(PlainLogs, MasksSecretParameters, BaseOperator):
    """
    Run a Wiro model for each of many inputs, and return a summary; the results are in a manifest.

    Each item is submitted, and paid for, at most once, whatever happens to the worker: a journal outside of
    it remembers every run. A retry does only what is missing. A kill stops everything that runs. Memory use
    grows with ``max_active``, not with the number of items.

    If Wiro has no slot for another run (its concurrency limit, code 96), the batch continues with as many as
    it has; after 15 s without a refusal it tries more again, in growing steps. That uses up no retry.

    Before the first run it tries the places of journal, results and outputs with the arguments that it will
    use, so that what S3 refuses fails the task with nothing paid.

    The manifest is a file of JSON Lines, in the order of the inputs, a line an item: ``{"item" (its number,
    from 0), "id"?, "data"?, "input_digest", "input" (the item's own, shortened, without secrets), "status":
    "succeeded" | "failed" | "not_run" | "reused" (made before, with ``reuse_results`` or
    ``retry_failed_only``), "wiro_task_id", "attempts" (runs that were sent), "cost_usd", "elapsed_seconds",
    "outputs": [...], "text", "finish_reason", "usage", "error"?, "files"?: [...], "deleted"?}``, with
    outputs, text, finish reason and usage as in a run summary and files as WiroToS3Operator returns them. It
    is also written when the task fails. Items that failed or were not run are in
    ``<manifest_uri>.failed.jsonl`` as well, in the form of ``inputs``.

    :param model: ``owner/model``. (templated)
    :param inputs: what to run: a list of dicts, each the parameters of one run; or the path or object-storage
        URI (``s3://aws_default@bucket/key``) of a file: CSV with a header (``.csv``), Parquet (``.parquet``,
        needs pyarrow), else JSON Lines with one such object a line. An item with files, a name or data of its
        own is ``{"id": "SKU-001", "parameters": {...}, "files": {...}, "data": {...}}``, with ``parameters``
        or ``files`` at least; ids are unique, and ``data`` is kept in the manifest and never sent. The cells
        of a row are read as the model's schema says. Items that the DAG file doesn't list itself are data,
        and may name no more than the ``allowed_`` arguments say. All are checked before anything is
        submitted; for no items at all the log has a warning. (templated)
    :param parameters: of all items; an item's own take precedence. (templated)
    :param files: of all items, as in WiroRunOperator. (templated)
    :param project_id: the Wiro project to bill; default: the connection's. (templated)
    :param callback_url: Wiro POSTs each finished task there. (templated)
    :param wiro_conn_id: the Airflow connection, of type ``wiro``. (templated)
    :param max_active: how many runs may be in flight at once, up to 10,000.
    :param on_item_failure: ``"fail"``: after the first item that failed for good nothing more is submitted,
        what runs is followed to its end, and the task fails. ``"continue"``: all items are run, the task
        succeeds, and failures are counted in the summary and described in the manifest. An item that can't
        be sent (a line break in a parameter's name, say) is a failed item then, and fails the batch before
        anything is paid for with ``"fail"``.
    :param max_item_retries: how often a failed item is tried again, if that may help; in each try of the
        Airflow task.
    :param deferrable: wait in the triggerer. A worker is needed only to submit, and to land what has ended.
    :param defer_after: with ``deferrable``, how many seconds the worker waits without any run having ended
        before it defers. A batch of runs that are shorter than that is done without a deferral, which takes
        20 s or more each time; the worker slot is occupied meanwhile.
    :param poll_interval: seconds between polls; None is adaptive.
    :param timeout: seconds for each item, from its submission.
    :param watch: how ends are detected, see :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`.
    :param cancel_on_kill: stop the Wiro tasks when the Airflow task is stopped, or fails with no retry left
        that would follow them.
    :param cancel_on_timeout: stop the Wiro task of an item whose ``timeout`` has passed. Left running, it is
        followed again by the item's retry.
    :param min_outputs: an item fails, and is run again if it has retries left, if its run succeeds with fewer
        outputs than this (from 1). Each such run is billed. None takes any number.
    :param state_path: a path or object-storage URI for the journal; default: Airflow's task state store
        (3.3+), else ``[wiro] state_path``, and with LocalExecutor a folder in ``AIRFLOW_HOME``. Files are
        removed once the result was returned, except a summary that is kept some hours for a retry.
    :param manifest_uri: a path or object-storage URI for the manifest; default: with a bucket
        ``wiro/batches/<dag>/<run>/<task>.jsonl`` in it, else below ``[wiro] state_path``. One that is given
        to a mapped batch has to differ for each ``map_index``. Results are kept below
        ``<manifest_uri>.parts`` until then. (templated)
    :param on_orphaned_intent: what becomes of an item if it isn't known whether its run was started: it fails
        (``"fail"``), so that a person checks, or is run again (``"resubmit"``), which may pay twice.
    :param delete_after: once an item's outputs are verified in S3, and its result is recorded, delete the
        files of its Wiro task, inputs included. A retry deletes what a crash has left. Files of items that
        failed or are reused stay; so they do, with a warning, where WiroToS3Operator would refuse to delete
        them: an input in Wiro's storage was not sent as bytes with this very run, an answer is empty, an
        output may be truncated. The summary counts ``deleted`` and ``not_deleted``.
    :param delete_shared_inputs: let ``delete_after`` delete inputs that other runs could need: none does.
    :param asset_events: "one": each of ``outlets`` gets one event for the batch, whose ``extra`` is the
        summary; the asset of an ``AssetAlias`` is the manifest. "each": an alias gets an event for each item
        that has landed, of up to 100 items. A batch that fails has no events.
    :param allowed_local_paths: local folders whose files an item may name that comes as data: a line of a
        file, another task's output, a mapped argument. Default: none.
    :param allowed_connections: ids of connections that such an item's object-storage URIs may name, beside
        the operator's own ``aws_conn_id`` for S3.
    :param allowed_item_parameters: of ``callbackUrl`` and ``projectid``, which such an item may set: who
        gets its result, and who is billed.
    :param s3_bucket: land each item's outputs there as soon as it has ended; it is done only when they are
        verified in S3. Without it, and without ``s3_key``, nothing is landed. (templated)
    :param s3_key: the key of each object, as in WiroToS3Operator, with ``{item}`` for the item's number and
        ``{id}`` for its id, cleaned as a file's name is; of several items it needs one of these or
        ``{wiro_task_id}``. Without ``s3_bucket`` it is a full ``s3://`` URL,
        or a key in the bucket that the S3 connection names. (templated)
    :param aws_conn_id: the Airflow connection to S3, to land outputs and to read files at
        ``s3://bucket/key``. (templated)
    :param replace: overwrite objects that are there; see WiroToS3Operator, also for what follows.
    :param verify: check S3's TLS certificate; a path is a CA bundle. This, and the next three, apply to the
        journal, the results and the manifest in S3 as well.
    :param encrypt: have S3 encrypt the objects (SSE-S3).
    :param acl_policy: a canned ACL for the objects. (templated)
    :param extra_args: further arguments of the upload. What describes outputs (content headers, ``Metadata``,
        ``StorageClass``) applies to outputs only; ACL, grants and ``ExpectedBucketOwner`` in the outputs'
        bucket only; Object Lock also to the manifest.
    :param tags: tag the objects with where they come from. (templated)
    :param max_concurrency: how many items are landed at once.
    :param part_size: bytes of each part of a large output.
    :param require_size: refuse an output whose size nobody states, see WiroToS3Operator.
    :param include_links: keep the URLs of outputs in the manifest. Anyone who has one can fetch the file, so
        that by default ``url`` is null there; Wiro's Detail, WiroTaskSensor or a transfer has it again.
    :param log_links: log, at the end, where the first 20 outputs are: the URI and, where the store's console
        is known, its page; of outputs that don't land, with ``include_links``, their URLs at Wiro.
    :param check_parameters: compare all items with the model's schema before anything is paid for.
        A required parameter that is missing, a value that can't be read as the parameter's type and a number
        outside of its bounds are refused. ``"warn"`` logs unknown names and values that are not among a
        select's options; ``"strict"`` refuses these, too; ``"off"`` checks nothing. Wiro is asked for the
        schema at most once an hour for a machine; without it the run is not checked, which is logged. All
        items are checked before the first run. One that is refused fails the batch there, or is a failed item
        with ``on_item_failure="continue"``.
    :param fill_defaults: send parameters that are not given with the schema's default: some models refuse a
        run without them.
    :param allow_categories: of ``"realtime"`` and ``"training"``, those whose models may run: they don't end
        by themselves, or cost from $10.
    :param max_cost_usd: a budget in US dollars for the whole batch, over all tries of the Airflow task.
        Nothing is submitted that could exceed it, given what was spent and the upper ends of the estimates of
        what is in flight; what doesn't fit ends as ``not_run``, with the reason. With
        ``on_item_failure="fail"`` the first such item ends the batch, and the task fails, without a retry;
        with ``"continue"`` cheaper items still run, and the task succeeds. None: no limit. (templated)
    :param on_unknown_price: what ``max_cost_usd`` does about items whose price isn't known before their run:
        ``"run"`` them, counted once their cost is known, so that the budget is no bound for them; or
        ``"refuse"`` the batch before its first run.
    :param estimate_only: run nothing, keep nothing, and return ``{"model", "total", "unknown" (items without
        a known price), "refused" (items that can't be right, and aren't in the sums), "min_usd", "max_usd"
        (None if an item's price isn't known), "known_max_usd", "item_min_usd", "item_max_usd" (the cheapest
        and the dearest item), "assumed" (parameter → the default by which prices were found), "notes"}``.
    :param reuse_results: as in WiroRunOperator, item by item: what was made before is written into the
        manifest as ``reused`` and costs nothing. (templated)
    :param reuse_max_age: as in WiroRunOperator.
    :param retry_failed_only: run only the items that didn't succeed in an earlier batch: the path or URI of
        its manifest, or its summary, such as another task's output. The others are written into the new
        manifest as ``reused``, with the files that they landed as, and cost nothing. So is an item whose run
        succeeded and only didn't land: it is landed now. An item with an id is the one with that
        id, whatever its input is by now; any other is the one with its number, and the batch is refused if
        its input has changed. True: the manifest that is at ``manifest_uri``, from before a clear, say;
        without one all items are run. (templated)
    :param id_column: the key of each row that is its id, for inputs that are rows (CSV, Parquet, SQL rows
        from XCom) and not ``{"id": …, "parameters": {…}}``. None: a row has no id.
    :param data_columns: keys of each row that are kept in the manifest, and never sent. The other columns are
        files, where the model's schema says so, and else parameters.
    :return: ``{"model", "total", "succeeded", "failed", "reused" (of those that succeeded; with
        ``reuse_results`` or ``retry_failed_only``), "cost_usd" (of all runs that succeeded at Wiro, None
        if that of one is not known), "known_cost_usd" (the sum of those that are), "unknown_costs" (how many
        are not), "not_run", "budget_usd", "spent_usd" (with ``max_cost_usd``: by all tries, with the upper
        end of the estimate where a cost isn't known), "total_bytes" (if landed), "deleted", "not_deleted"
        (with ``delete_after``), "manifest_uri", "failed_uri" (of the items that failed or were not run; only
        if there are any)}``. What Wiro has not recorded by the end of the batch stays unknown.
    :raises AirflowFailException: a retry can't help: inputs, credentials, balance, or the items that failed.
    :raises AirflowException: items failed, and a retry of those and of what is missing may help.
    """

    template_fields: Sequence[str] = (
        "model",
        "inputs",
        "parameters",
        "files",
        "project_id",
        "callback_url",
        "wiro_conn_id",
        "manifest_uri",
        "s3_bucket",
        "s3_key",
        "aws_conn_id",
        "acl_policy",
        "tags",
        "max_cost_usd",
        "reuse_results",
        "retry_failed_only",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "inputs": "json",
        "parameters": "json",
        "files": "json",
    }
    operator_extra_links = (WiroTaskLink(), *S3_LINKS)
    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        model: str,
        inputs: Any,
        parameters: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        project_id: str | None = None,
        callback_url: str | None = None,
        wiro_conn_id: str = "wiro_default",
        max_active: int = 20,
        on_item_failure: Literal["fail", "continue"] = "fail",
        max_item_retries: int = 1,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        defer_after: float = 0,
        poll_interval: float | None = None,
        timeout: float = 3600,
        watch: Watch = "auto",
        cancel_on_kill: bool = True,
        cancel_on_timeout: bool = True,
        min_outputs: int | None = None,
        state_path: str | None = None,
        manifest_uri: str | None = None,
        on_orphaned_intent: Literal["fail", "resubmit"] = "fail",
        s3_bucket: str | None = None,
        s3_key: str = DEFAULT_KEY,
        aws_conn_id: str | None = "aws_default",
        replace: bool = False,
        verify: bool | str | None = None,
        encrypt: bool = False,
        acl_policy: str | None = None,
        extra_args: Mapping[str, Any] | None = None,
        tags: bool | Mapping[str, str] = False,
        max_concurrency: int = 4,
        part_size: int = 8 * 1024**2,
        require_size: bool = False,
        delete_after: bool = False,
        delete_shared_inputs: bool = False,
        asset_events: Literal["one", "each"] = "one",
        allowed_local_paths: Sequence[str | os.PathLike[str]] = (),
        allowed_connections: Sequence[str] = (),
        allowed_item_parameters: Sequence[str] = (),
        include_links: bool = False,
        check_parameters: CheckMode = "warn",
        fill_defaults: bool = False,
        allow_categories: Sequence[str] = (),
        max_cost_usd: float | str | None = None,
        on_unknown_price: Literal["run", "refuse"] = "run",
        estimate_only: bool = False,
        reuse_results: str | None = None,
        reuse_max_age: float | timedelta | None = None,
        retry_failed_only: str | bool | Mapping[str, Any] | None = None,
        id_column: str | None = None,
        data_columns: Sequence[str] = (),
        log_links: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            check_written_values(
                model=model,
                inputs=inputs,
                parameters=parameters,
                files=files,
                callback_url=callback_url,
                wiro_conn_id=wiro_conn_id,
                max_cost_usd=max_cost_usd,
                reuse_results=reuse_results,
                retry_failed_only=retry_failed_only,
                manifest_uri=manifest_uri,
            )
        lands = bool(s3_bucket or s3_key != DEFAULT_KEY)
        if lands:
            from airflow_provider_wiro.landing.plan import PLACEHOLDERS
            from airflow_provider_wiro.landing.s3.argument_checks import check_written_arguments

            check_written_arguments(
                s3_bucket=s3_bucket,
                s3_key=s3_key,
                encrypt=encrypt,
                acl_policy=acl_policy,
                extra_args=extra_args,
                tags=tags,
                max_concurrency=max_concurrency,
                part_size=part_size,
                placeholders=PLACEHOLDERS | {"item", "id"},
            )
        if is_parsed(self):
            check_places(inputs, manifest_uri, s3_key if lands else None)
        check_flags(
            deferrable=deferrable,
            cancel_on_kill=cancel_on_kill,
            cancel_on_timeout=cancel_on_timeout,
            replace=replace,
            require_size=require_size,
            delete_after=delete_after,
            delete_shared_inputs=delete_shared_inputs,
            include_links=include_links,
            fill_defaults=fill_defaults,
            estimate_only=estimate_only,
            log_links=log_links,
        )
        check_after_landing(lands=lands, delete_after=delete_after, asset_events=asset_events)
        self.model = model
        self.inputs = inputs
        self.parameters = parameters
        self.files = files
        self.project_id = project_id
        self.callback_url = callback_url
        self.wiro_conn_id = wiro_conn_id
        self.max_active = whole_number("max_active", max_active, least=1, most=10_000)
        self.on_item_failure = one_of("on_item_failure", on_item_failure, ("fail", "continue"))
        self.max_item_retries = whole_number("max_item_retries", max_item_retries, least=0, most=100)
        self.deferrable = deferrable
        self.defer_after = check_defer_after(defer_after)
        self.poll_interval = check_poll_interval(poll_interval)
        self.timeout = check_timeout(timeout)
        self.watch = check_watch(watch)
        self.cancel_on_kill = cancel_on_kill
        self.cancel_on_timeout = cancel_on_timeout
        self.min_outputs = check_min_outputs(min_outputs)
        self.state_path = check_state_path(state_path)
        self.manifest_uri = manifest_uri
        self.on_orphaned_intent = one_of("on_orphaned_intent", on_orphaned_intent, ("fail", "resubmit"))
        self.s3_bucket = s3_bucket
        self.s3_key = s3_key
        self.aws_conn_id = aws_conn_id
        self.replace = replace
        self.verify = verify
        self.encrypt = encrypt
        self.acl_policy = acl_policy
        self.extra_args = extra_args
        self.tags = tags
        self.max_concurrency = max_concurrency
        self.part_size = part_size
        self.require_size = require_size
        self.delete_after = delete_after
        self.delete_shared_inputs = delete_shared_inputs
        self.asset_events = asset_events
        self.allowed_local_paths = check_folders("allowed_local_paths", allowed_local_paths)
        self.allowed_connections = check_names("allowed_connections", allowed_connections)
        self.allowed_item_parameters = check_names("allowed_item_parameters", allowed_item_parameters)
        self._keep_templates()
        self.include_links = include_links
        self.check_parameters = one_of("check_parameters", check_parameters, ("warn", "strict", "off"))
        self.fill_defaults = fill_defaults
        self.allow_categories = check_words("allow_categories", allow_categories)
        self.max_cost_usd = max_cost_usd
        self.on_unknown_price = one_of("on_unknown_price", on_unknown_price, ("run", "refuse"))
        self.estimate_only = estimate_only
        self.reuse_results = reuse_results
        self.reuse_max_age = check_age("reuse_max_age", reuse_max_age)
        self.retry_failed_only = retry_failed_only
        self.id_column = None if id_column is None else check_words("id_column", [id_column])[0]
        self.data_columns = check_words("data_columns", data_columns)
        self.log_links = log_links
        self._waits_here = not self.deferrable
        self._execution: BatchExecution | None = None

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        return WiroHook(self.wiro_conn_id)

    @property
    def _keeps_inputs(self) -> bool:
        """Whether a file of inputs is the user's, and is still there after the task."""
        return True

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        # Airflow calls this for mapped tasks as well: see MasksSecretParameters.
        self._keep_templates()
        super()._do_render_template_fields(*args, **kwargs)

    def _keep_templates(self) -> None:
        """Keep what the DAG's author wrote before it is rendered."""
        self._lists_inputs = are_listed(self.inputs)
        self._manifest_template = self.manifest_uri if isinstance(self.manifest_uri, str) else None

    @in_brief
    def execute(self, context: Context) -> BatchSummary:
        """Run what isn't done yet: to the end, or until there is only something to wait for."""
        begin_without_url(self)
        begin_without_links(self)
        if self.estimate_only:
            return self._estimate(context)
        with self._stopping_what_nobody_follows(context):
            return self._continue(context, is_beginning=True)

    def _estimate(self, context: Context) -> BatchEstimate:
        """Return what the batch will cost. Nothing is run or kept, and there is nothing to stop."""
        from airflow_provider_wiro.batch.preflight.item_checks import ItemFindings
        from airflow_provider_wiro.batch.preflight.model_rules import ModelRules
        from airflow_provider_wiro.batch.reuse.carried_items import made_before
        from airflow_provider_wiro.storage.s3.hooks import shared_s3_hooks

        with airflow_failures(), shared_s3_hooks(), self.hook:
            split_slug(self.model)
            self.check_native_tuples()
            project_id = self.project_id or self.hook.connection.project_id
            settings = self._settings(context, context["ti"].try_number, project_id)
            model = self.hook.cached_model(self.model)
            with self._sources().open(settings, lambda: model, keeps_bad=True) as inputs:
                rules = ModelRules.of(settings, model)
                made = made_before(settings, inputs, self.manifest_uri)
                found = ItemFindings(inputs, rules, settings, is_made=made)
                found.log_for_estimate(self.log)
                return found.sum.to_json(self.model, len(inputs))

    @in_brief
    def execute_complete(
        self,
        context: Context,
        event: Mapping[str, Any] | None = None,
        *,
        fingerprint: str | None = None,
        limit: int | None = None,
        looks_at_all: bool = False,
        before: dict[str, Any] | None = None,
    ) -> BatchSummary:
        """
        Continue after the trigger's event.

        :param fingerprint: of the inputs before the deferral.
        :param limit: how many runs may be in flight, as learned from Wiro's refusals.
        :param looks_at_all: the trigger could not be given all of the tasks.
        :param before: what is known without the journal, see
            :class:`~airflow_provider_wiro.batch.deferral.missing_journal.BeforeDeferral`.
        """
        from airflow_provider_wiro.batch.deferral.missing_journal import BeforeDeferral
        from airflow_provider_wiro.batch.deferral.resumption import Resumption
        from airflow_provider_wiro.triggers.wiro_batch import BatchOutcome

        with self._stopping_what_nobody_follows(context):
            if is_stale_event(event, context):
                return self._continue(context, Resumption(before=BeforeDeferral.from_json(before, ())))
            with airflow_failures():
                outcome = BatchOutcome.from_event(event)
            if outcome.is_failure:
                # Not deferred again, to a triggerer that can't follow.
                self._waits_here = True
                self.log.warning("%s The batch is followed here from now on.", outcome.message)
            elif outcome.message:
                self.log.info("%s Polling all tasks here.", outcome.message)
            must_poll = None if outcome.message or looks_at_all else outcome.ended
            resumption = Resumption(
                fingerprint, limit, must_poll, BeforeDeferral.from_json(before, outcome.ended)
            )
            return self._continue(context, resumption)

    @in_brief
    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> BatchSummary:
        """Continue after a deferral, also after one that Airflow ended itself: no triggerer could follow."""
        failed = FailedDeferral.found_in(next_method, next_kwargs)
        if failed is None:
            result: BatchSummary = super().resume_execution(next_method, next_kwargs, context)
            return result
        self.log.warning("No triggerer follows the batch, so it is followed here. %s", failed.reason)
        self._waits_here = True
        from airflow_provider_wiro.batch.deferral.resumption import Resumption
        from airflow_provider_wiro.batch.deferral.xcom_note import before_failed_deferral

        with self._stopping_what_nobody_follows(context):
            # Airflow has replaced what the task was handed over.
            before, fingerprint = before_failed_deferral(context)
            return self._continue(context, Resumption(fingerprint, before=before))

    @contextmanager
    def _stopping_what_nobody_follows(self, context: Context) -> Iterator[None]:
        """
        Stop the Wiro tasks if an error leaves this block and no later try would follow them.

        Within it, each S3 connection is read once.
        """
        from airflow_provider_wiro.storage.s3.hooks import shared_s3_hooks

        def is_followed(error: BaseException) -> bool:
            return (
                not self._stopper.is_killed
                and is_retried(error, context)
                and self._open_journal(context) is not None
            )

        def prepare() -> None:
            try:
                journal = self._open_journal(context)
            except WiroUsageError:  # most likely the error that is being handled: there can be no journal
                journal = None
            self._stopper.prepare(self.hook, journal, try_number=context["ti"].try_number)

        begin_without_links(self)
        with shared_s3_hooks(), self._stopper.unless_followed(is_followed, prepare):
            yield

    @property
    def _stopper(self) -> BatchStopper:
        found: BatchStopper | None = self.__dict__.get("_the_stopper")
        if found is None:
            # A signal handler can make one at this very moment. With setdefault both use the same.
            found = self.__dict__.setdefault(
                "_the_stopper", BatchStopper(self.log, cancel_on_kill=self.cancel_on_kill)
            )
        return found

    def _open_journal(self, context: Context) -> Journal | None:
        from airflow_provider_wiro.batch.journal.location import open_journal
        from airflow_provider_wiro.operators.batch_arguments import own_objects_of

        return open_journal(context, state_path=self.state_path, own=own_objects_of(self))

    def _continue(
        self, context: Context, resumption: Resumption | None = None, *, is_beginning: bool = False
    ) -> BatchSummary:
        """
        Do what can be done now.

        :param resumption: None: nothing was deferred.
        :param is_beginning: nothing of this try ran before.
        """
        from airflow_provider_wiro.batch.deferral.resumption import Resumption
        from airflow_provider_wiro.batch.deferral.xcom_note import note_before_deferral
        from airflow_provider_wiro.batch.execution import BatchExecution
        from airflow_provider_wiro.batch.results.asset_events import report_batch
        from airflow_provider_wiro.batch.results.links import BatchLinks
        from airflow_provider_wiro.hooks.flow_context import poll_patience_seconds
        from airflow_provider_wiro.recovery.record_store import current_try

        task_try = current_try(context, retries=self.retries, is_beginning=is_beginning)
        with airflow_failures(), self.hook:
            split_slug(self.model)
            # Reject wrong settings before anything is billed.
            self.check_native_tuples()
            poll_patience_seconds()
            shortest_deferral_seconds()
            # Airflow is asked for everything here, before the event loop runs: there it must not be.
            connection = self.hook.connection
            destination = self._destination()
            journal = self._open_journal(context)
            self._stopper.prepare(self.hook, journal, try_number=task_try.number)
            self._stopper.check()
            execution = BatchExecution(
                self._settings(context, task_try.number, self.project_id or connection.project_id),
                self._sources(),
                destination,
                self.hook,
                self._stopper,
                context,
                task_try,
                BatchLinks(self, context, connection.base_url),
            )
            self._execution = execution
            result = execution.run(journal, resumption or Resumption(), waits=self._waits_here)
            if "trigger" not in result:
                report_batch(
                    context,
                    self.outlets,
                    result,
                    asset_events=self.asset_events,
                    aws_conn_id=self.aws_conn_id,
                )
                return result
        note_before_deferral(context, result["kwargs"])
        self.defer(**result)
        raise AssertionError("a deferral ends this part of the task")

    def _settings(self, context: Context, try_number: int, project_id: str | None) -> BatchSettings:
        from airflow_provider_wiro.operators.batch_arguments import settings_of

        return settings_of(self, context, try_number, project_id)

    def _sources(self) -> Sources:
        from airflow_provider_wiro.operators.batch_arguments import sources_of

        return sources_of(self, lists_inputs=self._lists_inputs, is_kept=self._keeps_inputs)

    def _destination(self) -> Destination:
        from airflow_provider_wiro.operators.batch_arguments import destination_of

        return destination_of(self, manifest_template=self._manifest_template)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Report to OpenLineage, if it is installed, the model, the manifest, and what the batch cost."""
        return None if self._execution is None else self._execution.lineage(is_over=True)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Report what a batch that failed, or was stopped, has cost by then."""
        return None if self._execution is None else self._execution.lineage(is_over=False)

    @property
    def _is_killed(self) -> bool:
        """Whether Airflow has stopped the task, as in the provider's other operators."""
        return self._stopper.is_killed

    def on_kill(self) -> None:
        """Stop everything. Airflow calls this in a signal handler, after which execution continues."""
        self._stopper.kill()
