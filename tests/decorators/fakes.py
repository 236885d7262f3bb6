"""An Airflow task instance whose task is decorated, across its tries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.decorators.batch_operator import WiroDecoratedBatchOperator
from airflow_provider_wiro.decorators.run_operator import WiroDecoratedRunOperator
from tests.batch.batch_work import BatchWork
from tests.operators.fakes import RETRO, SMALL, Work

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Counted:
    """A function that counts its calls. Each call returns the next of ``results``; the last one stays."""

    results: list[Any]
    calls: int = 0

    def __post_init__(self) -> None:
        self.__name__ = "draw"

    def __call__(self) -> Any:
        self.calls += 1
        result = self.results[min(self.calls, len(self.results)) - 1]
        if isinstance(result, Exception):
            raise result
        return result() if callable(result) else result


def other_each_time(**more: Any) -> Counted:
    """Return a function whose values differ from call to call, as those of chance or of the clock do."""
    return Counted([{**SMALL, "seed": str(seed), **more} for seed in range(1, 10)])


@dataclass
class DecoratedWork(Work):
    """An Airflow task instance that runs what a function returns."""

    function: Callable[..., Any] = field(default_factory=other_each_time)

    def operator(self, **settings: Any) -> WiroDecoratedRunOperator:  # type: ignore[override]
        defaults = {"model": RETRO, "poll_interval": 0.02, "deferrable": False}
        return WiroDecoratedRunOperator(
            task_id=self.ti.task_id,
            python_callable=self.function,
            **{**defaults, **self.settings, **settings},
        )

    @property
    def seeds(self) -> list[str]:
        """Of all tasks that Wiro has started."""
        return [task.parameters["seed"] for task in self.wiro.tasks]


@dataclass
class DecoratedBatchWork(BatchWork):
    """An Airflow task instance that runs the items that a function returns."""

    def operator(self, inputs: Any, **settings: Any) -> WiroDecoratedBatchOperator:  # type: ignore[override]
        return WiroDecoratedBatchOperator(
            task_id=self.ti.task_id,
            python_callable=inputs,
            **{**self.defaults, **self.settings, **settings},
        )
