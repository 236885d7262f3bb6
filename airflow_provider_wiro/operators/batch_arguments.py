"""What a batch operator's rendered arguments say: settings, what is run, and where everything is kept."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AssetAlias

from airflow_provider_wiro.batch.given import Destination, Sources
from airflow_provider_wiro.batch.preflight.arguments import DEFAULT_KEY, data_trust, earlier_manifest
from airflow_provider_wiro.batch.results.progress_xcom import ProgressXCom
from airflow_provider_wiro.batch.settings import BatchSettings
from airflow_provider_wiro.dag_arguments.checks import check_usd
from airflow_provider_wiro.hooks.flow_context import SteadyClock, lost_run_patience_seconds
from airflow_provider_wiro.landing.s3.destination import S3Settings, upload_arguments
from airflow_provider_wiro.metrics.run_metrics import RunMetrics
from airflow_provider_wiro.storage.s3.location import split_url
from airflow_provider_wiro.storage.s3.put_object import OwnObjects
from airflow_provider_wiro.triggers.shortest_deferral import shortest_deferral_seconds
from airflow_provider_wiro.version_compat import is_mapped_instance, takes_messages_of_threads

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


def settings_of(operator: Any, context: Context, try_number: int, project_id: str | None) -> BatchSettings:
    """
    Return the settings of a batch.

    :raises WiroUsageError: one can't be right.
    """
    return BatchSettings(
        model=operator.model,
        project_id=project_id,
        callback_url=operator.callback_url,
        wiro_conn_id=operator.wiro_conn_id,
        max_active=operator.max_active,
        fails_fast=operator.on_item_failure == "fail",
        max_item_retries=operator.max_item_retries,
        poll_interval=operator.poll_interval,
        timeout_seconds=operator.timeout,
        watch=operator.watch,
        cancel_on_kill=operator.cancel_on_kill,
        cancel_on_timeout=operator.cancel_on_timeout,
        resubmits_orphans=operator.on_orphaned_intent == "resubmit",
        min_outputs=operator.min_outputs,
        try_number=try_number,
        log=operator.log,
        random=random.random,
        now=SteadyClock().timestamp,
        lost_run_patience=lost_run_patience_seconds(),
        is_deferrable=operator.deferrable,
        defer_after_seconds=operator.defer_after,
        shortest_deferral_seconds=shortest_deferral_seconds(),
        aws_conn_id=operator.aws_conn_id,
        include_links=operator.include_links,
        reuse_results=operator.reuse_results or None,
        reuse_max_age=operator.reuse_max_age,
        check_parameters=operator.check_parameters,
        fill_defaults=operator.fill_defaults,
        allow_categories=operator.allow_categories,
        max_cost_usd=check_usd("max_cost_usd", operator.max_cost_usd),
        refuses_unknown_price=operator.on_unknown_price == "refuse",
        retry_failed_only=earlier_manifest(operator.retry_failed_only, operator.manifest_uri),
        delete_after=operator.delete_after,
        deletes_shared_inputs=operator.delete_shared_inputs,
        has_event_for_each=operator.asset_events == "each"
        and any(isinstance(outlet, AssetAlias) for outlet in operator.outlets),
        metrics=RunMetrics(context["ti"].dag_id, operator.model, operator.log),
        progress=ProgressXCom(
            context["ti"], time.time, operator.log, in_background=takes_messages_of_threads()
        ),
    )


def sources_of(operator: Any, *, lists_inputs: bool, is_kept: bool) -> Sources:
    """
    Return what a batch is given to run.

    :param lists_inputs: the DAG file has the items.
    :param is_kept: a file of inputs is the user's.
    """
    trust = data_trust(
        is_listed=lists_inputs and not is_mapped_instance(operator),
        aws_conn_id=operator.aws_conn_id,
        local_paths=operator.allowed_local_paths,
        connections=operator.allowed_connections,
        parameters=operator.allowed_item_parameters,
    )
    return Sources(
        operator.inputs,
        operator.parameters,
        operator.files,
        trust,
        operator.id_column,
        operator.data_columns,
        is_kept,
    )


def destination_of(operator: Any, *, manifest_template: str | None) -> Destination:
    """
    Return where a batch keeps everything.

    :param manifest_template: ``manifest_uri`` as the DAG file has it.
    :raises WiroUsageError: the arguments of the upload can't be right.
    """
    return Destination(
        operator.state_path,
        operator.manifest_uri,
        manifest_template,
        S3Settings.of(operator) if operator.s3_bucket or operator.s3_key != DEFAULT_KEY else None,
        own_objects_of(operator),
    )


def own_objects_of(operator: Any) -> OwnObjects:
    """
    Return how the batch's own objects are put into S3: as its outputs.

    :raises WiroUsageError: the arguments of the upload can't be right.
    """
    if not (operator.extra_args or operator.encrypt or operator.acl_policy or operator.verify is not None):
        return OwnObjects()
    arguments = upload_arguments(
        operator.extra_args, encrypt=operator.encrypt, acl_policy=operator.acl_policy
    )
    is_url = operator.s3_key.startswith("s3://")
    bucket = split_url(operator.s3_key)[0] if is_url else operator.s3_bucket
    return OwnObjects(arguments, bucket, operator.verify)
