"""The operator behind ``@task.wiro_batch``: a WiroBatchRunOperator whose items a function returns."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import DecoratedOperator

from airflow_provider_wiro.batch.preflight.arguments import DEFAULT_KEY
from airflow_provider_wiro.decorators.function_call import call_function, check_function, function_name
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.failures import airflow_failures
from airflow_provider_wiro.operators.wiro_batch import WiroBatchRunOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.batch.deferral.resumption import Resumption
    from airflow_provider_wiro.batch.preflight.batch_estimate import BatchEstimate
    from airflow_provider_wiro.batch.summary import BatchSummary
    from airflow_provider_wiro.decorators.kept_items import KeptItems

#: As many secrets among the items are masked, as Airflow builds its pattern again for each.
_MOST_MASKED = 100


class WiroDecoratedBatchOperator(DecoratedOperator, WiroBatchRunOperator):
    """
    Runs a model for each item that a function returns.

    The function is called when the task starts. Its items are kept beside the batch's results, and what
    follows a deferral, or a retry, reads them there; after a Clear it is called again. Items that hold a
    secret are not kept: the function is called again, and has to return the same.

    :param python_callable: returns the items, a path or URI of them, or yields them.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its keyword arguments. (templated)
    """

    # `inputs` are known only when the task runs, and may be thousands: Airflow shows none of them.
    template_fields: Sequence[str] = (
        *DecoratedOperator.template_fields,
        *(name for name in WiroBatchRunOperator.template_fields if name != "inputs"),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **{
            name: renderer
            for name, renderer in WiroBatchRunOperator.template_fields_renderers.items()
            if name != "inputs"
        },
    }
    custom_operator_name = "@task.wiro_batch"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        check_function(python_callable)
        if "inputs" in kwargs:
            raise WiroUsageError(
                "Expected no `inputs` for @task.wiro_batch: what the function returns are the inputs."
            )
        self._has_own_file = False
        super().__init__(
            python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, inputs=(), **kwargs
        )

    def execute(self, context: Context) -> BatchSummary:
        """See :class:`~airflow_provider_wiro.operators.wiro_batch.WiroBatchRunOperator`."""
        # Not that of DecoratedOperator, which fails on Airflow 3.0: it names an attribute that is gone there.
        return WiroBatchRunOperator.execute(self, context)

    def _keep_templates(self) -> None:
        super()._keep_templates()
        # They are computed, often from other tasks' output: as data they may name no more than that.
        self._lists_inputs = False

    def _estimate(self, context: Context) -> BatchEstimate:
        # Nothing is kept: an estimate is of what the function returns now.
        with self._given_inputs(lambda items: _path(items, self._call(context, items)[0])):
            return super()._estimate(context)

    def _continue(
        self, context: Context, resumption: Resumption | None = None, *, is_beginning: bool = False
    ) -> BatchSummary:
        with self._given_inputs(lambda items: self._kept_or_returned(context, items, is_beginning)):
            return super()._continue(context, resumption, is_beginning=is_beginning)

    @contextmanager
    def _given_inputs(self, find: Callable[[Path], str]) -> Iterator[None]:
        """
        Set the inputs for the block.

        :param find: returns the path of the items. It is given a file for them that doesn't exist yet.
        """
        with tempfile.TemporaryDirectory(prefix="wiro-inputs-") as folder:
            items = Path(folder) / "items.jsonl"
            with airflow_failures():
                self.inputs = find(items)
            self._has_own_file = self.inputs == str(items)
            yield

    @property
    def _keeps_inputs(self) -> bool:
        return not self._has_own_file

    def _kept_or_returned(self, context: Context, items: Path, is_beginning: bool) -> str:
        """
        Return the path of the items: those that are kept, or what the function returns, which is kept then.

        :param items: a file for them that doesn't exist yet.
        :param is_beginning: nothing of this try ran before.
        """
        kept = self._kept_items(context, is_beginning=is_beginning)
        known = kept.find(items)
        if known is not None:
            return known
        path, has_secrets = self._call(context, items)
        if not has_secrets:
            kept.keep(items, path)
        return _path(items, path)

    def _call(self, context: Context, items: Path) -> tuple[str | None, bool]:
        """
        Call the function, and return the path that it has returned, and whether its items hold a secret.

        :param items: a new file, for the items that it returns in place of a path, which is None then.
        """
        from airflow_provider_wiro.decorators.returned_items import path_of, write_items
        from airflow_provider_wiro.version_compat import mask_secret

        found = call_function(self.python_callable, self.op_args, self.op_kwargs, context)
        path = path_of(found)
        items.touch()
        if path is not None:
            return path, False
        with items.open("w") as file:
            are_rows = bool(self.id_column or self.data_columns)
            written = write_items(found, file, function_name(self.python_callable), are_rows=are_rows)
        for secret in islice(sorted(written.secrets), _MOST_MASKED):
            mask_secret(secret)
        return None, bool(written.secrets)

    def _kept_items(self, context: Context, *, is_beginning: bool) -> KeptItems:
        from airflow_provider_wiro.batch.preflight.collisions import check_manifest
        from airflow_provider_wiro.batch.results.location import manifest_uri
        from airflow_provider_wiro.decorators.kept_items import KeptItems
        from airflow_provider_wiro.operators.batch_arguments import own_objects_of
        from airflow_provider_wiro.recovery.record_store import current_try
        from airflow_provider_wiro.state_files.results_place import parts_uri
        from airflow_provider_wiro.storage.open_folder import open_folder

        manifest = manifest_uri(
            context,
            self.manifest_uri,
            bucket=self._bucket(),
            aws_conn_id=self.aws_conn_id,
            state_path=self.state_path,
        )
        if self.manifest_uri:
            check_manifest(manifest, self._manifest_template, None)
        return KeptItems(
            open_folder(parts_uri(context, manifest), own_objects_of(self)),
            current_try(context, retries=self.retries, is_beginning=is_beginning),
            context["ti"].max_tries,
        )

    def _bucket(self) -> str | None:
        """Return the bucket of the outputs, None where none are landed."""
        from dataclasses import replace

        from airflow_provider_wiro.landing.s3.destination import S3Settings, open_destination
        from airflow_provider_wiro.storage.s3.location import split_url

        if not self.s3_bucket and self.s3_key == DEFAULT_KEY:
            return None
        if self.s3_key.startswith("s3://"):
            return split_url(self.s3_key)[0]
        # The S3 connection can name it.
        return self.s3_bucket or open_destination(replace(S3Settings.of(self), s3_key="x")).bucket.name


def _path(items: Path, returned: str | None) -> str:
    """Return the path of the items: that which the function has returned, or else that of their file."""
    return str(items) if returned is None else returned
