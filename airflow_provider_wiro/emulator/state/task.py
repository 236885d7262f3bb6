"""A task: what is recorded of one run, and what follows from the record and the clock."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.generation.inputs import WIRO_FIELDS, Inputs
from airflow_provider_wiro.emulator.generation.pricing import cost_usd
from airflow_provider_wiro.emulator.generation.rendering import Rendering, render
from airflow_provider_wiro.emulator.state.contents import Content, GeneratedContent, MemoryContent
from airflow_provider_wiro.emulator.state.deviation import Deviation
from airflow_provider_wiro.emulator.state.lifecycle import Lifecycle, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.emulator.state.files import FileStore, StoredFile

_ALPHABET = string.ascii_letters + string.digits


@dataclass(slots=True, kw_only=True)
class Task:
    """One accepted run. Only `lifecycle`, `deviation` and the presence of its files ever change."""

    id: str
    token: str = field(default_factory=lambda: "".join(secrets.choice(_ALPHABET) for _ in range(30)))
    inputs: Inputs
    lifecycle: Lifecycle
    speed: float
    deviation: Deviation = field(default_factory=Deviation)
    uuid: str
    """The member of the team who started it."""
    is_teammates: bool = False
    folder_id: str = field(default_factory=lambda: secrets.token_hex(16))
    input_files: dict[str, list[StoredFile]] = field(default_factory=dict)
    files_deleted: bool = False
    is_forgotten: bool = False
    """No endpoint knows it any more. It is counted all the same: it was started, and may be billed."""
    _rendering: Rendering | None = None
    _outputs: list[StoredFile] | None = None

    @property
    def callback_url(self) -> str:
        """The address to which the finished task is POSTed; `""` for none."""
        return self.inputs.body.text("callbackUrl")

    @property
    def project_id(self) -> str:
        """The other project to bill; `""` for the caller's own."""
        return self.inputs.body.text("projectid")

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters as they were sent."""
        return {name: value for name, value in self.inputs.body.fields.items() if name not in WIRO_FIELDS}

    def status(self, now: float) -> str:
        """Return the status at `now`."""
        return self.lifecycle.status_at(now)

    def is_terminal(self, now: float) -> bool:
        """Return whether the task has ended by `now`."""
        return self.lifecycle.is_terminal_at(now)

    def has_succeeded(self, now: float) -> bool:
        """Return whether the task has ended with success, and so is billed."""
        return self.status(now) == Status.POSTPROCESS_END and self.deviation.succeeds

    def ended(self, now: float) -> float | None:
        """Return when the model stopped working, in Unix seconds; `None` while it works or before."""
        if self.lifecycle.stopped_at is not None and self.lifecycle.stopped_at <= now:
            return self.lifecycle.stopped_at
        for status in (Status.CANCEL, Status.END, Status.POSTPROCESS_END):
            if (moment := self.lifecycle.moment_of(status, now)) is not None:
                return moment
        return None

    def elapsed_seconds(self, now: float) -> float:
        """
        Return the model's seconds from acceptance to its end, or to `now`.

        They don't depend on the speed: a run at fifty times the speed costs the same.
        """
        accepted = self.lifecycle.last_moment_of(Status.ACCEPT, now)  # a requeued task is billed for one run
        if accepted is None:
            return 0.0
        end = self.ended(now)
        # Rounded as it is shown, so that the price follows from the seconds shown.
        return round(((now if end is None else end) - accepted) * self.speed, 4)

    def cost(self, now: float) -> Decimal:
        """Return the cost in USD: of a success, and of a killed task if the settings say so."""
        if not (self.has_succeeded(now) or self._was_killed_and_is_billed(now)):
            return Decimal(0)
        return cost_usd(
            self.inputs,
            self.rendering,
            self.elapsed_seconds(now),
            outputs=self._outputs_made(now),
            dearest=self.deviation.bills_dearest_row,
        )

    def _outputs_made(self, now: float) -> int:
        """Return how many outputs are billed; a killed task is charged like a success."""
        deviation = self.deviation
        if self.has_succeeded(now) and not deviation.makes_outputs:
            return 0
        return deviation.output_count if deviation.output_bytes is not None else len(self.rendering.files)

    def cost_is_recorded(self, now: float) -> bool:
        """Return whether `totalcost` shows the cost yet."""
        end = self.lifecycle.ends_at
        return end is None or now >= end + self.deviation.late_cost_seconds

    def _was_killed_and_is_billed(self, now: float) -> bool:
        if not self.deviation.billed_when_killed or self.status(now) != Status.CANCEL:
            return False
        return self.lifecycle.moment_of(Status.ASSIGN, now) is not None

    @property
    def rendering(self) -> Rendering:
        """What the model makes of the inputs."""
        if self._rendering is None:
            self._rendering = render(self.inputs)
        return self._rendering

    def outputs(self, store: FileStore, now: float) -> list[StoredFile]:
        """Return the output files at `now`."""
        if self.files_deleted or not self.has_succeeded(now) or not self.deviation.makes_outputs:
            return []
        if self._outputs is None:
            finished = self.lifecycle.moment_of(Status.POSTPROCESS_END, now) or now
            self._outputs = [
                store.add(
                    name,
                    content_type,
                    content,
                    parent_id=self.folder_id,
                    now=finished,
                    appears=finished + self.deviation.late_link_seconds,
                )
                for name, content_type, content in self._contents()
            ]
        return self._outputs

    def delete_files(self, store: FileStore, cdn_url: str) -> None:
        """
        Remove every input and output; the record stays.

        An upload that the run was given by its URL is an input too, even if other runs still need it.
        """
        self.files_deleted = True
        inputs = (file for files in self.input_files.values() for file in files)
        named = (store.find_by_url(url, cdn_url) for url in _texts(self.parameters))
        uploads = (file for file in named if file is not None and file.is_upload)
        for file in (*inputs, *uploads, *(self._outputs or ())):
            store.remove(file.access_key)

    def _contents(self) -> Iterator[tuple[str, str, Content]]:
        """Yield the name, content type and content of each output."""
        deviation = self.deviation
        if deviation.output_bytes is not None:
            for index in range(deviation.output_count):
                seed = f"{self.inputs.fingerprint}/{index}" if index else self.inputs.fingerprint
                content = GeneratedContent(deviation.output_bytes, seed)
                yield deviation.output_name or f"{index}.bin", "application/octet-stream", content
            return
        if deviation.output_file is not None:
            name, content_type, written = deviation.output_file
            yield name, content_type, MemoryContent(written)
            return
        for file in self.rendering.files:
            yield deviation.output_name or file.name, file.content_type, MemoryContent(file.draw())


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a parameter's value; several URLs are separated by commas."""
    match value:
        case str():
            yield from (part.strip() for part in value.split(","))
        case list():
            yield from (text for item in value for text in _texts(item))
        case dict():
            yield from (text for item in value.values() for text in _texts(item))
