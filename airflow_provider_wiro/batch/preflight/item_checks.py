"""Checks all items of a batch against the model's schema and prices, before the first Run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from airflow_provider_wiro.batch.preflight.batch_estimate import BatchSum
from airflow_provider_wiro.catalog.checks import check_category
from airflow_provider_wiro.exceptions import WiroConnectionError, WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.preflight.model_rules import ModelRules
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.redaction.loggers import Log

#: How many items a message names.
MOST_NAMED = 5
#: How many different notes are logged, and how many are counted: each may name a value of its own.
MOST_LINES = 20
_MOST_COUNTED = 1000
_ITEMS_BETWEEN_CHECKS = 500


class ItemFindings:
    """
    What is noticed about all items: those that can't be right, those without a price, notes, and the sum.

    :param check_killed: raises if the Airflow task was stopped.
    :param is_made: whether an item is not run, since an earlier batch has made it.
    :ivar model: a refusal of the model itself, None if it may run.
    """

    def __init__(
        self,
        inputs: Inputs,
        rules: ModelRules,
        settings: BatchSettings,
        check_killed: Callable[[], None] = lambda: None,
        is_made: Callable[[int], bool] = lambda _: False,
    ) -> None:
        model = rules.model
        self.model = None if model is None else check_category(model, settings.allow_categories)
        self.refused, self.unpriced = NamedItems(inputs), NamedItems(inputs)
        self.notes = Notes(inputs)
        self.sum = BatchSum()
        for number in range(len(inputs)):
            if number % _ITEMS_BETWEEN_CHECKS == 0:
                check_killed()
            if is_made(number):
                continue
            item = inputs[number]
            try:
                warnings = rules.check(item)
                changes = rules.to_send(item)[1]
                estimate = rules.estimate(item)
            except WiroUsageError as error:
                self.refused.add(number, str(error))
                continue
            self.notes.add(number, (*warnings, *changes))
            self.sum.add(estimate)
            if not estimate.is_known:
                self.unpriced.add(number, estimate.note)

    def log_for_estimate(self, log: Log) -> None:
        """Log all of it, for a batch that is not run."""
        if self.model is not None:
            log.warning("This batch would be refused: %s", self.model)
        if self.refused.count:
            log.warning("%s", self.refused.message("items can't be right"))
        self.notes.log(log)
        log.info("%s Nothing was run.", self.sum.line())


def check_items(
    inputs: Inputs,
    rules: ModelRules,
    settings: BatchSettings,
    check_killed: Callable[[], None],
    *,
    is_made: Callable[[int], bool] = lambda _: False,
) -> None:
    """
    Check all items, and log what is noticed: the same note about many items is one line.

    If the batch continues after failures, an item that can't be right fails when it is its turn.

    :param check_killed: raises if the Airflow task was stopped.
    :param is_made: whether an item is not run, since an earlier batch has made it.
    :raises WiroUsageError: the model's category isn't allowed; or items don't fit the schema, or have no
        known price where they need one. It names the first of them, and how many there are.
    :raises WiroConnectionError: prices have to be known, and Wiro doesn't describe the model at the moment.
    """
    must_know_price = settings.max_cost_usd is not None and settings.refuses_unknown_price
    if rules.model is None:
        if must_know_price:
            raise no_prices(settings.model)
        if settings.needs_model:
            settings.log.warning(
                "So the items are sent as they are given: not checked, without defaults, and priced by their "
                "bills only."
            )
        return
    found = ItemFindings(inputs, rules, settings, check_killed, is_made)
    if found.model is not None:
        raise WiroUsageError(found.model)
    found.notes.log(settings.log)
    if found.refused.count and settings.fails_fast:
        raise WiroUsageError(
            found.refused.message(
                "items can't be right. Nothing was submitted; check_parameters='off' skips this check"
            )
        )
    if found.refused.count:
        settings.log.warning("%s", found.refused.message("items can't be right, and will fail"))
    if must_know_price and found.unpriced.count:
        raise WiroUsageError(
            found.unpriced.message(
                "items have no known price, so that max_cost_usd can't be kept. Nothing was submitted; "
                "on_unknown_price='run' runs them"
            )
        )
    settings.log.info("%s", found.sum.line())


def no_prices(model: str) -> WiroConnectionError:
    """Return the error of a batch whose prices have to be known while Wiro doesn't describe the model."""
    return WiroConnectionError(
        f"Wiro doesn't describe {model} at the moment, so that no price is known, and on_unknown_price is "
        "'refuse'. Nothing more was submitted. A retry asks again."
    )


class NamedItems:
    """Items with a problem: how many, and the first of them."""

    def __init__(self, inputs: Inputs) -> None:
        self.count = 0
        self._inputs = inputs
        self._lines: list[str] = []

    def add(self, number: int, reason: str) -> None:
        """Add an item."""
        self.count += 1
        if len(self._lines) < MOST_NAMED:
            self._lines.append(f"{self._inputs.name(number)}: {reason}")

    def message(self, what: str) -> str:
        """
        Return a message that names them.

        :param what: is the matter with them.
        """
        more = self.count - len(self._lines)
        lines = [*self._lines, *([f"And {more:,} more."] if more else [])]
        return f"{self.count:,} of {len(self._inputs):,} {what}: {' '.join(lines)}"


class Notes:
    """Warnings and changes, each with the number of items that it is about, and the first of them."""

    def __init__(self, inputs: Inputs) -> None:
        self._inputs = inputs
        self._counts: Counter[str] = Counter()
        self._first: dict[str, int] = {}
        self._others = 0

    def add(self, number: int, notes: Sequence[str]) -> None:
        """Add an item's."""
        for note in notes:
            if note in self._counts or len(self._counts) < _MOST_COUNTED:
                self._counts[note] += 1
                self._first.setdefault(note, number)
            else:
                self._others += 1

    def log(self, log: Log) -> None:
        """Log each once."""
        shown = list(self._counts.items())[:MOST_LINES]
        for note, count in shown:
            first = self._inputs.name(self._first[note])
            log.warning("%s: %s", first if count == 1 else f"{first} and {count - 1:,} more", note)
        left = self._counts.total() - sum(count for _, count in shown) + self._others
        if left:
            log.warning("Further notes about parameters are not logged one by one: %s.", f"{left:,}")
