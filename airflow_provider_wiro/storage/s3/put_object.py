"""
Puts the own objects of a batch or an export into S3: journal or state, parts of results, manifest.

The outputs' upload arguments apply to them as far as they say who may read an object and how it is
encrypted. What describes an output's bytes, or where S3 keeps them, stays with the outputs: a journal in
``GLACIER`` could not be read again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import WiroRecordError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.accompanying_arguments import FOR_MANAGING, FOR_READING, only
from airflow_provider_wiro.storage.s3.checksums import Sent
from airflow_provider_wiro.storage.s3.conditional_writes import put_if_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = plain_logger(__name__)

#: What describes an output: its bytes, where they are kept, and what its reader is to do with them.
_OF_OUTPUTS = re.compile(r"Cache|Content|Expires$|Metadata$|StorageClass$|Website")
#: Retention holds for results. Of a journal each rewritten segment would be a version to keep.
_OF_RESULTS = re.compile(r"ObjectLock")
#: What is said of one bucket's owner and readers, which need not be those of another bucket.
_OF_ONE_BUCKET = re.compile(r"ACL$|Grant|ExpectedBucketOwner$")

#: How often an object is put before S3's other bytes are an error.
_MOST_PUTS = 3


@dataclass(frozen=True)
class OwnObjects:
    """
    The arguments of S3 calls for the own objects of a batch or an export.

    :ivar arguments: of the outputs' uploads, in boto3's words.
    :ivar bucket: the outputs', None if none land.
    :ivar verify: check the certificate of S3; a path is a CA bundle; None as boto3 does.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    bucket: str | None = None
    verify: bool | str | None = None

    def to_put(self, bucket: str, *, is_result: bool) -> dict[str, Any]:
        """
        Return the arguments of a put.

        :param is_result: the object is kept when the task is over.
        """
        others = [_OF_OUTPUTS] if is_result else [_OF_OUTPUTS, _OF_RESULTS]
        if self.bucket not in {None, bucket}:
            others.append(_OF_ONE_BUCKET)
        return {
            name: value
            for name, value in self.arguments.items()
            if not any(pattern.match(name) for pattern in others)
        }

    def to_read(self, bucket: str) -> dict[str, Any]:
        """Return the arguments of a call that reads an object."""
        return only(self.to_put(bucket, is_result=False), FOR_READING)

    def to_manage(self, bucket: str) -> dict[str, Any]:
        """Return the arguments of a listing or a deletion."""
        return only(self.to_put(bucket, is_result=False), FOR_MANAGING)


def put_whole(
    client: Any, call: Callable[..., Mapping[str, Any]], body: bytes, arguments: Mapping[str, Any]
) -> None:
    """
    Put a small object, and put it again if S3 responds that it has other bytes.

    :param call: of the client, or one like it, for the first put.
    :param arguments: all others of the call.
    :raises WiroRecordError: S3 has other bytes each time.
    """
    # S3 demands a checksum for each put into a bucket with Object Lock.
    adds_none = client.meta.config.request_checksum_calculation != "when_supported"
    sent = Sent(body, sends_md5=adds_none and "ChecksumAlgorithm" not in arguments)
    for _ in range(_MOST_PUTS):
        response = call(**arguments, **sent.arguments, Body=body)
        difference = sent.difference(response, arguments)
        if not difference:
            return
        where = f"s3://{arguments['Bucket']}/{arguments['Key']}"
        log.warning("S3 took other bytes than were sent for %s: %s. Putting it again.", where, difference)
        call = partial(put_if_unchanged, client, response.get("ETag"))
    raise WiroRecordError(
        f"S3 took other bytes than were sent for {where} in each of {_MOST_PUTS} puts: {difference}. If "
        "the ETags of this store are no MD5 sums, have it name checksums (ChecksumAlgorithm in extra_args)."
    )
