"""
The life of a run under arbitrary crashes, losses, faults and clock jumps, against a Wiro that knows the
truth.

What is driven is the operator's decision floor: `DurableRun` over `api.resume`, `api.conversations`,
`api.polling` and `api.retry`, in the order the operator uses them. What is promised: never two paid tasks
alive for one intent without a recorded decision, never success without a successful task, never silence past
the deadline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wiro.api import conversations
from airflow_provider_wiro.api.fingerprint import fingerprint
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.api.resume import WantedRun
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroError,
    WiroTaskTimeoutError,
)
from airflow_provider_wiro.operators.durable_run import DurableRun, mark_spent
from tests.life.simulation import ENDS, FATES, CrashError, Silent, SimulatedHook, SimulatedStore, World

if TYPE_CHECKING:
    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.hooks.wiro import WiroHook

MODEL, PARAMETERS = "owner/model", {"prompt": "a lighthouse", "samples": 2}
TIMEOUT_SECONDS = 600.0
#: Beyond the deadline: one last call, the stop of the task with its patience, and settling a lost run.
SLACK_SECONDS = 400.0
TRIES = 6


@dataclass
class Life:
    """What an Airflow task instance with retries went through."""

    world: World
    returned: list[str] = field(default_factory=list)
    permanent: WiroError | None = None
    longest_try_seconds: float = 0.0


def live(world: World, store: SimulatedStore, *, lifetime: int = TRIES) -> Life:
    """
    Go through an Airflow task instance's tries, as the operator does, until one returns or fails for good.
    """
    life = Life(world)
    for try_number in range(1, TRIES + 1):
        began_at = world.time
        try:
            life.returned.append(one_try(world, store, try_number, lifetime))
        except CrashError:
            world.time += 30  # until Airflow has noticed
            continue
        except WiroError as error:
            if not error.may_retry:
                life.permanent = error
                break
            world.time += 60  # the retry delay
            continue
        finally:
            life.longest_try_seconds = max(life.longest_try_seconds, world.time - began_at)
        break
    return life


def one_try(world: World, store: SimulatedStore, try_number: int, lifetime: int) -> str:
    hook = SimulatedHook(world)
    give_up_at = world.now().timestamp() + TIMEOUT_SECONDS
    run = DurableRun(
        cast("WiroHook", hook),
        store,
        WantedRun(MODEL, PARAMETERS, fingerprint(MODEL, PARAMETERS, {}), lifetime),
        submit=lambda: hook.converse(
            lambda outside: conversations.run_model(outside, MODEL, PARAMETERS, {}, waits_for_slot=False)
        ),
        try_number=try_number,
        stops_stale=False,
        resubmits_orphans=False,
        log=Silent(),
        now=world.now,
        timeout_seconds=TIMEOUT_SECONDS,
    )
    while True:
        try:
            begun = run.begin()
            break
        except WiroTaskTimeoutError as error:
            stop(hook, error.wiro_task_id)
            raise
        except WiroConcurrencyLimitError:
            if world.now().timestamp() + 30 > give_up_at:
                raise
            world.pause(30)
    started_at = min(begun.started_at, world.now())
    polling = Polling(started_at, started_at + timedelta(seconds=TIMEOUT_SECONDS))
    seen: list[Task] = []
    try:
        task = begun.task
        if task is None or not task.is_terminal:
            task = hook.converse(
                lambda outside: conversations.wait_for_task(
                    begun.wiro_task_id, outside, polling, observe=seen.append
                )
            )
    except WiroTaskTimeoutError:
        stop(hook, begun.wiro_task_id)
        raise
    if not task.has_succeeded:
        raise _FailedError
    mark_spent(store, task.id, Silent())
    world.step()  # dies after the result is marked as used, before Airflow knows
    return task.id


def stop(hook: SimulatedHook, wiro_task_id: str) -> None:
    hook.converse(lambda outside: conversations.stop_task(wiro_task_id, outside))


class _FailedError(WiroError):
    may_retry = True


fates = st.lists(st.sampled_from([*FATES, "ok", "ok", "ok", "ok", "ok"]), max_size=60)
ends = st.lists(
    st.tuples(st.sampled_from([*ENDS, "success", "success"]), st.floats(0, 200), st.floats(0, 900)),
    max_size=8,
)
crashes = st.sets(st.integers(1, 80), max_size=4)
jumps = st.dictionaries(st.integers(1, 60), st.floats(-7200, 7200), max_size=3)
store_failures = st.lists(st.booleans(), max_size=10)


@settings(max_examples=400)
@given(fates=fates, ends=ends, crashes=crashes, jumps=jumps, store_failures=store_failures)
def test_a_run_is_paid_once_ends_right_and_never_outlives_its_deadline_in_silence(
    fates: list[str],
    ends: list[tuple[str, float, float]],
    crashes: set[int],
    jumps: dict[int, float],
    store_failures: list[bool],
) -> None:
    world = World(iter(fates), iter(ends), crashes, jumps)
    life = live(world, SimulatedStore(world, iter(store_failures)))

    assert world.most_alive <= 1, "two paid tasks were alive for one intent"
    assert len(world.succeeded()) <= 1, "one intent was paid for twice"
    for returned in life.returned:
        assert returned in [task.id for task in world.succeeded()], "success without a successful task"
    # Waiting for a slot and waiting for the end each have the timeout; a clock set back makes up for its
    # jump.
    limit = 2 * TIMEOUT_SECONDS + SLACK_SECONDS + sum(map(abs, jumps.values()))
    assert life.longest_try_seconds <= limit, "silence past the deadline"


@settings(max_examples=100)
@given(fates=fates, crashes=crashes)
def test_a_retry_after_success_returns_the_same_task_and_a_clear_starts_another(
    fates: list[str], crashes: set[int]
) -> None:
    world = World(iter(fates), iter([("success", 1.0, 5.0)] * 9), crashes)
    store = SimulatedStore(world, iter([]))
    first = live(world, store)
    world.crashes = set()
    world.fates = iter([])
    if first.permanent is not None or not first.returned:
        return
    assert live(world, store).returned == first.returned
    assert live(world, store, lifetime=TRIES + 1).returned != first.returned
    assert len(world.succeeded()) == 2


class ForgetfulStore(SimulatedStore):
    """What there was before records: nothing is there in the next try."""

    def read(self) -> None:
        return None


def test_without_a_record_this_world_shows_the_second_payment() -> None:
    """
    The property above can fail: some crash after Run leaves two tasks alive once nothing remembers the first.
    """
    most_alive = []
    for crash in range(1, 15):
        world = World(iter([]), iter([("endless", 0.0, 0.0)] * 9), crashes={crash})
        live(world, ForgetfulStore(world, iter([])))
        most_alive.append(world.most_alive)
    assert max(most_alive) == 2


def test_the_deepest_loss_is_settled() -> None:
    """The answer is lost after Wiro has acted, and the worker dies before it can look for the task."""
    world = World(iter(["ok", "lost_after"]), iter([("success", 1.0, 5.0)]), crashes={10})
    life = live(world, SimulatedStore(world, iter([])))
    assert life.returned == ["1000"]
    assert len(world.tasks) == 1
