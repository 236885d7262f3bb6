"""The durable record of one run: what is written before a Run is sent, and after its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.exceptions import WiroOrphanedRunError
from airflow_provider_wiro.input_files.sent_files import Digests, read_digests
from airflow_provider_wiro.recovery.sending import Loss, Sending
from airflow_provider_wiro.state_files.task_try import WrittenBy
from airflow_provider_wiro.storage.timestamps import from_stored_or_none, to_stored_or_none

if TYPE_CHECKING:
    from airflow_provider_wiro.exceptions import WiroLostRunError

RECORD_VERSION = 1
#: Of a run that is sent again and again, the latest sendings are remembered.
_MOST_LOST_SENDINGS = 10


@dataclass(frozen=True)
class RunRecord:
    """
    The durable record of one run: small, JSON, without a secret.

    :ivar fingerprint: of what was to be run.
    :ivar intended_at: Unix time in seconds, taken right before the Run was sent.
    :ivar newest_before: the project's newest task before the Run was sent, empty if it had none; only later
        ones can be this run. None if Wiro didn't tell.
    :ivar wiro_task_id: None until Wiro has answered.
    :ivar lifetime: Airflow's ``max_tries`` of the task instance.
    :ivar try_number: the try whose record it is.
    :ivar is_spent: the run's result was returned.
    :ivar earlier_task_ids: tasks of earlier runs of this task instance, which are not to be taken for this
        one.
    :ivar wiro_at: ``intended_at`` by Wiro's clock, None if not known.
    :ivar loss: how the Run's answer was lost, None if it wasn't, or nobody knows.
    :ivar lost_after: seconds from the sending to that.
    :ivar uploaded_for: see :class:`~airflow_provider_wiro.recovery.sending.Sending`; None in older records.
    :ivar writer: of all processes that can be alive for the task instance, the one whose record it is. None
        in records of the version before.
    :ivar references: a digest of what was to be run by the names of its files. None likewise.
    :ivar files: the digests of the files whose bytes are sent, as far as they are known.
    :ivar lost_sendings: earlier sendings of this run that were taken for not started.
    :ivar clears: see :class:`~airflow_provider_wiro.state_files.task_try.TaskTry`; None in older records.
    :ivar run_started_at: see there.
    :ivar accepted_at: Unix time at which Wiro's answer with the task's id was read, by which a task can be
        told that is not there yet. None in records of the version before.
    """

    fingerprint: str
    intended_at: float
    lifetime: int
    try_number: int
    newest_before: str | None = None
    wiro_task_id: str | None = None
    is_spent: bool = False
    earlier_task_ids: tuple[str, ...] = ()
    wiro_at: float | None = None
    loss: Loss | None = None
    lost_after: float | None = None
    writer: str | None = None
    references: str | None = None
    files: Digests = field(default_factory=dict)
    lost_sendings: tuple[Sending, ...] = ()
    clears: int | None = None
    run_started_at: float | None = None
    uploaded_for: float | None = None
    accepted_at: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the record as it is stored; of the later fields, those that say something."""
        times = {name: getattr(self, name) for name in _TIMES}
        known = {
            **asdict(self),
            **{name: to_stored_or_none(time) for name, time in times.items()},
            "loss": None if self.loss is None else self.loss.value,
            "lost_sendings": [sending.to_json() for sending in self.lost_sendings],
        }
        return {
            "version": RECORD_VERSION,
            **{name: value for name, value in known.items() if value or name in _ALWAYS_STORED},
            **({} if self.clears is None else {"clears": self.clears}),
        }

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """
        Read a stored record; one of the version before lacks the later fields.

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
        is_whole = (
            found["version"] == RECORD_VERSION
            and isinstance(found["fingerprint"], str)
            and isinstance(found["lifetime"], int)
            and isinstance(found["try_number"], int)
            and isinstance(found["earlier_task_ids"], list | tuple)
            and all(value is None or isinstance(value, str) for value in (task_id, writer, references))
            and isinstance(found.get("clears", 0), int)
        )
        if not is_whole:
            raise ValueError("It is not whole.")
        sending = Sending.from_json(found)
        return cls(
            found["fingerprint"],
            sending.intended_at,
            found["lifetime"],
            found["try_number"],
            sending.newest_before,
            task_id,
            bool(found.get("is_spent")),
            tuple(map(str, found["earlier_task_ids"])),
            sending.wiro_at,
            sending.loss,
            sending.lost_after,
            writer,
            references,
            read_digests(found.get("files", {})),
            tuple(Sending.from_json(one) for one in found.get("lost_sendings", ())),
            found.get("clears"),
            from_stored_or_none(found.get("run_started_at")),
            sending.uploaded_for,
            from_stored_or_none(found.get("accepted_at")),
        )

    @property
    def written_by(self) -> WrittenBy:
        return WrittenBy(self.try_number, self.lifetime, self.clears, self.run_started_at)

    @property
    def known_task_ids(self) -> tuple[str, ...]:
        """
        The tasks of this task instance so far, the latest last; older ones than the last 20 are forgotten.
        """
        latest = () if self.wiro_task_id is None else (self.wiro_task_id,)
        return (*self.earlier_task_ids, *latest)[-20:]

    @property
    def intended_at_moment(self) -> datetime:
        return datetime.fromtimestamp(self.intended_at, tz=UTC)

    @property
    def accepted_at_moment(self) -> datetime:
        """When Wiro had the task; where that isn't known, when the Run was to be sent."""
        known = self.intended_at if self.accepted_at is None else self.accepted_at
        return datetime.fromtimestamp(known, tz=UTC)

    @property
    def sending(self) -> Sending:
        """The Run that this record is about."""
        return Sending(
            self.intended_at,
            self.newest_before,
            self.wiro_at,
            self.loss,
            self.lost_after,
            self.uploaded_for,
        )

    def lose(
        self, error: WiroLostRunError, after_seconds: float, silent_seconds: float, files: Digests
    ) -> Self:
        """
        Return the record with what is known of the loss of its Run's answer.

        :param after_seconds: from the sending to the loss.
        :param silent_seconds: from the last byte that was sent to the loss.
        :param files: the digests of the files that were sent.
        """
        lost = self.sending.lose(error, after_seconds, silent_seconds)
        return replace(self, loss=lost.loss, lost_after=lost.lost_after, files=files)

    @property
    def sendings_before_next(self) -> tuple[Sending, ...]:
        """The sendings that the next one remembers: those before, and this one if its task is not known."""
        mine = () if self.wiro_task_id is not None else (self.sending,)
        return (*self.lost_sendings, *mine)[-_MOST_LOST_SENDINGS:]


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
#: Unix seconds here, ISO 8601 where they are stored.
_TIMES = ("intended_at", "wiro_at", "run_started_at", "accepted_at")
