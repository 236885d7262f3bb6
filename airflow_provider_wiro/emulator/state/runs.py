"""Starting runs: the checks of parameters, balance and concurrency, the waiting faults, the teammates."""

from __future__ import annotations

import math
import uuid
from functools import reduce
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.catalog import find_model
from airflow_provider_wiro.emulator.envelope import BALANCE, CONCURRENCY, NOT_FOUND, ApiError
from airflow_provider_wiro.emulator.generation.inputs import Inputs, RequestBody
from airflow_provider_wiro.emulator.generation.validation import check_parameters
from airflow_provider_wiro.emulator.media.wav import SOUND_HEADER_BYTES, sound_seconds
from airflow_provider_wiro.emulator.state.contents import DiskContent
from airflow_provider_wiro.emulator.state.deviation import default_deviation, deviated
from airflow_provider_wiro.emulator.state.task import Task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.emulator.catalog.model import Model
    from airflow_provider_wiro.emulator.state.contents import Content
    from airflow_provider_wiro.emulator.state.world import World

_UNLIMITED_ABOVE_USD = 250
_LEAST_BALANCE_USD = 0.5
_LEAST_BALANCE_TO_TRAIN_USD = 10
_SECONDS_OF_SOUND_ELSEWHERE = 10.0


def run(world: World, owner: str, project: str, body: RequestBody) -> Task:
    """
    Accept a run, as `POST /Run/{owner}/{project}` does, and start the teammates' copies of it.

    :raises ApiError: if Wiro would refuse it.
    """
    model = _checked_model(owner, project, body)
    _check_balance(world, model)
    _check_concurrency(world)
    task = _start(world, model, body, speed=world.settings.speed)
    for teammate in world.teammates:
        _start(world, model, body, speed=world.settings.speed, teammate=teammate)
    return task


def start_tasks(
    world: World,
    slug: str,
    parameters: Mapping[str, Any],
    *,
    seconds: Sequence[float | None] = (None,),
    teammate: bool = False,
) -> list[Task]:
    """
    Start tasks without the API, and without the limits of balance and concurrency.

    :param seconds: starts a task for each entry, which is how long it lasts on the emulator's clock; `None`
        is the model's own duration at the emulator's speed.
    :param teammate: another member of the team starts them.
    :raises ApiError: for a model or parameters that Wiro would refuse.
    :raises ValueError: for a slug without a slash, or a duration that is not above zero and finite.
    """
    body = RequestBody(dict(parameters))
    owner, project = slug.split("/")
    model = _checked_model(owner, project, body)
    speeds = [world.settings.speed if lasts is None else _speed(model, lasts) for lasts in seconds]
    member = str(uuid.uuid4()) if teammate else None
    return [_start(world, model, body, speed=speed, teammate=member) for speed in speeds]


def _checked_model(owner: str, project: str, body: RequestBody) -> Model:
    model = find_model(owner, project)
    if model is None:
        raise ApiError(NOT_FOUND, "slug-owner-project-not-exist")
    check_parameters(model, body)
    return model


def _start(
    world: World, model: Model, body: RequestBody, *, speed: float, teammate: str | None = None
) -> Task:
    """Start a task; a `teammate` is the `uuid` of the other member who starts it, and no fault fires then."""
    inputs = Inputs(
        model, body, _digests(world, model, body), audio_seconds=_audio_seconds(world, model, body)
    )
    faults = world.faults.take_for_run(model.slug) if teammate is None else []
    world.activity.faults_fired.update(fault.kind for fault in faults)
    deviation = reduce(deviated, faults, default_deviation(world.settings))
    task = Task(
        id=world.tasks.next_id(),
        inputs=inputs,
        lifecycle=deviation.plan(model.timing, created=world.now(), speed=speed),
        speed=speed,
        deviation=deviation,
        uuid=teammate or world.project.uuid,
        is_teammates=teammate is not None,
    )
    world.tasks.add(task)
    for file in body.files:
        content = DiskContent(file.path, file.sha256)
        stored = world.files.add(
            file.name, file.content_type, content, parent_id=task.folder_id, now=world.now()
        )
        task.input_files.setdefault(file.field, []).append(stored)
    return task


def _speed(model: Model, seconds: float) -> float:
    if not 0 < seconds < math.inf:
        raise ValueError(f"a task's duration must be above zero and finite, got {seconds} seconds")
    return model.timing.total / seconds


def _digests(world: World, model: Model, body: RequestBody) -> dict[str, str]:
    """Return the SHA-256 of every input that was uploaded before and is named by its URL."""
    given = (source for parameter in model.parameters() for source in body.sources(parameter))
    files = ((url, world.files.find_by_url(url, world.cdn_url)) for url in given)
    return {url: stored.content.digest for url, stored in files if stored is not None}


def _audio_seconds(world: World, model: Model, body: RequestBody) -> float:
    """Return for how long the sounds play that a run is given; what is elsewhere is taken for a default."""
    received = [file for file in body.files if file.content_type.startswith("audio/")]
    seconds = [sound_seconds(_beginning(DiskContent(file.path, file.sha256)), file.size) for file in received]
    for parameter in model.parameters():
        if "audio" not in parameter.id.lower():
            continue
        for url in body.sources(parameter):
            stored = world.files.find_by_url(url, world.cdn_url)
            if stored is not None:
                seconds.append(sound_seconds(_beginning(stored.content), stored.content.size))
            elif url.startswith("http"):
                seconds.append(_SECONDS_OF_SOUND_ELSEWHERE)
    return math.fsum(seconds)


def _beginning(content: Content) -> bytes:
    return b"".join(content.chunks(0, min(content.size, SOUND_HEADER_BYTES)))


def _check_balance(world: World, model: Model) -> None:
    balance = _balance(world)
    least = _LEAST_BALANCE_TO_TRAIN_USD if "training" in model.categories else _LEAST_BALANCE_USD
    if balance is not None and balance < least:
        raise ApiError(BALANCE, "Insufficient balance")


def _check_concurrency(world: World) -> None:
    limit, balance = world.settings.max_active, _balance(world)
    if limit is None and balance is not None and balance <= _UNLIMITED_ABOVE_USD:
        limit = max(1, int(balance * 0.1))
    if limit is None or world.statistics.active < limit:
        return
    raise ApiError(
        CONCURRENCY,
        "You have reached your concurrent task limit. "
        f"With your current balance of ${max(0.0, balance or 0.0):.2f}, "
        f"you can run up to {limit} tasks at the same time. Add funds to increase your limit.",
    )


def _balance(world: World) -> float | None:
    """Return what is left of the balance in USD; `None` if it has no end."""
    balance = world.settings.balance_usd
    return None if balance is None else balance - float(world.statistics.spent_usd)
