"""The durable record of one run: written before its Run is sent, and again once Wiro has responded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, Self

from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.input_files.sent_files import Digests, read_digests
from airflow_provider_wiro.recovery.sending import Sending
from airflow_provider_wiro.state_files.task_try import WrittenBy
from airflow_provider_wiro.storage.timestamps import from_stored_or_none, to_stored_or_none

if TYPE_CHECKING:
    from airflow_provider_wiro.exceptions import WiroLostRunError

RECORD_VERSION = 1
#: Of a run that is sent again and again, this many sendings are remembered, the latest ones.
_MOST_LOST_SENDINGS = 10
#: This many ids of the task instance's Wiro tasks are remembered, the latest ones.
_MOST_TASK_IDS = 20
#: Fields that are stored even if they say nothing; the first version wrote no others.
_ALWAYS_STORED = frozenset(
    {
        "fingerprint",
        "intended_at",
        "lifetime",
        "try_number",
        "newest_before",
        "wiro_task_id",
        "is_spent",
        "earlier_task_ids",
    }
)


@dataclass(frozen=True)
class RunRecord:
    """
    The durable record of one run: small, JSON, without a secret. Fields of later versions have a default.

    :ivar fingerprint: of what was to be run.
    :ivar sending: the Run; its time is taken right before it is sent.
    :ivar max_tries: Airflow's, of the task instance. Stored as ``lifetime``.
    :ivar try_number: the try that wrote it last.
    :ivar wiro_task_id: None until Wiro has responded.
    :ivar is_consumed: the run's result was returned. Stored as ``is_spent``.
    :ivar earlier_task_ids: tasks of this task instance's earlier runs, none of which is this one's.
    :ivar writer: a token of the process that wrote it last, of all that can be alive for the task instance.
    :ivar references: a digest of what was to be run, with the names of its files in place of their content.
    :ivar files: the digests of the files whose bytes are sent, as far as they are known.
    :ivar lost_sendings: earlier sendings of this run that were taken for not started.
    :ivar clears: see :class:`~airflow_provider_wiro.state_files.task_try.TaskTry`.
    :ivar run_started_at: see there.
    :ivar accepted_at: Unix time at which Wiro's response with the task's id was read: until some seconds
        after it Wiro may not know the task yet.
    :ivar inputs: what a decorated function gave the run, by which a retry runs the same again:
        ``parameters``, ``files`` and ``label``, as far as they may be kept.
    """

    fingerprint: str
    sending: Sending
    max_tries: int
    try_number: int
    wiro_task_id: str | None = None
    is_consumed: bool = False
    earlier_task_ids: tuple[str, ...] = ()
    writer: str | None = None
    references: str | None = None
    files: Digests = field(default_factory=dict)
    lost_sendings: tuple[Sending, ...] = ()
    clears: int | None = None
    run_started_at: float | None = None
    accepted_at: float | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the record as it is stored, without later fields that say nothing."""
        known = {
            "fingerprint": self.fingerprint,
            **self.sending.to_json(),
            "lifetime": self.max_tries,
            "try_number": self.try_number,
            "wiro_task_id": self.wiro_task_id,
            "is_spent": self.is_consumed,
            "earlier_task_ids": self.earlier_task_ids,
            "writer": self.writer,
            "references": self.references,
            "files": self.files,
            "lost_sendings": [sending.to_json() for sending in self.lost_sendings],
            "run_started_at": to_stored_or_none(self.run_started_at),
            "accepted_at": to_stored_or_none(self.accepted_at),
            "inputs": self.inputs,
        }
        return {
            "version": RECORD_VERSION,
            **{name: value for name, value in known.items() if value or name in _ALWAYS_STORED},
            **({} if self.clears is None else {"clears": self.clears}),
        }

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """
        Read a stored record.

        :raises WiroOrphanedRunError: it is damaged or of a later version. It is never taken for no record.
        """
        found = stored if isinstance(stored, Mapping) else {}
        try:
            return cls._read(found)
        except (KeyError, TypeError, ValueError) as error:
            raise WiroOrphanedRunError(
                f"Expected the record of a Wiro run, version {RECORD_VERSION}, found {str(stored)[:200]!r}. "
                "Look in the dashboard at wiro.ai whether the run was started, then delete the record."
            ) from error

    @classmethod
    def _read(cls, found: Mapping[str, Any]) -> Self:
        task_id, writer, references = (found.get(name) for name in ("wiro_task_id", "writer", "references"))
        is_sound = (
            found["version"] == RECORD_VERSION
            and isinstance(found["fingerprint"], str)
            and isinstance(found["lifetime"], int)
            and isinstance(found["try_number"], int)
            and isinstance(found["earlier_task_ids"], list | tuple)
            and all(value is None or isinstance(value, str) for value in (task_id, writer, references))
            and isinstance(found.get("clears", 0), int)
            and isinstance(found.get("inputs", {}), Mapping)
        )
        if not is_sound:
            raise ValueError("A field has a value of another type.")
        return cls(
            found["fingerprint"],
            Sending.from_json(found),
            max_tries=found["lifetime"],
            try_number=found["try_number"],
            wiro_task_id=task_id,
            is_consumed=bool(found.get("is_spent")),
            earlier_task_ids=tuple(map(str, found["earlier_task_ids"])),
            writer=writer,
            references=references,
            files=read_digests(found.get("files", {})),
            lost_sendings=tuple(Sending.from_json(one) for one in found.get("lost_sendings", ())),
            clears=found.get("clears"),
            run_started_at=from_stored_or_none(found.get("run_started_at")),
            accepted_at=from_stored_or_none(found.get("accepted_at")),
            inputs=found.get("inputs", {}),
        )

    @property
    def written_by(self) -> WrittenBy:
        return WrittenBy(self.try_number, self.max_tries, self.clears, self.run_started_at)

    @property
    def known_task_ids(self) -> tuple[str, ...]:
        """The latest Wiro tasks of this task instance, the newest last."""
        latest = () if self.wiro_task_id is None else (self.wiro_task_id,)
        return (*self.earlier_task_ids, *latest)[-_MOST_TASK_IDS:]

    @property
    def accepted_at_moment(self) -> datetime:
        """When Wiro accepted the Run; where that isn't known, when it was to be sent."""
        known = self.sending.intended_at if self.accepted_at is None else self.accepted_at
        return datetime.fromtimestamp(known, tz=UTC)

    def lose(
        self, error: WiroLostRunError, after_seconds: float, idle_seconds: float, files: Digests
    ) -> Self:
        """
        Return the record with what is known of the loss of its Run's response.

        :param after_seconds: from the sending to the loss.
        :param idle_seconds: from the last byte that was sent to the loss.
        :param files: the digests of the files that were sent.
        """
        return replace(self, sending=self.sending.lose(error, after_seconds, idle_seconds), files=files)

    @property
    def sendings_before_next(self) -> tuple[Sending, ...]:
        """The sendings that the next one remembers: those before, and this one if its task is not known."""
        mine = () if self.wiro_task_id is not None else (self.sending,)
        return (*self.lost_sendings, *mine)[-_MOST_LOST_SENDINGS:]


class RecordStore(Protocol):
    """Keeps the one record of a task instance."""

    def read(self) -> RunRecord | None:
        """
        Return the record, None if there certainly is none.

        :raises WiroRecordError: whether there is one isn't known.
        """

    def write(self, record: RunRecord) -> None:
        """
        Put a record in place of the one before.

        :raises WiroRecordError: it may not have been written.
        """

    def clear(self) -> None:
        """
        Delete the record.

        :raises WiroRecordError: it may still be there.
        """
