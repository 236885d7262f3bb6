"""The results of items that are over, kept in shards while the batch runs: files of some results each."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroRecordError, WiroUsageError
from airflow_provider_wiro.state_files.record_errors import record_errors
from airflow_provider_wiro.storage.open_folder import open_folder
from airflow_provider_wiro.storage.s3.responses import code_and_status, is_missing_bucket
from airflow_provider_wiro.storage.store_refusals import refusals

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.results.item_result import Result
    from airflow_provider_wiro.redaction.loggers import Log
    from airflow_provider_wiro.storage.s3.put_object import OwnObjects

#: What is put and read before the first Run.
_PROBE_BODY = b'{"what":"probe"}\n'
_SHARD = re.compile(r"(\d{6,})\.jsonl")
#: The number of a shard: a random number of its writer, then the count of that writer's shards.
_WRITER_BITS = 42
_COUNT_BITS = 20


class ResultShards:
    """
    The results of items that are over, as files of JSON Lines in the order in which they ended.

    A shard's number is unique to its process, since two tries of a task can be alive at once; the journal
    says in which shard a result is.

    :param uri: of their folder.
    :param own: how they are put into S3.
    :ivar numbers: of the shards that exist; None if the store doesn't let the role list them.
    """

    def __init__(self, uri: str, own: OwnObjects | None = None) -> None:
        self._folder = open_folder(uri, own)
        self._written: set[int] = set()
        with record_errors(f"the results below {uri}"):
            self.numbers = self._listed()
        self._next = secrets.randbits(_WRITER_BITS) << _COUNT_BITS

    def _listed(self) -> set[int] | None:
        try:
            names = self._folder.names()
        except Exception as error:
            if is_missing_bucket(error):
                return set()  # reported when the batch's storage is tried
            if "403" not in code_and_status(error):
                raise
            # A role that may not list a bucket (s3:ListBucket) can still put and get what it knows by name.
            # Other reasons of a 403 are reported when the batch's storage is tried.
            return None
        return {int(found[1]) for found in map(_SHARD.fullmatch, names) if found}

    def take_number(self) -> int:
        """Return the number of a new shard, which no other process writes."""
        self._next += 1
        return self._next - 1

    def write(self, number: int, results: list[Result]) -> None:
        """
        Write a shard.

        :raises WiroRecordError: it may not be kept.
        """
        body = "".join(json.dumps(result, separators=(",", ":")) + "\n" for result in results)
        with record_errors(f"part {number} of the results below {self._folder.uri}"):
            self._folder.write(_name(number), body.encode())
        self._written.add(number)
        if self.numbers is not None:
            self.numbers.add(number)  # the state reads here whether a result is kept

    def try_storage(self, log: Log) -> None:
        """
        Put a small file beside the shards, read it, and delete it, as the batch will do with its results.

        :raises WiroUsageError: the store refuses that.
        :raises WiroRecordError: it can't be reached.
        """
        # Two deployments with one bucket can start at once: neither may delete what the other will read.
        probe = f"probe-{secrets.token_hex(8)}.jsonl"
        where = f"{self._folder.uri}/{probe}"
        with refusals(f"keep the results of this batch, in {where}"), record_errors(where):
            self._folder.write(probe, _PROBE_BODY)
            found = self._folder.read(probe)
        if found != _PROBE_BODY:
            raise WiroUsageError(
                f"Put {len(_PROBE_BODY)} bytes as {where}, where the results of this batch are kept, and "
                f"read {'nothing' if found is None else f'{len(found)} others'}. Nothing was submitted. "
                "Give manifest_uri another place."
            )
        try:
            self._folder.delete(probe)
        except Exception as error:
            log.info(
                "Could not delete %s (%s). It stays, as will the files beside it, which the batch no longer "
                "needs once it is over.",
                where,
                type(error).__name__,
            )

    def pick(self, number: int, rows: dict[int, int]) -> dict[int, bytes]:
        """
        Return results from a shard, as JSON.

        :param rows: item → the row of its result.
        :raises WiroRecordError: they can't be read, or are missing.
        """
        what = f"part {number} of the results below {self._folder.uri}"
        with record_errors(what):
            body = self._folder.read(_name(number))
            results = (body or b"").splitlines()
        missing = [item for item, row in rows.items() if row >= len(results)]
        if missing:
            raise WiroRecordError(
                f"Expected {max(rows.values()) + 1} results in {what}, as the journal says, found "
                f"{len(results)}. Delete that part: a retry then asks Wiro for these results again, and "
                "starts nothing."
            )
        return {item: results[row] for item, row in rows.items()}

    def delete(self, named: set[int]) -> None:
        """
        Delete what the manifest has, as far as that is possible.

        :param named: the shards that the journal names. Others in the folder can be another deployment's.
        """
        known = named if self.numbers is None else self.numbers & named
        for number in sorted(self._written | known):
            try:
                self._folder.delete(_name(number))
            except Exception:
                return
        self._written.clear()
        if self.numbers is not None:
            self.numbers.clear()


def _name(number: int) -> str:
    return f"{number:06d}.jsonl"
