"""Transfer, the base of S3Transfer and ObjectStorageTransfer: several outputs at once, and stoppable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from airflow_provider_wiro.downloads.downloader import Downloader
from airflow_provider_wiro.failures import TaskStoppedError
from airflow_provider_wiro.landing import manifest as manifests
from airflow_provider_wiro.landing.workers import WorkerPool
from airflow_provider_wiro.redaction.masking import without

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from airflow_provider_wiro.api.models import Task
    from airflow_provider_wiro.downloads.session import OutputSession
    from airflow_provider_wiro.landing.manifest import ManifestFile
    from airflow_provider_wiro.landing.plan import PlannedObject
    from airflow_provider_wiro.landing.provenance import Provenance
    from airflow_provider_wiro.links.consoles import Console
    from airflow_provider_wiro.transport.connection import WiroConnection

Item = TypeVar("Item")


class ReadsTasks(Protocol):
    """A WiroHook, or what stands for one."""

    @property
    def connection(self) -> WiroConnection:
        """The connection."""

    def get_task(self, wiro_task_id: str) -> Task:
        """Return a task with its outputs."""

    def interrupted_by(self, check: Callable[[], None]) -> None:
        """Call ``check`` while waiting; an error it raises ends the wait."""


@dataclass(frozen=True)
class TransferGroup:
    """
    What the transfers of several tasks have in common, where they run at once.

    A file that isn't there is no reason for any of them to wait: what runs them tries again later.

    :ivar pool: lands the outputs of all of them.
    :ivar session: has the connections to the CDN.
    """

    pool: WorkerPool[Any, Any]
    session: OutputSession


class Transfer(ABC, Generic[Item]):
    """
    Moves one task's outputs into storage. Made before anything is moved, and run once.

    :param hook: interrupted from now on when the transfer is stopped.
    :param workers: how many threads move outputs.
    :param require_size: refuse a file of unknown size whose end is the connection's.
    :param group: of transfers that run at once: its pool lands each of the :attr:`items` by :meth:`land`, and
        :meth:`run` isn't called.
    :ivar task: with the outputs that land. Its cost may be filled in before the manifest is written.
    """

    def __init__(
        self,
        hook: ReadsTasks,
        task: Task,
        provenance: Provenance,
        *,
        workers: int,
        require_size: bool,
        group: TransferGroup | None = None,
    ) -> None:
        self.task = task
        self.provenance = provenance
        #: What is to land; a subclass plans it.
        self.planned: Sequence[PlannedObject] = ()
        self._manifest: ManifestFile | None = None
        self._pool: WorkerPool[Any, Any] = (
            WorkerPool(workers, TaskStoppedError) if group is None else group.pool
        )
        if group is None:
            hook.interrupted_by(self._pool.check)
        self._downloader = Downloader(
            hook.connection,
            task,
            lambda: hook.get_task(task.id),
            self._pool.check,
            require_size=require_size,
            session=None if group is None else group.session,
            awaits_files=group is None,
        )

    def run(self) -> list[dict[str, Any]]:
        """
        Have all outputs in storage, and return one dict for each, as the operators return it.

        :raises WiroOutputRefusedError: another object is in the way, or one is not what Wiro announced.
        :raises WiroOutputUnavailableError: one can't be fetched, or written, at this moment.
        :raises TaskStoppedError: :meth:`stop` was called.
        """
        with self._downloader:
            found: list[dict[str, Any]] = self._pool.run(
                self._land, self._items(), self._downloader.interrupt
            )
            return found

    @property
    def items(self) -> Sequence[Item]:
        """What is to land, for a group."""
        return self._items()

    def land(self, item: Item) -> dict[str, Any]:
        """Land one of the items, for a group. Called by the threads of its pool; see :meth:`run`."""
        return self._land(item)

    def stop(self) -> None:
        """
        Let all requests fail at once, which undoes the unfinished writes. For a signal handler.

        Airflow kills the process 5 s after the signal, too soon to wait for a read timeout.
        """
        self._pool.stop()
        self._downloader.interrupt()

    def write_manifest(self, files: Sequence[Mapping[str, Any]], secrets: Collection[str]) -> None:
        """
        Write the manifest, if one was asked for.

        :param files: as :meth:`run` returned them.
        :param secrets: texts that must not be in it.
        """
        if self._manifest is not None and self.planned:
            content = manifests.build(self.task, self.provenance, self.planned, files, without(secrets))
            self._manifest.write(content, keep=self.keeps_manifest)

    @property
    def manifest_uri(self) -> str | None:
        """Where the manifest is, or is to be; None without one."""
        return self._manifest.uri if self._manifest is not None and self.planned else None

    @property
    @abstractmethod
    def console(self) -> Console:
        """The console of the store in which the outputs land."""

    @property
    def keeps_manifest(self) -> bool:
        """Whether a manifest of this task that is there stays as it is."""
        return False

    @property
    def unverified(self) -> set[int]:
        """Indexes of the outputs that may be truncated: of unknown size, ended by the connection."""
        return self._downloader.unverified

    @abstractmethod
    def _items(self) -> Sequence[Item]:
        """Return what is to land, as :meth:`_land` takes it."""

    @abstractmethod
    def _land(self, item: Item) -> dict[str, Any]:
        """Land one of them. Called by several threads."""
