"""
The life of a run under arbitrary crashes, losses, faults and clock jumps, against a Wiro that knows the
truth.

What is driven is the operator's decision floor: `DurableRun` over `api.resume`, `api.conversations`,
`api.polling` and `api.retry`, in the order the operator uses them. What is promised: never two paid tasks
alive for one intent without a recorded decision, never success without a successful task, never silence past
the deadline.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_wiro.api import operations
from airflow_provider_wiro.api.flow import Pause
from airflow_provider_wiro.api.parameters import FileContent, FileUrl
from airflow_provider_wiro.api.polling import Polling
from airflow_provider_wiro.api.stop_task import stop_task
from airflow_provider_wiro.exceptions import (
    WiroConcurrencyLimitError,
    WiroError,
    WiroTaskTimeoutError,
)
from airflow_provider_wiro.input_files.sent_files import sent_files
from airflow_provider_wiro.recovery.durable_run import DurableRun, SearchTime
from airflow_provider_wiro.recovery.fingerprint import fingerprint
from airflow_provider_wiro.recovery.finished_run import mark_consumed
from airflow_provider_wiro.recovery.record_fence import RecordFence
from airflow_provider_wiro.recovery.resume import ResumePolicy, RunSpec
from airflow_provider_wiro.state_files.task_try import TaskTry
from tests.life.simulation import ENDS, FATES, CrashError, Silent, SimulatedHook, SimulatedStore, World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.parameters import FileValue
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


def live(
    world: World,
    store: SimulatedStore,
    *,
    lifetime: int = TRIES,
    files: Mapping[str, list[FileValue]] | None = None,
    crash_delay: float = 30.0,
) -> Life:
    """
    Go through an Airflow task instance's tries, as the operator does, until one returns or fails for good.

    :param crash_delay: seconds from a crash to the next try.
    """
    life = Life(world)
    for try_number in range(1, TRIES + 1):
        began_at = world.time
        try:
            life.returned.append(one_try(world, store, try_number, lifetime, files or {}))
        except CrashError:
            world.pass_time(crash_delay)
            continue
        except WiroError as error:
            if not error.may_retry:
                life.permanent = error
                break
            world.pass_time(60)  # the retry delay
            continue
        finally:
            life.longest_try_seconds = max(life.longest_try_seconds, world.time - began_at)
        break
    return life


def one_try(
    world: World,
    store: SimulatedStore,
    try_number: int,
    lifetime: int,
    files: Mapping[str, list[FileValue]],
) -> str:
    hook = SimulatedHook(world)
    began_at, began = world.now(), world.time
    give_up_at = world.now().timestamp() + TIMEOUT_SECONDS
    sent = sent_files(files)
    run = DurableRun(
        cast("WiroHook", hook),
        RecordFence(store, try_number, now=world.now, monotonic=lambda: world.time),
        RunSpec(
            MODEL,
            PARAMETERS,
            fingerprint(MODEL, PARAMETERS, files),
            lifetime,
            TaskTry(try_number),
            files=sent,
        ),
        submit=lambda before_send, _: hook.run_flow(
            lambda context: operations.run_model(
                context, MODEL, PARAMETERS, files, waits_for_slot=False, before_send=before_send
            )
        ),
        policy=ResumePolicy(timeout_seconds=TIMEOUT_SECONDS),
        search_time=SearchTime(began_at, lambda: began + TIMEOUT_SECONDS - world.time),
        log=Silent(),
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
            world.pause(Pause(30))
    started_at = min(begun.started_at, world.now())
    polling = Polling(started_at, started_at + timedelta(seconds=TIMEOUT_SECONDS))
    seen: list[Task] = []
    try:
        task = begun.task
        if task is None or not task.is_terminal:
            task = hook.run_flow(
                lambda context: operations.wait_for_task(
                    begun.wiro_task_id, context, polling, observe=seen.append
                )
            )
    except WiroTaskTimeoutError:
        stop(hook, begun.wiro_task_id)
        raise
    if not task.has_succeeded:
        raise _FailedError
    mark_consumed(store, task.id, Silent())
    world.step()  # dies after the result is marked as used, before Airflow knows
    return task.id


def stop(hook: SimulatedHook, wiro_task_id: str) -> None:
    hook.run_flow(lambda context: stop_task(wiro_task_id, context))


class _FailedError(WiroError):
    may_retry = True


fates = st.lists(st.sampled_from([*FATES, "ok", "ok", "ok", "ok", "ok"]), max_size=60)
ends = st.lists(
    st.tuples(st.sampled_from([*ENDS, "success", "success"]), st.floats(0, 200), st.floats(0, 900)),
    max_size=8,
)
crashes = st.sets(st.integers(1, 80), max_size=4)
delays = st.lists(st.floats(60, 540), max_size=8)
jumps = st.dictionaries(st.integers(1, 60), st.floats(-7200, 7200), max_size=3)
store_failures = st.lists(st.booleans(), max_size=10)


@settings(max_examples=400)
@given(fates=fates, ends=ends, crashes=crashes, jumps=jumps, store_failures=store_failures, delays=delays)
def test_a_run_is_paid_once_ends_right_and_never_outlives_its_deadline_unnoticed(
    fates: list[str],
    ends: list[tuple[str, float, float]],
    crashes: set[int],
    jumps: dict[int, float],
    store_failures: list[bool],
    delays: list[float],
) -> None:
    """Slow Runs included, that start their task up to 9 minutes after they were sent."""
    world = World(iter(fates), iter(ends), crashes, jumps, delays=iter(delays))
    life = live(world, SimulatedStore(world, iter(store_failures)))

    assert world.most_alive <= 1, "two paid tasks were alive for one intent"
    assert len(world.succeeded()) <= 1, "one intent was paid for twice"
    for returned in life.returned:
        assert returned in [task.id for task in world.succeeded()], "success without a successful task"
    # Waiting for a slot and waiting for the end each have the timeout; a clock set back makes up for its
    # jump.
    limit = 2 * TIMEOUT_SECONDS + SLACK_SECONDS + sum(map(abs, jumps.values()))
    assert life.longest_try_seconds <= limit, "silence past the deadline"


CAT_URL, DOG_URL = "https://pictures.example.com/cat.png", "https://pictures.example.com/dog.png"
CAT = FileContent("cat.png", "image/png", 3, lambda: io.BytesIO(b"cat"), identity="sha256:cat")
strangers = st.lists(st.tuples(st.floats(0, 3000), st.sampled_from(["other file", "teammate"])), max_size=6)


@settings(max_examples=300)
@given(fates=fates, ends=ends, crashes=crashes, delays=delays, strangers=strangers, is_content=st.booleans())
def test_another_ones_task_is_never_adopted(
    fates: list[str],
    ends: list[tuple[str, float, float]],
    crashes: set[int],
    delays: list[float],
    strangers: list[tuple[float, str]],
    is_content: bool,
) -> None:
    """Not that of equal parameters and another file, nor a teammate's that is equal in everything."""
    world = World.with_earlier_task(iter(fates), iter(ends), crashes, delays=iter(delays))
    world.stored["https://cdn1.wiro.ai/other/dog.png"] = "dog"
    other = {"inputImage": "https://cdn1.wiro.ai/other/dog.png"} if is_content else {"inputImageUrl": DOG_URL}
    world.strangers = [
        (at, {} if whose == "teammate" else other, "2" if whose == "teammate" else "1")
        for at, whose in sorted(strangers)
    ]
    files: dict[str, list[FileValue]] = {"inputImage": [CAT if is_content else FileUrl(CAT_URL)]}

    life = live(world, SimulatedStore(world, iter([])), files=files)

    ours = {task.id for task in world.tasks if task.is_ours}
    assert set(life.returned) <= ours, "another picture's result was returned as success"
    assert all(task.stopped_at is None for task in world.tasks if not task.is_ours), "stopped another's"
    assert world.most_alive <= 1
    assert len(world.succeeded()) <= 1


@settings(max_examples=100)
@given(crash=st.integers(1, 12), is_lost=st.sampled_from(["ok", "lost_before", "cut_off", "broken"]))
def test_the_next_dag_runs_equal_task_an_hour_later_is_never_adopted(crash: int, is_lost: str) -> None:
    """The worker dies, its retry comes 50 minutes later, and by then the next DAG run has started its own."""
    world = World(iter(["ok", is_lost]), iter([("success", 1.0, 5.0)] * 9), crashes={crash})
    world.ours = {"prompt": "a lighthouse", "samples": 2}
    world.strangers = [(2990.0, {}, "1")]

    life = live(world, SimulatedStore(world, iter([])), crash_delay=3000)

    [stranger] = [task for task in world.tasks if not task.is_ours] or [None]
    assert stranger is None or stranger.id not in life.returned
    assert stranger is None or stranger.stopped_at is None
    assert len(life.returned) == 1
    assert len(world.succeeded()) == 1


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
