"""
The arguments of the decorators, for editors and type checkers; a test compares them with the operators'.

They are never imported when a DAG runs: annotations name them as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, Protocol, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.providers.common.compat.sdk import DAG, TaskGroup, XComArg

    from airflow_provider_wiro.api.polling import Watch
    from airflow_provider_wiro.catalog import CheckMode

P = ParamSpec("P")


class DecoratedTask(Protocol, Generic[P]):
    """What a decorator makes of a function. Calling it adds a task to the DAG, and returns its output."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> XComArg:
        """Add a task that calls the function with these arguments; each may be another task's output."""
        ...

    def partial(self, **kwargs: Any) -> DecoratedTask[...]:
        """Give arguments that are the same for all mapped tasks."""
        ...

    def expand(self, **kwargs: Any) -> XComArg:
        """Add a mapped task: one for each value of an argument."""
        ...

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> XComArg:
        """Add a mapped task: one for each dict of arguments."""
        ...

    def override(self, **kwargs: Any) -> DecoratedTask[P]:
        """Return the same with other arguments of the operator."""
        ...


class TaskArguments(TypedDict, total=False):
    """Arguments of Airflow's ``BaseOperator`` that a decorated task takes."""

    task_id: str
    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    retry_policy: Any
    max_retry_delay: timedelta | float | None
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: DAG | None
    params: Mapping[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: Any
    queue: str
    pool: str | None
    pool_slots: int
    execution_timeout: timedelta | None
    on_execute_callback: Any
    on_failure_callback: Any
    on_success_callback: Any
    on_retry_callback: Any
    on_skipped_callback: Any
    pre_execute: Any
    post_execute: Any
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    inlets: Any
    outlets: Any
    task_group: TaskGroup | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None


class CommonArguments(TaskArguments, total=False):
    """Arguments that a run and a batch have in common."""

    model: str
    parameters: Mapping[str, Any] | None
    files: Mapping[str, Any] | None
    callback_url: str | None
    project_id: str | None
    wiro_conn_id: str
    aws_conn_id: str | None
    deferrable: bool
    defer_after: float
    poll_interval: float | None
    watch: Watch
    timeout: float
    cancel_on_kill: bool
    cancel_on_timeout: bool
    min_outputs: int | None
    state_path: str | None
    on_orphaned_intent: Literal["fail", "resubmit"]
    check_parameters: CheckMode
    fill_defaults: bool
    allow_categories: Sequence[str]
    max_cost_usd: float | str | None
    on_unknown_price: Literal["run", "refuse"]
    estimate_only: bool
    reuse_results: str | None
    reuse_max_age: float | timedelta | None
    log_links: bool


class RunArguments(CommonArguments, total=False):
    """Arguments of :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`."""

    wait_for_completion: bool
    durable: bool
    on_stale_state: Literal["leave", "stop"]
    label: str | None


class BatchArguments(CommonArguments, total=False):
    """
    Arguments of :class:`~airflow_provider_wiro.operators.wiro_batch.WiroBatchRunOperator`, but ``inputs``.
    """

    max_active: int
    on_item_failure: Literal["fail", "continue"]
    max_item_retries: int
    manifest_uri: str | None
    s3_bucket: str | None
    s3_key: str
    replace: bool
    verify: bool | str | None
    encrypt: bool
    acl_policy: str | None
    extra_args: Mapping[str, Any] | None
    tags: bool | Mapping[str, str]
    max_concurrency: int
    part_size: int
    require_size: bool
    delete_after: bool
    delete_shared_inputs: bool
    asset_events: Literal["one", "each"]
    allowed_local_paths: Sequence[str | os.PathLike[str]]
    allowed_connections: Sequence[str]
    allowed_item_parameters: Sequence[str]
    include_links: bool
    retry_failed_only: str | bool | Mapping[str, Any] | None
    id_column: str | None
    data_columns: Sequence[str]
