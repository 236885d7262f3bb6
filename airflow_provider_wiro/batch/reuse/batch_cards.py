"""BatchCards: the result cards of a batch, opened where Airflow may be asked, used by several threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_wiro.batch.reuse.few_lines import FewLines
from airflow_provider_wiro.batch.reuse.listed_objects import ListedObjects
from airflow_provider_wiro.input_files.digests import fetched_digest
from airflow_provider_wiro.redaction.plain_text import plain
from airflow_provider_wiro.redaction.secret_values import secret_values
from airflow_provider_wiro.reuse.card_store import CardStore
from airflow_provider_wiro.reuse.contents import RunInputs
from airflow_provider_wiro.reuse.keeping import card_of, keep, landed_objects
from airflow_provider_wiro.reuse.lookup import ResultReuse
from airflow_provider_wiro.reuse.summary import CardPlace, reused_summary
from airflow_provider_wiro.reuse.unchanged import LandedObjects
from airflow_provider_wiro.storage.location import parse_location
from airflow_provider_wiro.storage.named_stores import NamedStores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.api.parameters import FileValue
    from airflow_provider_wiro.api.run_summary import RunSummary
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.landing.transfer import Transfer
    from airflow_provider_wiro.reuse.card import ResultCard
    from airflow_provider_wiro.transport.connection import WiroConnection

#: How many cards are read at once.
_THREADS = 10
#: Digests of files that many items name by the same URL.
_REMEMBERED_URLS = 1000


class BatchCards:
    """
    Finds and keeps the cards of items. Made in the main thread; use it in a ``with``.

    :param uri: the folder of the cards, as ``reuse_results`` names it.
    :param check: raises if the batch was stopped.
    :raises WiroUsageError: it can't be right.
    """

    def __init__(
        self, uri: str, settings: BatchSettings, connection: WiroConnection, check: Callable[[], None]
    ) -> None:
        self.uri = uri
        self._settings = settings
        self._connection = connection
        scheme = parse_location(uri, "reuse_results").scheme
        # Other stores may ask Airflow for a connection, which only one thread may.
        self.size = _THREADS if scheme in {"s3", "file"} else 1
        self.threads = ThreadPoolExecutor(self.size, thread_name_prefix="wiro-cards")
        self._log = FewLines(settings.log)
        stores = NamedStores(uri, settings.aws_conn_id)
        objects = LandedObjects(stores, max_connections=self.size)
        self._listed = ListedObjects(objects, check)
        self._reuse = ResultReuse(
            CardStore(uri, self._log, max_connections=self.size),
            self._listed,
            settings.reuse_max_age,
            time.time,
            lru_cache(_REMEMBERED_URLS)(partial(fetched_digest, connection)),
            self._log,
        )
        self._open(objects, stores)

    def _open(self, objects: LandedObjects, stores: NamedStores) -> None:
        """Ask Airflow for the connections now, by which cards may name objects in S3."""
        for conn_id in stores.s3_connections:
            try:
                objects.client(conn_id)
            except Exception as error:  # of Airflow, or of boto3
                reason = plain(str(error), 300)
                self._settings.log.warning(
                    "Objects in S3 can't be looked at by %r, so results there are not reused: %s",
                    conn_id,
                    reason,
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)

    def sum_up(self) -> None:
        """Say how much was left out of the log."""
        self._log.sum_up()

    def inputs(self, parameters: Mapping[str, Any], files: Mapping[str, Sequence[FileValue]]) -> RunInputs:
        """Return an item's inputs."""
        return RunInputs(self._connection.base_url, self._settings.model, parameters, files)

    def fingerprint(self, inputs: RunInputs) -> str | None:
        """Return the fingerprint of an item's inputs, None if it can't be known. Blocks."""
        return self._reuse.fingerprint_of(inputs)

    def card(self, fingerprint: str) -> ResultCard | None:
        """Return the card of these inputs, if its result may be wanted. Blocks."""
        return self._reuse.card(fingerprint, min_outputs=self._settings.min_outputs)

    def look_at(self, cards: Sequence[ResultCard]) -> None:
        """Look at the objects that these cards name, where several can be looked at together. Blocks."""
        self._listed.learn(one for card in cards for one in card.landed)

    def summary(self, card: ResultCard) -> RunSummary | None:
        """Return the run summary of a card's result, None if that is no longer there unchanged. Blocks."""
        found = self._reuse.result_of(card)
        if found is None:
            return None
        place = CardPlace(self.uri, card.fingerprint)
        return reused_summary(card, place, found.landed, model=self._settings.model, label=None)

    def keep(self, fingerprint: str, transfer: Transfer[Any], files: Sequence[Mapping[str, Any]]) -> None:
        """Keep the card of an item whose outputs have landed. Blocks."""
        if not transfer.unverified:
            self._keep(
                card_of(transfer.task, fingerprint, landed_objects(transfer.planned, files)), transfer.task
            )

    def keep_text(self, fingerprint: str, task: Task) -> None:
        """Keep the card of an item whose answer is text alone, which needn't land. Blocks."""
        card = card_of(task, fingerprint)
        if card.is_text:
            self._keep(card, task)

    def _keep(self, card: ResultCard, task: Task) -> None:
        secrets = [*self._connection.secrets, *secret_values(task.parameters)]
        keep(self._reuse.cards, card, secrets, self._log, is_logged=False)
