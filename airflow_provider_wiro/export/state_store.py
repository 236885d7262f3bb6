"""ExportStateStore: an export's state in a folder, changed only under the condition that nobody else did."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_wiro.exceptions import WiroError, WiroRecordError, WiroStorageRefusedError
from airflow_provider_wiro.export.state import ExportState
from airflow_provider_wiro.export.state_json import from_text, to_text
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.refusals import is_permanent
from airflow_provider_wiro.storage.s3.responses import is_denied, is_missing_bucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_wiro.export.wanted import ExportIdentity
    from airflow_provider_wiro.storage.folder import Folder

T = TypeVar("T")

log = plain_logger(__name__)

#: How often a change is tried while others write the state, and how long the first pause is at most.
_MOST_TRIES = 30
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


class ExportStateStore:
    """
    The state of an export. Usable from several threads.

    :param folder: where it is: beside the export, or in ``state_path``.
    :param pause: waits for some seconds.
    :param chance: returns a number from [0, 1).
    """

    def __init__(
        self,
        folder: Folder,
        identity: ExportIdentity,
        *,
        pause: Callable[[float], None],
        chance: Callable[[], float],
    ) -> None:
        self.identity = identity
        self._folder = folder
        self._name = f"{identity.digest}.json"
        self._pause = pause
        self._chance = chance
        self._lock = threading.Lock()
        #: What was read or written last: what is there now, unless another run is at work.
        self._known: tuple[bytes | None, ExportState] | None = None
        self._has_warned = False

    @property
    def where(self) -> str:
        """Where the state is, for messages."""
        return f"{self._folder.uri}/{self._name}"

    def load(self) -> ExportState:
        """
        Read the state; that of an export that has not begun is empty.

        :raises WiroRecordError: it can't be read. That is never taken for "there is none".
        :raises WiroUsageError: it is no state, of a newer version, or another export's.
        """
        with self._lock:
            return self._load()[1]

    def known(self) -> ExportState:
        """Return the state as it was last read or written; read it if it was neither."""
        with self._lock:
            return (self._known or self._load())[1]

    def update(self, change: Callable[[ExportState], tuple[ExportState, T]]) -> T:
        """
        Change the state as it is when the change is written; return what the change returns beside it.

        :param change: is called again if another run has written meanwhile, or if this run's own write has
            succeeded and its response was lost. What it raises ends the update, and nothing is written.
        :raises WiroRecordError: the state can't be read or written, or others keep writing it.
        """
        with self._lock:
            for tried in range(_MOST_TRIES):
                is_fresh = self._known is None
                text, state = self._known or self._load()
                changed, result = change(state)
                if changed == state and is_fresh:
                    return result
                self._known = None
                if changed == state:
                    continue
                new = to_text(changed, self.identity).encode()
                if self._swap(new, text):
                    self._known = (new, changed)
                    return result
                longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**tried)
                self._pause(self._chance() * longest)
        raise WiroRecordError(
            f"The state of this export at {self.where} was changed by others at each of {_MOST_TRIES} tries. "
            "Do many runs of one export work at once?"
        )

    def _load(self) -> tuple[bytes | None, ExportState]:
        try:
            body = self._folder.read(self._name)
            text = None if body is None else body.decode()
        except WiroError:
            raise
        except UnicodeDecodeError:
            text = ""
        except Exception as error:  # each store has its own
            raise self._failed("read", error) from error
        state = ExportState() if text is None else from_text(text, self.identity, self.where)
        self._known = (body, state)
        return self._known

    def _swap(self, new: bytes, expected: bytes | None) -> bool:
        try:
            has_swapped = self._folder.compare_and_swap(self._name, new, expected)
        except WiroError:
            raise
        except Exception as error:
            raise self._failed("written", error) from error
        if not self._folder.has_conditional_writes and not self._has_warned:
            self._has_warned = True
            log.warning(
                "The store of %s knows no conditional writes. If two runs of this export work at once, some "
                "tasks may be landed and reported by both; none is lost.",
                self.where,
            )
        return has_swapped

    def _failed(self, how: str, error: Exception) -> WiroError:
        if is_missing_bucket(error):
            advice = "Correct the bucket, or create it."
        elif is_denied(error):
            advice = (
                "The role needs s3:GetObject and s3:PutObject there, and s3:ListBucket: without that, S3 "
                "doesn't say whether there is a state."
            )
        else:
            advice = "Nothing is exported without it."
        kind = WiroStorageRefusedError if is_permanent(error) else WiroRecordError
        return kind(
            f"The state of this export at {self.where} can't be {how}: {type(error).__name__}: "
            f"{str(error).rstrip('.')}. {advice}"
        )
