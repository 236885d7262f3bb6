"""A batch in one try of its Airflow task, or in the part of one before or after a deferral."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.context import BatchContext
from airflow_provider_wiro.batch.deferral.missing_journal import NO_PLACE
from airflow_provider_wiro.batch.deferral.request import deferral_arguments
from airflow_provider_wiro.batch.inputs.shared_files import shared_files
from airflow_provider_wiro.batch.journal.replay import replay
from airflow_provider_wiro.batch.landing import ItemTransfer
from airflow_provider_wiro.batch.lost_runs.unknown_sendings import notes_of
from airflow_provider_wiro.batch.preflight.collisions import check_ids_in_keys, check_manifest
from airflow_provider_wiro.batch.preflight.item_checks import check_items
from airflow_provider_wiro.batch.preflight.model_rules import ModelRules
from airflow_provider_wiro.batch.preflight.storage_probe import try_outputs, try_storage
from airflow_provider_wiro.batch.results.asset_events import check_event_count
from airflow_provider_wiro.batch.results.location import manifest_uri
from airflow_provider_wiro.batch.results.shards import ResultShards
from airflow_provider_wiro.batch.reuse.batch_cards import BatchCards
from airflow_provider_wiro.batch.reuse.carried_items import CarriedItems
from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.batch.summary import lineage_fields, lineage_outputs, return_result
from airflow_provider_wiro.batch.worker import BatchWorker
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroError, WiroUsageError
from airflow_provider_wiro.state_files.results_place import parts_uri
from airflow_provider_wiro.state_files.try_trace import open_trace
from airflow_provider_wiro.triggers.batch_progress import ProgressCounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.batch.cancellation.stopper import BatchStopper
    from airflow_provider_wiro.batch.deferral.resumption import Resumption
    from airflow_provider_wiro.batch.given import Destination, Sources
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.results.links import BatchLinks
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.batch.summary import BatchSummary
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.state_files.task_try import TaskTry
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects


class BatchExecution:
    """
    Opens a batch, works on it, and returns its result, or what to defer with.

    :param hook: whose connection Airflow was asked for.
    :param stopper: has been given the journal.
    :param links: shows where the outputs are.
    """

    def __init__(
        self,
        settings: BatchSettings,
        sources: Sources,
        destination: Destination,
        hook: WiroHook,
        stopper: BatchStopper,
        context: Context,
        task_try: TaskTry,
        links: BatchLinks,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._destination = destination
        self._hook = hook
        self._stopper = stopper
        self._context = context
        self._task_try = task_try
        self._links = links
        #: What is known of the items, and where the manifest is; None until the journal is read.
        self._known: tuple[BatchState, str] | None = None
        #: The folder of all objects, None if nothing lands.
        self._landed_below: str | None = None

    def run(
        self, journal: Journal | None, resumption: Resumption, *, waits: bool
    ) -> BatchSummary | dict[str, Any]:
        """
        Do what can be done now.

        :param waits: see :meth:`BatchWorker.run`.
        :return: the summary; or the arguments of ``BaseOperator.defer``, which are those with a ``trigger``.
        """
        settings, context, log = self._settings, self._context, self._settings.log
        with ExitStack() as opened:
            trace = open_trace(
                context, state_path=self._destination.state_path, retries=self._task_try.retries or 0
            )
            if not trace.is_missing:
                trace.leave()  # before the inputs are read: a try that fails by them starts nothing
            inputs = opened.enter_context(self._inputs())
            opened.enter_context(self._stopper.describing(settings, inputs))
            resumption.check_unchanged(inputs.fingerprint, journal, settings, self._hook.connection)
            transfer, own = self._transfer(), self._destination.own
            if transfer is not None:
                opened.enter_context(transfer)
                own = transfer.own_objects
                self._landed_below = transfer.folder
            manifest = self._manifest(transfer)
            shards = ResultShards(parts_uri(context, manifest), own)
            self._stopper.check()  # fetching the inputs can take long
            missing = resumption.missing_journal_error(
                settings, self._hook.connection, is_unseen=trace.is_missing
            )
            if journal is None:
                if missing is not None:
                    raise missing(NO_PLACE)
                self._check_may_do_without_journal()
            state, summary = replay(
                journal,
                inputs,
                task_try=self._task_try,
                max_tries=context["ti"].max_tries,
                existing_shards=shards.numbers,
                log=log,
                missing=missing,
                is_resumed=resumption.before is not None,
            )
            self._known = state, manifest
            trace.leave()
            if summary is not None:
                return self._return_again(summary, transfer, manifest, own)
            rules = self._rules()
            if transfer is not None:
                check_ids_in_keys(transfer.key_template, inputs)
            carried = self._carried(opened, inputs, state, resumption)
            if state.has_sent_nothing:
                self._try_places(len(inputs), transfer, shards, manifest)
            self._begin_links(transfer)
            self._stopper.adopt(state)
            is_made = carried.__contains__ if isinstance(carried, CarriedItems) else lambda _: False
            shared = shared_files(self._sources.files, inputs, state, settings.aws_conn_id, is_made=is_made)
            if state.has_sent_nothing:
                check_items(inputs, rules, settings, self._stopper.check, is_made=is_made)
            return self._work(
                BatchContext(
                    settings,
                    self._hook.connection,
                    inputs,
                    shared,
                    state,
                    journal,
                    shards,
                    transfer,
                    manifest,
                    own,
                    rules,
                    self._links,
                    cards=self._cards(opened, transfer),
                    carried=carried,
                ),
                resumption,
                waits=waits,
            )

    def lineage(self, *, is_over: bool) -> Any:
        """Return an ``OperatorLineage``; None where nothing is known, or OpenLineage isn't installed."""
        if self._known is None:
            return None
        from airflow_provider_wiro.lineage.openlineage import operator_lineage

        state, manifest = self._known
        model, given = self._settings.model, self._sources.file
        return operator_lineage(
            model,
            lineage_fields(state, model),
            inputs=[] if given is None else [given],
            outputs=lineage_outputs(state, manifest, self._landed_below) if is_over else [],
        )

    def _work(
        self, batch: BatchContext, resumption: Resumption, *, waits: bool
    ) -> BatchSummary | dict[str, Any]:
        worker = BatchWorker(batch)
        request = None
        try:
            with self._stopper.working(worker):
                request = worker.run(waits=waits, limit=resumption.limit, must_poll=resumption.must_poll)
        finally:
            self._end_progress(_end_of(batch.state) if request is None else request.counts)
        if request is not None:
            notes = notes_of(self._settings, batch.inputs, batch.state) if request.lost else None
            arguments = deferral_arguments(request, self._settings, batch.inputs.fingerprint, notes)
            self._stopper.check()
            return arguments
        max_tries = self._context["ti"].max_tries
        return return_result(
            batch,
            worker.fatal,
            max_tries,
            self._task_try,
            self._stopper.check,
            worker.spending,
            worker.undeleted,
        )

    def _return_again(
        self, summary: Mapping[str, Any], transfer: ItemTransfer | None, manifest: str, own: OwnObjects
    ) -> BatchSummary:
        """Return the result of a batch that an earlier try has ended, and show it as that try did."""
        self._settings.log.info("The batch was done before; its result is returned again.")
        done, failed = summary["succeeded"], summary["failed"]
        self._end_progress(ProgressCounts.at_the_end(summary["total"], done, failed))
        self._begin_links(transfer)
        self._links.end(manifest, own.verify)
        return dict(summary)

    def _try_places(
        self, count: int, transfer: ItemTransfer | None, shards: ResultShards, manifest: str
    ) -> None:
        """
        Try the places of outputs and results, before the first run of the batch.

        :param count: of the items.
        :raises WiroUsageError: one refuses what the batch will do.
        """
        settings = self._settings
        if transfer is not None:
            try_outputs(count, transfer.key_template, settings.model, transfer.destination)
        try_storage(shards, manifest, settings.log)
        most = settings.max_active
        settings.log.info("Running %s items of %s, at most %d at once.", f"{count:,}", settings.model, most)

    def _end_progress(self, counts: ProgressCounts | None) -> None:
        """Write how far the batch is when this part of it ends."""
        if self._settings.progress is not None and counts is not None:
            self._settings.progress.end(counts)

    def _begin_links(self, transfer: ItemTransfer | None) -> None:
        if transfer is None:
            self._links.begin(None, "")
        else:
            self._links.begin(transfer.destination.bucket, transfer.key_template)

    def _rules(self) -> ModelRules:
        settings = self._settings
        model = self._model() if settings.needs_model else None
        self._stopper.check()  # Wiro may take a while to answer
        return ModelRules.of(settings, model)

    def _inputs(self) -> Inputs:
        settings = self._settings
        inputs = self._sources.open(settings, self._model, keeps_bad=not settings.fails_fast)
        if settings.has_event_for_each:
            check_event_count(len(inputs))
        if not len(inputs):
            settings.log.warning("`inputs` has no items: nothing is run, and the manifest will be empty.")
        if inputs.has_unknown_columns:
            settings.log.warning(
                "Wiro doesn't say what %s takes, so every column is sent as a parameter, as it is: the URL "
                "of a file works, the URI of an object doesn't.",
                settings.model,
            )
        return inputs

    def _model(self) -> Model | None:
        """
        Return the model as Wiro describes it, None if that can't be had.

        Runs may be allowed where this is not, and some may be under way.
        """
        settings = self._settings
        try:
            return self._hook.cached_model(settings.model)
        except WiroAuthenticationError as error:
            settings.log.warning("Wiro's description of %s can't be had: %s", settings.model, error)
            return None

    def _carried(
        self, opened: ExitStack, inputs: Inputs, state: BatchState, resumption: Resumption
    ) -> CarriedItems | WiroError | None:
        settings, (_, manifest) = self._settings, self._known or (None, "")
        if not settings.retry_failed_only or resumption.must_poll is not None:
            return None
        try:
            lands = self._destination.s3 is not None
            return opened.enter_context(CarriedItems.find(settings, inputs, state, manifest, lands=lands))
        except WiroError as error:
            if not state.attempts:
                raise
            return error  # what is in flight is followed to its end first

    def _cards(self, opened: ExitStack, transfer: ItemTransfer | None) -> BatchCards | None:
        settings = self._settings
        if settings.reuse_results is None:
            return None
        cards = BatchCards(settings.reuse_results, settings, self._hook.connection, self._stopper.check)
        if transfer is not None:
            transfer.cards = cards
        return opened.enter_context(cards)

    def _transfer(self) -> ItemTransfer | None:
        if self._destination.s3 is None:
            return None
        return ItemTransfer(self._destination.s3, self._hook, self._settings.model, self._context["ti"])

    def _manifest(self, transfer: ItemTransfer | None) -> str:
        destination = self._destination
        manifest = manifest_uri(
            self._context,
            destination.manifest_uri,
            bucket=transfer.bucket if transfer else None,
            aws_conn_id=self._settings.aws_conn_id,
            state_path=destination.state_path,
        )
        if destination.manifest_uri:
            check_manifest(manifest, destination.manifest_template, self._sources.inputs)
        if transfer is not None:
            transfer.manifest = manifest
        return manifest

    def _check_may_do_without_journal(self) -> None:
        if self._settings.is_deferrable:
            raise WiroUsageError(
                "A deferrable batch needs a place for its journal: set state_path or [wiro] state_path, or "
                "use Airflow 3.3, which has a task state store."
            )
        self._settings.log.warning(
            "This Airflow has no task state store (3.3+) and no [wiro] state_path is set, so nothing "
            "remembers this batch if its worker dies: a retry would pay for all of it again."
        )


def _end_of(state: BatchState) -> ProgressCounts:
    """Count how many items are how far once nothing of the batch runs, or another try follows it."""
    return ProgressCounts.at_the_end(state.total, state.count(ItemState.DONE), state.count(ItemState.FAILED))
