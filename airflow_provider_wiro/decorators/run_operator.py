"""The operator behind ``@task.wiro``: a WiroRunOperator whose inputs a function returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import DecoratedOperator

from airflow_provider_wiro.api.parameters import clean_parameters, described
from airflow_provider_wiro.decorators.function_call import call_function, check_function, function_name
from airflow_provider_wiro.decorators.returned import read_run
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.operators.wiro import WiroRunOperator

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.run.given_inputs import GiveInputs, GivenInputs


class WiroDecoratedRunOperator(DecoratedOperator, WiroRunOperator):
    """
    Runs a model with what a function returns.

    The function is called when the task starts. What it returned is kept in the run's record, and a retry
    runs the same again without calling it; after a Clear it is called again.

    :param python_callable: returns the parameters of the run, or ``{"parameters", "files", "label"}``.
    :param op_args: its positional arguments. (templated)
    :param op_kwargs: its keyword arguments. (templated)
    """

    template_fields: Sequence[str] = (*DecoratedOperator.template_fields, *WiroRunOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **WiroRunOperator.template_fields_renderers,
    }
    custom_operator_name = "@task.wiro"

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        check_function(python_callable)
        super().__init__(python_callable=python_callable, op_args=op_args, op_kwargs=op_kwargs, **kwargs)

    def execute(self, context: Context) -> RunSummary:
        """See :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`."""
        # Not that of DecoratedOperator, which fails on Airflow 3.0: it names an attribute that is gone there.
        return self._shown(WiroRunOperator.execute(self, context))

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> RunSummary:
        """See :class:`~airflow_provider_wiro.operators.wiro.WiroRunOperator`."""
        return self._shown(super().resume_execution(next_method, next_kwargs, context))

    def _shown(self, summary: RunSummary) -> RunSummary:
        """Have Airflow show what the function returned, which some versions can't after a failed try."""
        self.overwrite_rtif_after_execution = True
        return summary

    def _give_inputs(self, context: Context) -> GiveInputs:
        common = self.parameters, self.files, self.run_label

        def give(kept: GivenInputs | None) -> None:
            if kept is None:
                self._call(context, *common)
            else:
                self.parameters, self.files, self.run_label = kept.parameters, kept.files, kept.label
            self.mask_secret_parameters()

        return give

    def _call(self, context: Context, parameters: Any, files: Any, label: str | None) -> None:
        """
        Call the function, and take what it returns.

        :param parameters: of the decorator; those that the function returns take precedence.
        :param files: the same.
        :param label: used if the function returns none.
        """
        self._check_rendered_arguments()
        if files is not None and not isinstance(files, Mapping):
            raise WiroUsageError(f"Expected `files` as a dict, found {described(files)}. Nothing was sent.")
        found = call_function(self.python_callable, self.op_args, self.op_kwargs, context)
        run = read_run(found, function_name(self.python_callable))
        self.parameters = {**clean_parameters({} if parameters is None else parameters), **run.parameters}
        self.files = {**(files or {}), **run.files} or None
        self.run_label = label if run.label is None else run.label
