"""CardStore: result cards in a folder. Whatever is wrong with it costs a warning, never the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroRecordError, WiroUsageError
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.redaction.plain_text import plain
from airflow_provider_wiro.reuse.card import MAX_BYTES, NotACardError, ResultCard, card_name
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.storage.s3.responses import is_denied

if TYPE_CHECKING:
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.storage.folder import Folder


#: After as many failures in a row the store is left alone.
_MOST_FAILURES = 5


class CardStore:
    """
    The cards in one folder. Usable from several threads once it is open.

    A card is written as a whole, so that of two writers the last one wins, and each card is valid.

    :param uri: the folder, as ``reuse_results`` names it.
    :param max_connections: how many threads use it at once.
    :raises WiroUsageError: it is no absolute path or URI.
    """

    def __init__(self, uri: str, log: Log, *, max_connections: int = 1) -> None:
        self.uri = uri
        self._log = log
        self._folder: Folder | None = None
        self._failures = 0
        try:
            self._folder = open_folder(uri, max_connections=max_connections)
        except WiroUsageError as error:
            raise WiroUsageError(f"reuse_results: {error}") from error
        except WiroRecordError as error:
            self._warn("Can't open", error)

    def read(self, fingerprint: str) -> ResultCard | None:
        """Return the card of these inputs, None if there is none that can be read."""
        folder, name = self._folder, card_name(fingerprint)
        if folder is None:
            return None
        try:
            body = folder.read(name, MAX_BYTES + 1)
            self._failures = 0
            return None if body is None else ResultCard.from_bytes(body, fingerprint)
        except NotACardError as error:
            self._log.warning("Ignored %s/%s, which is no usable result card: %s.", self.uri, name, error)
        except TaskStoppedError:
            raise
        except Exception as error:  # each store has its own
            if is_denied(error):
                # S3's answer for each card that isn't there, without `s3:ListBucket`: no reason to give up.
                self._warn("There is no result card, or it can't be read, in", error)
            else:
                self._fail("Can't read result cards in", error)
        return None

    def write(self, card: ResultCard) -> bool:
        """Store a card in place of the current one, and return whether it is there."""
        folder = self._folder
        if folder is None:
            return False
        body = card.to_bytes()
        if len(body) > MAX_BYTES:
            self._log.warning(
                "No result card is kept: it would have %s bytes, and may have %s.",
                f"{len(body):,}",
                f"{MAX_BYTES:,}",
            )
            return False
        try:
            folder.write(card_name(card.fingerprint), body)
            self._failures = 0
        except TaskStoppedError:
            raise
        except Exception as error:  # each store has its own
            self._fail("Can't keep a result card in", error)
            return False
        return True

    def _fail(self, what: str, error: Exception) -> None:
        self._warn(what, error)
        self._failures += 1
        if self._failures >= _MOST_FAILURES and self._folder is not None:
            # Of a batch there may be thousands, each of which would wait for its timeout.
            self._folder = None
            self._log.warning("%s is not asked any more.", self.uri)

    def _warn(self, what: str, error: Exception) -> None:
        reason = plain(str(error), 300)
        self._log.warning(
            "%s %s (reuse_results): %s: %s. The run goes its way without it.",
            what,
            self.uri,
            type(error).__name__,
            reason,
        )
