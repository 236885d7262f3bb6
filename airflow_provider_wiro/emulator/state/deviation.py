"""How one task deviates from an ordinary success: what settings and faults make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_wiro.emulator.state.lifecycle import Detour, Lifecycle, Status, plan_lifecycle

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.catalog.model import Timing
    from airflow_provider_wiro.emulator.settings import Settings
    from airflow_provider_wiro.emulator.state.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """All deviations of one task; the default is none."""

    exit_code: str | None = "0"
    debug_error: str = ""
    detour: Detour | None = None
    assign_delay: float = 0.0
    missing_fields: tuple[str, ...] = ()
    numbers_as_numbers: bool = False
    without_outputs: bool = False
    billed_when_killed: bool = False
    bills_dearest_row: bool = False
    late_cost_seconds: float = 0.0
    cost_is_missing: bool = False
    output_bytes: int | None = None
    output_count: int = 1
    output_name: str | None = None
    output_file: tuple[str, str, bytes] | None = None
    """Name, content type and content of the only output, in place of what the model makes."""
    output_url: str | None = None
    output_size: str | None = None
    without_output_size: bool = False
    late_link_seconds: float = 0.0
    hides_late_links: bool = False
    answer_shape: str = "full"
    finish_reason: str = "stop"
    debug_output: str | None = None
    parameters_as_text: bool = False
    kit_fields: bool = False
    is_listed_in_brief: bool = False

    @property
    def succeeds(self) -> bool:
        """Whether the run succeeds; a missing or empty exit code is no failure."""
        return self.exit_code in {"0", "", None}

    @property
    def makes_outputs(self) -> bool:
        """Whether the task has outputs; a failed run has none."""
        return self.succeeds and not self.without_outputs

    def plan(self, timing: Timing, *, created: float, speed: float) -> Lifecycle:
        """Return the lifecycle of a task that was created at `created`, in Unix seconds."""
        return plan_lifecycle(
            timing, created=created, speed=speed, detour=self.detour, assign_delay=self.assign_delay
        )


# What follows a `task_error`, by `Fault.then`.
_AFTER_AN_ERROR = {
    "requeue": Status.QUEUE,
    "exit": Status.POSTPROCESS_END,
    "cancel": Status.CANCEL,
    "stay": None,
}
_DETOURS = {
    "stuck_in_queue": Detour(Status.QUEUE, None),
    "stuck_running": Detour(Status.OUTPUT, None),
    "cancelled_by_hand": Detour(Status.OUTPUT, Status.CANCEL),
}


def default_deviation(settings: Settings) -> Deviation:
    """Return the deviation of every task under these settings, before any fault."""
    return Deviation(
        billed_when_killed=settings.bill_killed,
        bills_dearest_row=settings.price_row == "dearest",
        late_cost_seconds=settings.late_cost_seconds,
        parameters_as_text=settings.parameters_as_text,
        kit_fields=settings.task_fields == "kits",
        is_listed_in_brief=settings.list_fields == "few",
        output_bytes=settings.output_bytes,
    )


def deviated(deviation: Deviation, fault: Fault) -> Deviation:
    """Return `deviation` with a fault added; a later fault of the same kind replaces an earlier one."""
    match fault.kind:
        case "exit_code":
            return replace(deviation, exit_code=fault.exit_code, debug_error=fault.debug_error)
        case "no_exit_code":
            return replace(deviation, exit_code=None)
        case "fatal_error":
            detour = Detour(Status.PREPROCESS_START, Status.ERROR, _AFTER_AN_ERROR[fault.then], fault.seconds)
            exit_code = fault.exit_code if fault.then == "exit" else deviation.exit_code
            return replace(deviation, detour=detour, debug_error=fault.debug_error, exit_code=exit_code)
        case "requeue":
            return replace(
                deviation, detour=Detour(Status.ASSIGN, Status.QUEUE, Status.ACCEPT, fault.seconds)
            )
        case "slow_assign":
            return replace(deviation, assign_delay=fault.seconds)
        case "late_cost":
            return replace(deviation, late_cost_seconds=fault.seconds, cost_is_missing=fault.missing)
        case "billed_kill":
            return replace(deviation, billed_when_killed=True)
        case "stuck_in_queue" | "stuck_running" | "cancelled_by_hand":
            return replace(deviation, detour=_DETOURS[fault.kind])
        case "unknown_status":
            back_to = None if fault.forever else Status.OUTPUT
            return replace(deviation, detour=Detour(Status.START, fault.task_status, back_to))
        case "missing_fields":
            return replace(deviation, missing_fields=fault.fields)
        case "numbers_as_numbers":
            return replace(deviation, numbers_as_numbers=True)
        case "no_outputs":
            return replace(deviation, without_outputs=True, debug_output=fault.debug_output)
        case "answer_shape":
            return replace(
                deviation,
                answer_shape=fault.shape,
                finish_reason=fault.finish_reason,
                debug_output=fault.debug_output,
            )
        case "late_link":
            return replace(
                deviation, late_link_seconds=fault.seconds, hides_late_links=fault.until_then == "empty"
            )
        case "output_size":
            return replace(deviation, output_size=fault.size, without_output_size=fault.missing)
        case "big_output":
            return replace(deviation, output_bytes=fault.bytes, output_count=fault.outputs)
        case "output_file":
            return replace(deviation, output_file=(fault.name, fault.content_type, fault.content.encode()))
        case "output_name":
            return replace(deviation, output_name=fault.name)
        case "output_url":
            return replace(deviation, output_url=fault.url)
        case _:
            raise ValueError(f"{fault.kind!r} is not a fault of a task")
