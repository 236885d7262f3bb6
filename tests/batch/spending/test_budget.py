"""The budget of a batch is never exceeded, whatever happens to its runs and to their process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_wiro.batch.spending.budget import Affordability, Budget
from airflow_provider_wiro.batch.state import entries
from airflow_provider_wiro.batch.state.batch_state import BatchState
from airflow_provider_wiro.batch.state.items import Attempt, ItemState
from airflow_provider_wiro.exceptions import WiroLostRunError
from airflow_provider_wiro.recovery.sending import Sending

ITEMS = 4
LIMIT = Decimal(10)
SENDING = Sending(1000.0, "2220")
FITS, LATER, NEVER = Affordability.FITS, Affordability.LATER, Affordability.NEVER


def budget(state: BatchState, *, refuses_unknown: bool = False) -> Budget:
    return Budget(LIMIT, state, refuses_unknown=refuses_unknown)


def running(state: BatchState, item: int, usd: str | None) -> None:
    upper = None if usd is None else Decimal(usd)
    state.apply(entries.run_intended(item, Attempt("digest", SENDING, 1, max_usd=upper)))
    state.apply(entries.run_accepted(item, f"{2221 + item}"))


def test_a_run_fits_if_all_upper_ends_fit_with_it() -> None:
    state = BatchState(ITEMS, try_number=1)
    running(state, 0, "6")

    judge = budget(state).judge
    assert (judge(Decimal(4)), judge(Decimal("4.01")), judge(Decimal("10.01"))) == (FITS, LATER, NEVER)


def test_what_is_being_sent_counts_before_its_intent_and_once_with_it() -> None:
    state = BatchState(ITEMS, try_number=1)
    found = budget(state)
    found.reserve(0, Decimal(6))
    assert (found.committed, found.judge(Decimal(5))) == (6, LATER)

    running(state, 0, "6")
    assert found.committed == 6
    found.conclude(0)
    assert found.committed == 6


def test_an_unknown_price_fits_while_anything_is_left_unless_it_is_refused() -> None:
    state = BatchState(ITEMS, try_number=1)
    running(state, 0, "9.99")
    assert budget(state).judge(None) is FITS
    assert budget(state, refuses_unknown=True).judge(None) is NEVER

    running(state, 1, "0.01")
    assert budget(state).judge(None) is LATER
    for item, cost in ((0, "9.99"), (1, "0.01")):
        state.apply(entries.item_done(item, (1, item), cost=cost, size=None))
    assert budget(state).judge(None) is NEVER


@dataclass
class Run:
    """A run as Wiro has it: what it will bill for it."""

    item: int
    cost: Decimal


@dataclass
class World:
    """A batch and Wiro, which bills up to the upper end; the process can die at any moment."""

    journal: list[dict[str, Any]] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    lost: dict[int, list[Run]] = field(default_factory=dict)
    uppers: dict[int, Decimal] = field(default_factory=dict)
    try_number: int = 1

    def __post_init__(self) -> None:
        self.restart(0)

    def note(self, entry: dict[str, Any]) -> None:
        self.journal.append(json.loads(json.dumps(entry)))
        self.state.apply(self.journal[-1])

    def restart(self, tries: int) -> None:
        self.try_number += tries
        self.state = BatchState(ITEMS, try_number=self.try_number)
        for entry in self.journal:
            self.state.apply(entry)
        self.budget = budget(self.state)

    @property
    def could_be_billed(self) -> Decimal:
        """What Wiro bills if everything that it has started succeeds."""
        every = [*self.runs.values(), *(run for runs in self.lost.values() for run in runs)]
        return sum((run.cost for run in every), Decimal(0))

    def send(self, item: int, upper: Decimal, share: Decimal, fate: str) -> None:
        upper = self.uppers.setdefault(item, upper)  # the same item has the same estimate each time
        if self.state.item_state(item) is not ItemState.PENDING or self.budget.judge(upper) is not FITS:
            return
        self.budget.reserve(item, upper)
        self.note(entries.run_intended(item, Attempt("digest", SENDING, self.try_number, max_usd=upper)))
        run = Run(item, upper * share)
        if fate == "refused":
            self.note(entries.run_not_started(item))
        elif fate == "started":
            wiro_task_id = str(3000 + len(self.runs))
            self.runs[wiro_task_id] = run
            self.note(entries.run_accepted(item, wiro_task_id))
        else:
            self.note(entries.run_lost(item, SENDING.lose(WiroLostRunError("no response"), 1.0, 1.0)))
            self.note(entries.lost_run_not_started(item, self.try_number))
            if fate == "lost":  # started after all
                self.lost.setdefault(item, []).append(run)
        self.budget.conclude(item)

    def end(self, item: int, how: str) -> None:
        attempt = self.state.attempts.get(item)
        if attempt is None or attempt.wiro_task_id is None:
            return
        id_, run = attempt.wiro_task_id, self.runs[attempt.wiro_task_id]
        place = (1, item)
        if how == "done":
            self.note(entries.item_done(item, place, cost=str(run.cost), size=None))
        elif how == "done, cost not recorded":
            self.note(entries.item_done(item, place, cost=None, size=None))
        elif how == "failed":
            run.cost = Decimal(0)
            self.note(entries.item_failed(item, place, self.try_number, may_retry=True))
        elif how == "too few outputs":
            self.note(entries.item_retried(item, self.try_number, is_billed=True, cost=str(run.cost)))
        elif how == "killed":
            self.note(entries.item_failed(item, place, self.try_number, may_retry=True, is_billed=True))
        elif how == "can't be stopped":
            self.note(entries.item_failed(item, place, self.try_number, may_retry=True, keeps_task=True))
        elif how == "stopped by an earlier try":
            self.note(entries.task_billed(id_, None, attempt.max_usd))
            self.note(entries.run_not_started(item))
        else:
            self.note(entries.run_not_started(item, may_be_billed=True))

    def read_costs(self) -> None:
        for wiro_task_id in list(self.state.costs.unknown_ids):
            self.note(entries.cost_learned(wiro_task_id, str(self.runs[wiro_task_id].cost)))

    def check_strays(self, item: int, is_certain: bool) -> None:
        if item not in self.state.lost_sendings:
            return
        for run in self.lost.pop(item, []) if is_certain else []:
            wiro_task_id = str(3000 + len(self.runs))
            self.runs[wiro_task_id] = run
            max_usd = self.state.exposure.lost_usd(item)
            self.note(entries.task_billed(wiro_task_id, str(run.cost) if run.cost else None, max_usd))
        self.note(entries.strays_checked(item, is_certain=is_certain))


ITEM = st.integers(0, ITEMS - 1)
CENTS = st.integers(1, 900).map(lambda cents: Decimal(cents) / 100)
SHARE = st.integers(0, 100).map(lambda percent: Decimal(percent) / 100)
ENDS = [
    "done",
    "done, cost not recorded",
    "failed",
    "too few outputs",
    "killed",
    "can't be stopped",
    "stopped by an earlier try",
    "vanished",
]
STEP = st.one_of(
    st.tuples(
        st.just("send"), ITEM, CENTS, SHARE, st.sampled_from(["started", "refused", "lost", "not started"])
    ),
    st.tuples(st.just("end"), ITEM, st.sampled_from(ENDS)),
    st.tuples(st.just("read_costs")),
    st.tuples(st.just("check_strays"), ITEM, st.booleans()),
    st.tuples(st.just("restart"), st.integers(0, 1)),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(STEP, max_size=40))
@example([("send", 0, Decimal("2.51"), Decimal(0), "lost")] * 2 + [("check_strays", 0, True)])
def test_wiro_can_never_bill_more_than_the_budget(steps: list[tuple[Any, ...]]) -> None:
    world = World()
    for name, *arguments in steps:
        getattr(world, name)(*arguments)
        assert world.could_be_billed <= world.state.committed_usd <= LIMIT
        live = world.state.committed_usd
        world.restart(0)
        assert world.state.committed_usd == live  # as a later process counts it


def test_the_world_of_that_test_can_spend_the_whole_budget() -> None:
    world = World()
    for item, upper in enumerate((Decimal(6), Decimal(4), Decimal("0.01"))):
        world.send(item, upper, Decimal(1), "started")
        world.end(item, "done")

    assert (world.could_be_billed, world.state.count(ItemState.DONE)) == (LIMIT, 2)


@pytest.mark.parametrize("end", ENDS)
def test_the_world_of_that_test_has_each_end(end: str) -> None:
    world = World()
    world.send(0, Decimal(1), Decimal(1), "started")
    before = len(world.journal)
    world.end(0, end)
    assert len(world.journal) > before
