"""The WebSocket's messages about a task, and their moments: a pure function of the task's lifecycle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.http.task_json import outputs_json
from airflow_provider_wiro.emulator.state.lifecycle import TERMINAL, Status

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.media.prose import Answer
    from airflow_provider_wiro.emulator.state.task import Task
    from airflow_provider_wiro.emulator.state.world import World

_OUTPUTS_PER_RUN = 10
# Only the older dialect repeats earlier messages in these.
_EMPTY = frozenset({Status.OUTPUT_FULL, "task_error_full"})


@dataclass(frozen=True, slots=True)
class Event:
    """A message due at `moment` (Unix seconds). `done` is the finished share of the run, for outputs."""

    moment: float
    type: str
    done: float = 0.0


def events_of(task: Task) -> list[Event]:
    """Return all messages of a task, from its creation to its end, in the order of sending."""
    events: list[Event] = []
    steps = task.lifecycle.history(math.inf)
    # A failure before the model ran is a step of its own, so its error is not sent twice.
    failed_before = any(step.status == Status.ERROR for step in steps)
    sends_error = bool(task.deviation.debug_error) and not failed_before
    for step, following in zip_longest(steps, steps[1:]):
        if step.status == Status.OUTPUT:
            span = following.moment - step.moment if following else 0.0
            # All of them before the next step starts.
            shares = [number / _OUTPUTS_PER_RUN for number in range(1, _OUTPUTS_PER_RUN + 1)]
            events += [Event(step.moment + span * 0.99 * share, Status.OUTPUT, share) for share in shares]
            continue
        if step.status == Status.OUTPUT_FULL and sends_error:
            events.append(Event(step.moment, Status.ERROR))
        events.append(Event(step.moment, step.status))
        if step.status == Status.OUTPUT_FULL and sends_error:
            events.append(Event(step.moment, "task_error_full"))
    return events


def message_of(event: Event, task: Task, world: World) -> dict[str, Any]:
    """Return the JSON of a message, in the dialect of the settings."""
    content = _content(event, task, world)
    if world.settings.socket_dialect == "old":
        return {
            "type": event.type,
            "id": task.id,
            "tasktoken": task.token,
            "message": content,
            "result": True,
        }
    is_end = event.type in TERMINAL
    has_run = event.type == Status.POSTPROCESS_END
    return {
        "type": event.type,
        "id": task.id,
        "message": "" if event.type in _EMPTY else content,
        "result": True,
        "success": has_run and task.deviation.succeeds if is_end else None,
        "terminal": is_end,
        "exitCode": int(task.deviation.exit_code or 0) if has_run else None,
    }


def _content(event: Event, task: Task, world: World) -> Any:
    answer = task.rendering.answer
    match event.type:
        case Status.OUTPUT:
            if answer is None:
                return _progress(event, task)
            snapshot = _partial_answer(event, task, answer)
            return snapshot if world.settings.socket_dialect == "old" else snapshot | _segments(snapshot)
        case Status.OUTPUT_FULL:
            return {"raw": "100%|##########| done"} if answer is None else _whole_answer(answer)
        case Status.ERROR:
            return task.deviation.debug_error.splitlines()[-1] if task.deviation.debug_error else None
        case "task_error_full":
            return {"raw": task.deviation.debug_error}
        case Status.POSTPROCESS_END:
            return outputs_json(task, world.files, world.cdn_url, event.moment)
        case _:
            return None


def _progress(event: Event, task: Task) -> dict[str, Any]:
    total = max(1, round(task.inputs.number("steps", 10)))
    run_seconds = task.inputs.model.timing.run
    return {
        "type": "progressGenerate",
        "task": "Generate",
        "percentage": str(round(event.done * 100)),
        "stepCurrent": str(round(event.done * total)),
        "stepTotal": str(total),
        "speed": f"{total / run_seconds:.1f}",
        "speedType": "it/s",
        "elapsedTime": f"{event.done * run_seconds:.0f}s",
        "remainingTime": f"{(1 - event.done) * run_seconds:.0f}s",
    }


def _partial_answer(event: Event, task: Task, answer: Answer) -> dict[str, Any]:
    """Return a language model's output up to now: first its whole thinking, then its answer as well."""
    thinks = event.done <= 0.3
    thinking = _first_words(" ".join(answer.thinking), event.done / 0.3)
    text = "" if thinks else _first_words(" ".join(answer.answer), (event.done - 0.3) / 0.7)
    seconds = event.done * task.inputs.model.timing.run
    return {
        "type": "progressGenerate",
        "task": "Generate",
        "thinking": [thinking],
        "answer": [text] if text else [],
        "raw": f"<think>{thinking}" if thinks else f"<think>{thinking}</think>{text}",
        "isThinking": thinks,
        "speed": f"{len(f'{thinking} {text}'.split()) / seconds:.1f}",
        "speedType": "words/s",
        "elapsedTime": f"{seconds:.0f}s",
    }


def _segments(snapshot: dict[str, Any]) -> dict[str, Any]:
    kinds = ("thinking", "answer")
    return {"segments": [{"type": kind, "text": text} for kind in kinds for text in snapshot[kind]]}


def _whole_answer(answer: Answer) -> dict[str, Any]:
    return {"raw": answer.raw, "thinking": list(answer.thinking), "answer": list(answer.answer)}


def _first_words(text: str, share: float) -> str:
    words = text.split(" ")
    return " ".join(words[: math.ceil(len(words) * min(1.0, share) - 1e-9)])
