"""The base of both transfer operators: a finished task in, files out, stopped when the task is stopped."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_wiro.dag_arguments.literals import check_conn_id, check_flags, check_wiro_task_id
from airflow_provider_wiro.failures import airflow_failures, in_brief
from airflow_provider_wiro.links.landed import begin_without_links
from airflow_provider_wiro.links.wiro import begin_without_url, show_task_url
from airflow_provider_wiro.redaction.loggers import PlainLogs
from airflow_provider_wiro.transfers.assets import check_asset_events, report
from airflow_provider_wiro.version_compat import is_parsed

# What takes long to import is imported where it is used: DAG files are parsed all day long and need none of
# it.
if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.landing.transfer import Transfer
    from airflow_provider_wiro.transfers.openlineage import Landed


class TransferOperator(PlainLogs, BaseOperator):
    """Transfers a finished Wiro task's outputs. The subclasses document the arguments."""

    ui_color = "#e8e4ff"

    def __init__(
        self,
        *,
        wiro_task_id: Any,
        wiro_conn_id: str,
        manifest: bool | str,
        asset_events: Any,
        max_concurrency: int,
        require_size: bool,
        log_links: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_parsed(self):
            check_wiro_task_id(wiro_task_id)
            check_conn_id(wiro_conn_id)
        check_asset_events(asset_events)
        check_flags(log_links=log_links)
        self.wiro_task_id = wiro_task_id
        self.wiro_conn_id = wiro_conn_id
        self.manifest = manifest
        self.asset_events = asset_events
        self.max_concurrency = max_concurrency
        self.require_size = require_size
        self.log_links = log_links
        self._is_killed = False
        self._transfer: Transfer[Any] | None = None
        self._landed: Landed | None = None

    @cached_property
    def hook(self) -> WiroHook:
        """The hook for the operator's Wiro connection."""
        from airflow_provider_wiro.hooks.wiro import WiroHook

        return WiroHook(self.wiro_conn_id)

    @in_brief
    def execute(self, context: Context) -> dict[str, Any]:
        """Check everything that can be checked first; then move several outputs at once."""
        from airflow_provider_wiro.api.run_summary import label_of, model_of
        from airflow_provider_wiro.landing.provenance import Provenance
        from airflow_provider_wiro.landing.result import finished_task, landed, secrets_of, with_cost
        from airflow_provider_wiro.landing.reused import ReusedResult, is_reused, reused_answer
        from airflow_provider_wiro.reuse.keeping import keep_card
        from airflow_provider_wiro.transfers.openlineage import Landed

        begin_without_url(self)
        begin_without_links(self)
        with airflow_failures(), self.hook:
            destination = self._open_destination()
            reused = ReusedResult.in_summary(self.wiro_task_id)
            if reused is not None:
                task = reused.task
            elif is_reused(self.wiro_task_id):
                task = reused_answer(self.wiro_task_id, lambda: finished_task(self.hook, self.wiro_task_id))
            else:
                task = finished_task(self.hook, self.wiro_task_id)
            base_url = self.hook.connection.base_url
            made_by = Provenance.of(task, model_of(self.wiro_task_id), context.get("ti"), base_url)
            provenance = replace(made_by, label=label_of(self.wiro_task_id))
            self._landed = Landed(task, provenance.model, None)
            show_task_url(self, context, base_url=base_url, model=provenance.model, wiro_task_id=task.id)
            transfer = self._make_transfer(destination, task, provenance)
            files = self._run(transfer)
            transfer.task = with_cost(self.hook, transfer.task)
            transfer.write_manifest(files, secrets_of(self.hook, task))
            facts = {"wiro_task_id": task.id, "model": provenance.model, "cost_usd": transfer.task.cost_usd}
            report(context, self.outlets, files, facts, asset_events=self.asset_events)
            self._landed = Landed(transfer.task, provenance.model, files)
            self._show_links(context, transfer, [file["uri"] for file in files])
            if not is_reused(self.wiro_task_id):
                keep_card(self.wiro_task_id, transfer, files, secrets_of(self.hook, task), self.log)
                self._after(task, transfer)
        manifest = {"manifest": transfer.manifest_uri} if self.manifest else {}
        return {**landed(transfer.task, files), **manifest}

    @abstractmethod
    def _open_destination(self) -> Any:
        """Check the rendered arguments, and connect to the store."""

    @abstractmethod
    def _make_transfer(self, destination: Any, task: Task, provenance: Provenance) -> Transfer[Any]:
        """Plan the transfer; nothing is moved yet."""

    def _after(self, task: Task, transfer: Transfer[Any]) -> None:
        """Do what follows once everything of a run that was sent has landed."""

    def _show_links(self, context: Context, transfer: Transfer[Any], uris: Sequence[str]) -> None:
        from airflow_provider_wiro.links.consoles import common_folder
        from airflow_provider_wiro.links.landed import Places, show_links
        from airflow_provider_wiro.links.output_urls import log_landed

        try:
            console = transfer.console
        except Exception:  # of a store's library; the outputs are safe
            self.log.warning(
                "The pages of the outputs in their store's console can't be known.", exc_info=True
            )
            return
        first = uris[0] if uris else None
        show_links(self, context, console, Places(first, common_folder(uris), transfer.manifest_uri))
        if self.log_links:
            log_landed(self.log, console, uris, len(uris))

    def _run(self, transfer: Transfer[Any]) -> list[dict[str, Any]]:
        self._transfer = transfer
        if self._is_killed:
            transfer.stop()
        try:
            return transfer.run()
        finally:
            self._transfer = None

    def on_kill(self) -> None:
        """
        Let all requests fail at once, which undoes the unfinished writes.

        Airflow calls this in a signal handler and kills the process 5 s later: too soon for a read timeout.
        """
        self._is_killed = True
        if self._transfer is not None:
            self._transfer.stop()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Report to OpenLineage, if it is installed, what was read and written, and what the run cost."""
        if self._landed is None or self._landed.files is None:
            return None
        return self.get_openlineage_facets_on_failure(task_instance)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Report what the run cost whose outputs did not land, or not all of them."""
        if self._landed is None:
            return None
        from airflow_provider_wiro.transfers.openlineage import operator_lineage

        return operator_lineage(self._landed)
