"""ModelRules: what the model's schema and price list say about one item of a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from airflow_provider_wiro.api.parameters import clean_parameters
from airflow_provider_wiro.catalog.checks import check_run
from airflow_provider_wiro.catalog.estimate import Estimate
from airflow_provider_wiro.catalog.price import estimate
from airflow_provider_wiro.catalog.schema.findings import numbered
from airflow_provider_wiro.catalog.to_send import to_send
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.input_files.sources import count_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.batch.inputs.items import Item
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.catalog import CheckMode

#: The note of the estimate if nothing is known of the model.
NO_MODEL = "Wiro doesn't describe the model at the moment."


class ModelRules:
    """
    What is known of the model of a batch, applied to its items. Files are counted, and not read.

    :param model: as Wiro describes it; None: not asked, or not to be had: nothing is checked, and no price is
        known.
    """

    def __init__(self, model: Model | None, *, mode: CheckMode, fill_defaults: bool) -> None:
        self.model = model
        self._mode = mode
        self._fill_defaults = fill_defaults

    @classmethod
    def of(cls, settings: BatchSettings, model: Model | None) -> Self:
        """Return the rules of a batch."""
        return cls(model, mode=settings.check_parameters, fill_defaults=settings.fill_defaults)

    def check(self, item: Item) -> tuple[str, ...]:
        """
        Return warnings about an item.

        :raises WiroUsageError: it doesn't fit the model's schema; with all reasons.
        """
        if self.model is None or self._mode == "off":
            return ()
        found = check_run(self.model, self.to_send(item)[0], count_files(item.files), mode=self._mode)
        if found.refusals:
            raise WiroUsageError(numbered(found.refusals))
        return found.warnings

    def to_send(self, item: Item) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """
        Return an item's parameters as they are sent, and a sentence for each change.

        :raises WiroUsageError: they can't be sent.
        """
        clean_parameters(item.parameters)
        # Without a check, values stay as they are given.
        if self.model is None or (self._mode == "off" and not self._fill_defaults):
            return item.parameters, ()
        sent = to_send(
            self.model, item.parameters, count_files(item.files), fill_defaults=self._fill_defaults
        )
        return sent.parameters, sent.changes

    def estimate(self, item: Item) -> Estimate:
        """
        Return what an item's run will cost.

        :raises WiroUsageError: its parameters can't be sent.
        """
        if self.model is None:
            return Estimate(note=NO_MODEL)
        return estimate(self.model, self.to_send(item)[0], count_files(item.files))
