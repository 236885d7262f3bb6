"""BatchContext: an opened batch, with its settings, inputs, state, journal, shards and transfer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_provider_wiro.api.parameters import FileValue
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.interface import Journal
    from airflow_provider_wiro.batch.landing import ItemTransfer
    from airflow_provider_wiro.batch.preflight.model_rules import ModelRules
    from airflow_provider_wiro.batch.results.links import BatchLinks
    from airflow_provider_wiro.batch.results.shards import ResultShards
    from airflow_provider_wiro.batch.reuse.batch_cards import BatchCards
    from airflow_provider_wiro.batch.reuse.carried_items import CarriedItems
    from airflow_provider_wiro.batch.settings import BatchSettings
    from airflow_provider_wiro.batch.state.batch_state import BatchState
    from airflow_provider_wiro.exceptions import WiroError
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects
    from airflow_provider_wiro.transport.connection import WiroConnection


@dataclass(frozen=True)
class BatchContext:
    """
    A batch, opened where Airflow may be asked: in the main thread, before the event loop runs.

    :ivar shared: the files of all items, read once.
    :ivar journal: None keeps nothing.
    :ivar transfer: lands outputs; None lands nothing.
    :ivar manifest: its path or URI.
    :ivar own: how the manifest is put into S3.
    :ivar rules: what is known of the model.
    :ivar links: shows where the outputs are.
    :ivar cards: of results that may be reused; None: nothing is reused.
    :ivar carried: the items that an earlier batch has made; an error: why that isn't known, while items
        are in flight; None: nothing is taken over.
    """

    settings: BatchSettings
    connection: WiroConnection
    inputs: Inputs
    shared: Mapping[str, Sequence[FileValue]]
    state: BatchState
    journal: Journal | None
    shards: ResultShards
    transfer: ItemTransfer | None
    manifest: str
    own: OwnObjects
    rules: ModelRules
    links: BatchLinks
    cards: BatchCards | None = None
    carried: CarriedItems | WiroError | None = None

    @property
    def knows_what_was_made(self) -> bool:
        """
        Whether the state has all that an earlier batch has made.

        A manifest that is written without it would show such items as not run. At the place of the earlier
        manifest, it would have the next try run, and pay for, them again.
        """
        return self.carried is None or getattr(self.carried, "is_settled", False)
