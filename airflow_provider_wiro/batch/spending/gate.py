"""SpendingGate: which item is submitted next, as far as the batch's budget allows."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.decoding.fields import plain_usd
from airflow_provider_wiro.batch.late_costs import read_costs
from airflow_provider_wiro.batch.preflight.item_checks import no_prices
from airflow_provider_wiro.batch.spending.budget import Affordability
from airflow_provider_wiro.batch.spending.report import SpendingReport
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.item_queue import ItemQueue
    from airflow_provider_wiro.batch.preflight.model_rules import ModelRules
    from airflow_provider_wiro.batch.run_sender import StoppableHook
    from airflow_provider_wiro.batch.spending.budget import Budget
    from airflow_provider_wiro.batch.state.items import Attempt

#: How often costs are read that Wiro had not recorded when their runs ended; how often while an item waits
#: for them, and for how long after the last run has ended.
READ_SECONDS = 60.0
SETTLE_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
#: How many items are looked at before other work gets its turn.
_AT_A_TIME = 500


class SpendingGate:
    """
    Gives out the items to submit, each with its estimate reserved in the budget.

    The first item that doesn't fit waits, and those behind it with it, until what is in flight has ended:
    that can cost less than the upper end of its estimate. If it doesn't fit then either, it is not run; one
    that was run and has failed, and was to be run again, stays failed.

    :param budget: None: everything may be sent.
    """

    def __init__(
        self, queue: ItemQueue, hook: StoppableHook, rules: ModelRules, budget: Budget | None
    ) -> None:
        self._queue = queue
        self._hook = hook
        self._rules = rules
        self._budget = budget
        self._now = queue.settings.now
        #: The item that waits, and the upper end of its estimate.
        self._head: tuple[int, Decimal | None] | None = None
        #: Whether what was spent is known as well as it will be.
        self._is_final = False
        self._is_settling = False
        self._settled_at = self._now()
        self._quiet_since: float | None = None
        #: What stayed open although it was waited for.
        self._written_off = Decimal(0)

    @property
    def is_waiting(self) -> bool:
        """Whether an item waits for others to cost less than they may."""
        return self._head is not None and not self._queue.is_closed

    def next_item(self) -> int | None:
        """Return the item to submit next, with its estimate reserved; None if none may be submitted now."""
        queue = self._queue
        if self._budget is None:
            return queue.next_item()
        for _ in range(_AT_A_TIME):
            item = None if queue.is_closed else queue.next_item()
            if item is None:
                self._head = None
                return None
            usd = self._max_usd(item)
            fits = self._budget.judge(usd)
            if fits is Affordability.FITS:
                self._budget.reserve(item, usd)
                self._head, self._is_final, self._quiet_since = None, False, None
                return item
            if usd is None and self._budget.refuses_unknown and self._rules.model is None:
                queue.requeue_first(item)
                queue.close(no_prices(queue.settings.model))
            elif fits is Affordability.LATER and not self._is_final:
                queue.requeue_first(item)
                self._head = item, usd
                return None
            elif queue.has_failed(item):
                queue.give_up(item, self.reason(item))
            elif self._fails_anyway(item):
                self._budget.reserve(item, Decimal(0))
                self._head = None
                return item
            else:
                queue.leave_out(item, partial(self.reason, item))
        queue.wake()  # for the rest
        return None

    def reserved(self, item: int) -> Decimal | None:
        """Return the upper end of the estimate of an item that is being sent."""
        return None if self._budget is None else self._budget.reserved(item)

    def conclude(self, item: int) -> None:
        """Leave an item's run to the state: its intent is there, or it wasn't sent."""
        if self._budget is not None:
            self._budget.conclude(item)

    def pick_up(self, item: int, attempt: Attempt) -> None:
        """Count the run of an earlier try, which had no budget or no price, by its estimate of today."""
        if self._budget is not None and attempt.max_usd is None:
            attempt.max_usd = self._max_usd(item)
            self._queue.state.exposure.intend(item, attempt.max_usd)

    def reason(self, item: int) -> str:
        """Return why an item is not run."""
        if self._budget is None:
            raise AssertionError("only a budget leaves items out")
        usd, limit = self._max_usd(item), plain_usd(self._budget.limit)
        if usd is None and self._budget.refuses_unknown:
            return "Its price isn't known, and on_unknown_price is 'refuse'."
        committed = plain_usd(self._budget.committed)
        if self._budget.judge(usd) is Affordability.FITS:
            return f"An item before it didn't fit into the budget of {limit} USD: {committed} USD are spent."
        needed = "" if usd is None else f" It may cost {plain_usd(usd)} USD."
        return f"The budget of {limit} USD doesn't allow it: {committed} USD are spent.{needed}"

    def report(self) -> SpendingReport | None:
        """Return what was spent, and what is left out; None without a budget."""
        if self._budget is None:
            return None
        return SpendingReport(self._budget.limit, self._budget.committed, self._queue.left_out, self.reason)

    def is_due(self) -> bool:
        """Whether to call :meth:`settle` now."""
        if self._budget is None or self._is_settling or self._queue.is_closed:
            return False
        since = self._now() - self._settled_at
        if self.is_waiting:
            is_first = self._is_quiet and self._quiet_since is None
            return not self._is_final and (is_first or since >= SETTLE_SECONDS)
        return bool(self._queue.state.costs.unknown_ids) and since >= READ_SECONDS

    async def settle(self) -> None:
        """
        Learn what ended runs have cost.

        Once nothing is in flight, and all costs are known or were waited for, the decision about the item
        that waits is final.
        """
        self._is_settling = True
        state = self._queue.state
        try:
            await self._queue.recorder.keep()
            if unknown := list(state.costs.unknown_ids):
                for wiro_task_id, usd in (await read_costs(self._hook, unknown)).items():
                    self._queue.recorder.note(entries.cost_learned(wiro_task_id, usd))
                    if self._queue.settings.metrics is not None:
                        self._queue.settings.metrics.count_late_cost(usd)
        finally:
            self._is_settling = False
            self._settled_at = self._now()
        if not self._is_quiet:
            self._quiet_since = None
            return
        if self._quiet_since is None:
            self._quiet_since = self._settled_at
        is_old = self._settled_at - self._quiet_since >= PATIENCE_SECONDS
        if is_old or state.exposure.open_usd <= self._written_off:
            self._written_off = state.exposure.open_usd
            self._is_final = True

    @property
    def _is_quiet(self) -> bool:
        """Whether nothing is in flight any more, but for results that are about to be kept."""
        is_sending = self._budget is not None and self._budget.is_sending
        attempts = self._queue.state.attempts.keys()
        return not is_sending and attempts <= self._queue.recorder.unkept_items

    def _fails_anyway(self, item: int) -> bool:
        """Whether an item can't be right, so that sending it fails, and costs nothing."""
        if self._queue.settings.fails_fast:
            return False  # all were checked before the first Run
        try:
            self._rules.check(self._queue.inputs[item])
        except WiroUsageError:
            return True
        return False

    def _max_usd(self, item: int) -> Decimal | None:
        if self._head is not None and self._head[0] == item:
            return self._head[1]
        try:
            usd = self._rules.estimate(self._queue.inputs[item]).maximum_usd
        except WiroUsageError:
            return Decimal(0)  # it fails when it is its turn, and costs nothing
        return usd
