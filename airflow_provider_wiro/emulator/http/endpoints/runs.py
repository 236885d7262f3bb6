"""`POST /Run/{owner}/{model}`."""

from __future__ import annotations

import math
import uuid
from functools import reduce
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.catalog import find_model
from airflow_provider_wiro.emulator.envelope import BALANCE, CONCURRENCY, ApiError, no_such_model, success
from airflow_provider_wiro.emulator.generation.inputs import Inputs
from airflow_provider_wiro.emulator.generation.validation import check_parameters, sources_of
from airflow_provider_wiro.emulator.http.request_body import Body
from airflow_provider_wiro.emulator.state.deviation import ordinary_twist, twisted_by
from airflow_provider_wiro.emulator.state.lifecycle import plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.emulator.catalog.model import Model
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World

_UNLIMITED_ABOVE_USD = 250
_LEAST_BALANCE_USD = 0.5
_LEAST_BALANCE_TO_TRAIN_USD = 10


def run(world: World, owner: str, project: str, body: Body) -> dict[str, Any]:
    """Accept a run, or say why not; an accepted one exists, and will be billed, from here on."""
    model = find_model(owner, project)
    if model is None:
        raise no_such_model()
    check_parameters(model, body)
    _check_balance(world, model)
    _check_concurrency(world)
    task = start(world, model, body, speed=world.settings.speed)
    for teammate in world.teammates:
        start(world, model, body, speed=world.settings.speed, teammate=teammate)
    return success(taskid=task.id, socketaccesstoken=task.token)


def start(world: World, model: Model, body: Body, *, speed: float, teammate: str | None = None) -> Task:
    """
    Start a task, with the faults that wait for one, `speed` times as fast as the model's own pace.

    A `teammate` is the `uuid` of another member of the team who starts it; no fault waits for theirs.
    """
    inputs = Inputs(model, body, _digests(world, model, body))
    faults = world.faults.take_for_run(model.slug) if teammate is None else []
    world.ledger.faults_fired.update(fault.kind for fault in faults)
    twist = reduce(twisted_by, faults, ordinary_twist(world.settings))
    life = plan(
        model.timing,
        created=world.now(),
        speed=speed,
        detour=twist.detour,
        assign_delay=twist.assign_delay,
    )
    task = world.tasks.add(
        inputs,
        life,
        twist,
        speed,
        uuid=teammate or world.project.uuid,
        is_teammates=teammate is not None,
    )
    _keep_input_files(world, task)
    return task


def start_beside_the_api(
    world: World,
    slug: str,
    parameters: Mapping[str, Any],
    *,
    seconds: Sequence[float | None] = (None,),
    teammate: bool = False,
) -> list[Task]:
    """
    Start a task for each of `seconds`, which is how long it lasts on the emulator's clock (`None`: as long as
    the model takes at the emulator's speed). No limit counts, and no balance.

    :raises ApiError: for a model or parameters that Run would refuse.
    :raises ValueError: for a slug without a slash, or a duration that is none.
    """
    owner, project = slug.split("/")
    model, body = find_model(owner, project), Body(dict(parameters))
    if model is None:
        raise no_such_model()
    check_parameters(model, body)
    speeds = [world.settings.speed if lasts is None else _speed(model, lasts) for lasts in seconds]
    member = str(uuid.uuid4()) if teammate else None
    return [start(world, model, body, speed=speed, teammate=member) for speed in speeds]


def _speed(model: Model, seconds: float) -> float:
    if not 0 < seconds < math.inf:
        raise ValueError(f"a task lasts longer than nothing and not forever, got {seconds} seconds")
    return model.timing.total / seconds


def concurrency_limit(world: World) -> int | None:
    """Return how many tasks may be active at once, `None` for any number."""
    settings = world.settings
    if settings.max_active is not None or settings.balance_usd is None:
        return settings.max_active
    balance = settings.balance_usd - float(world.spent_usd())
    return None if balance > _UNLIMITED_ABOVE_USD else max(1, int(balance * 0.1))


def _check_balance(world: World, model: Model) -> None:
    balance = world.settings.balance_usd
    least = _LEAST_BALANCE_TO_TRAIN_USD if "training" in model.categories else _LEAST_BALANCE_USD
    if balance is not None and balance - float(world.spent_usd()) < least:
        raise ApiError(BALANCE, "Insufficient balance")


def _check_concurrency(world: World) -> None:
    limit = concurrency_limit(world)
    if limit is None or world.active_tasks() < limit:
        return
    balance = (world.settings.balance_usd or 0.0) - float(world.spent_usd())
    raise ApiError(
        CONCURRENCY,
        "You have reached your concurrent task limit. "
        f"With your current balance of ${max(0.0, balance):.2f}, "
        f"you can run up to {limit} tasks at the same time. Add funds to increase your limit.",
    )


def _digests(world: World, model: Model, body: Body) -> dict[str, str]:
    """Return the SHA-256 of every input that was uploaded before and is given by its URL."""
    given = (source for parameter in model.parameters() for source in sources_of(parameter, body))
    files = ((url, world.files.find_by_url(url, world.cdn_url)) for url in given)
    return {url: stored.content.digest for url, stored in files if stored is not None}


def _keep_input_files(world: World, task: Task) -> None:
    for file in task.inputs.body.files:
        stored = world.files.add(
            file.name, file.content_type, file.content, parent_id=task.folder_id, now=world.now()
        )
        task.input_files.setdefault(file.field, []).append(stored)
