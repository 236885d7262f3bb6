"""One object to be, as the calls that put it into S3."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.downloads.range_reader import Restart
from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.landing.s3.incomplete_uploads import is_gone
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.s3.checksums import Sent
from airflow_provider_wiro.storage.s3.conditional_writes import delete_if_unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_provider_wiro.landing.object_metadata import ObjectMetadata
    from airflow_provider_wiro.landing.s3.bucket import S3Bucket

log = plain_logger(__name__)

#: What of a user's upload arguments also belongs to the calls that go with an upload.
_ALSO_FOR_PARTS = frozenset(
    {
        "ChecksumAlgorithm",
        "ExpectedBucketOwner",
        "RequestPayer",
        "SSECustomerAlgorithm",
        "SSECustomerKey",
        "SSECustomerKeyMD5",
    }
)
ALSO_FOR_HEAD = _ALSO_FOR_PARTS - {"ChecksumAlgorithm"}
ALSO_FOR_ABORT = frozenset({"ExpectedBucketOwner", "RequestPayer"})


@dataclass(frozen=True)
class StoredObject:
    """
    An object that is in S3.

    :ivar size: bytes.
    :ivar sha256: of its bytes, as it says itself; None if that is not known without reading them.
    :ivar metadata: the user metadata it carries.
    :ivar is_doubtful: its ETag isn't the MD5 that it was put with.
    :ivar is_new: whether this transfer has put it.
    """

    size: int
    sha256: str | None
    etag: str
    metadata: Mapping[str, str]
    content_type: str
    is_new: bool = False
    is_doubtful: bool = False


class ObjectUpload:
    """
    One object to be. See :class:`~airflow_provider_wiro.landing.multipart.Target`.

    :param is_hidden: S3 doesn't show whether an object is there, so that none is put without a condition.
    :ivar etag: as S3 named it when it took the object.
    :ivar confirmed: the object, if S3's answer to the put has named its checksum: no HEAD is needed.
    """

    def __init__(
        self,
        s3: S3Bucket,
        key: str,
        description: ObjectMetadata,
        *,
        only_if_absent: bool,
        is_hidden: bool = False,
    ) -> None:
        self._s3 = s3
        self._finally = _unconditionally
        if only_if_absent:
            self._finally = s3.if_absent.strictly if is_hidden else s3.if_absent
        self._where: dict[str, Any] = {"Bucket": s3.bucket, "Key": key}
        self._description = description
        self._parts: dict[int, dict[str, Any]] = {}
        self._upload_id: str | None = None
        self._aborted_id: str | None = None
        self._size, self._sha256 = 0, ""
        self.etag = ""
        self.confirmed: StoredObject | None = None

    def put(self, body: bytes | bytearray, sha256: str) -> None:
        self._size, self._sha256 = len(body), sha256
        creation = {**self._s3.arguments, **self._description.arguments(body, sha256)}
        sent = Sent(body, sends_md5=self._s3.sends_md5)
        arguments = {**self._where, **creation, **sent.arguments}
        answer = self._finally(self._s3.client.put_object, **arguments, Body=body)
        self.etag = etag_of(answer)
        difference = sent.difference(answer, arguments)
        if difference:
            is_gone = delete_if_unchanged(
                self._s3.client, self.etag, **self._where, **self._s3.also(ALSO_FOR_ABORT)
            )
            raise self._damaged("", difference, is_gone=is_gone)
        if difference is not None:
            content_type = str(creation["ContentType"])
            metadata = creation["Metadata"]
            self.confirmed = StoredObject(len(body), sha256, self.etag, metadata, content_type)

    def begin(self, first: bytearray) -> None:
        self._parts.clear()
        creation = {
            **self._s3.checksum,
            **self._s3.arguments,
            **self._description.arguments(first),
        }
        with self._s3.leftovers.begins(self._where["Key"]) as answered:
            answer = self._s3.client.create_multipart_upload(**self._where, **creation)
            self._upload_id = answer["UploadId"]
            self._s3.open_targets.add(self)
            answered(answer)
        if self._s3.is_retry:
            self._s3.leftovers.remove(self._where["Key"], self._upload_id)

    def put_part(self, number: int, body: bytearray) -> None:
        sent = Sent(body, **self._s3.check_of_parts)
        more = {**self._s3.checksum, **self._s3.also(_ALSO_FOR_PARTS)}
        arguments = {**self._where, **more, **sent.arguments}
        with self._begun_anew_if_aborted():
            answer = self._s3.client.upload_part(
                **arguments, UploadId=self._upload_id, PartNumber=number, Body=body
            )
        difference = sent.difference(answer, {**self._s3.arguments, **arguments})
        if difference:
            raise self._damaged(f"part {number} of ", difference)
        if not answer.get("ETag"):
            raise WiroOutputUnavailableError(
                f"S3 took part {number} of s3://{self._s3.bucket}/{self._where['Key']} without naming its "
                "ETag, without which parts can't be put together. A proxy in between may take it out, or "
                "answer itself."
            )
        checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        checksums.pop("ChecksumType", None)
        self._parts[number] = {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def _damaged(self, part: str, difference: str, *, is_gone: bool = True) -> WiroOutputUnavailableError:
        uri = f"s3://{self._s3.bucket}/{self._where['Key']}"
        kept = "Nothing was kept; a retry sends them again."
        if not is_gone:
            kept = (
                "It could not be deleted (s3:DeleteObject) and must not stay: delete it, or set replace=True."
            )
        return WiroOutputUnavailableError(
            f"S3 took other bytes than were sent for {part}{uri}: {difference}. {kept} If it happens each "
            "time, the ETags of this store may be no MD5 sums: have it name checksums (ChecksumAlgorithm in "
            "extra_args)."
        )

    def complete(self, size: int, sha256: str) -> None:
        self._size, self._sha256 = size, sha256
        parts = [self._parts[number] for number in sorted(self._parts)]
        with self._begun_anew_if_aborted():
            answer = self._finally(
                self._s3.client.complete_multipart_upload,
                **self._where,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": parts},
                **self._s3.also(ALSO_FOR_HEAD),
            )
        self.etag = etag_of(answer)
        self._upload_id = None
        self._s3.open_targets.discard(self)
        self._tag_digest()

    def taken(self, size: int, sha256: str) -> StoredObject:
        """Return the object as S3 has taken it, where it may not be looked at afterwards."""
        description = self._description
        return StoredObject(
            size, sha256, self.etag, description.metadata, description.content_type, is_new=True
        )

    def found_there(self, there: StoredObject) -> StoredObject | None:
        """
        Return the object that kept this one from being put, with its digest, if it is the very same.

        It may even be this one: boto3 repeats a call whose answer was lost, and is told that there is an
        object by now. Parts are compared by the ETag that S3 makes of theirs, for their digest stands nowhere
        in the metadata. Where ETags are no MD5 sums, as with SSE-KMS, that tells nothing.
        """
        if (
            there.size != self._size
            or there.is_doubtful
            or not self._description.is_of_the_same(there.metadata)
        ):
            return None
        is_same = there.etag == _etag_of_parts(self._parts) if self._parts else there.sha256 == self._sha256
        if not is_same:
            return None
        is_ours = self._description.is_of_this_run(there.metadata)
        if is_ours and self._parts:
            self._tag_digest()
        return replace(there, sha256=self._sha256, is_new=is_ours)

    def _tag_digest(self) -> None:
        """Add the digest to the tags of an object in parts, which were given before it was known."""
        self._description.tag_digest(
            self._s3.client, self._sha256, **self._where, **self._s3.also(ALSO_FOR_ABORT)
        )

    def abort(self) -> None:
        """Throw an upload's parts away. If this fails it is only logged, lest it hide why it was done."""
        # Taken out first: the thread that works on it and the one that ends it all may both come here.
        upload_id, self._upload_id = self._upload_id, None
        self._s3.open_targets.discard(self)
        if upload_id is None:
            return
        try:
            self._s3.client.abort_multipart_upload(
                **self._where, UploadId=upload_id, **self._s3.also(ALSO_FOR_ABORT)
            )
        except Exception as error:
            if is_gone(error):
                return
            log.warning(
                "Could not abort the upload of s3://%s/%s; its parts stay, and are billed, until it is: %s",
                self._s3.bucket,
                self._where["Key"],
                error,
            )

    @contextmanager
    def _begun_anew_if_aborted(self) -> Iterator[None]:
        """
        Ask for the upload to be begun anew if somebody has aborted it, as a try of another task may that took
        it for left over. Once: what aborts it again would do so without end.
        """
        try:
            yield
        except Exception as error:
            if not is_gone(error):
                raise
            where = f"s3://{self._s3.bucket}/{self._where['Key']}"
            if self._aborted_id not in (None, self._upload_id):
                raise WiroOutputUnavailableError(
                    f"The upload of {where} was aborted twice, by another task or a lifecycle rule."
                ) from error
            log.warning("Somebody has aborted the upload of %s. It is begun anew.", where)
            self._aborted_id = self._upload_id
            raise Restart("its upload was aborted") from error


def etag_of(answer: Mapping[str, Any]) -> str:
    """Return the ETag that an answer of S3's names, empty if it names none."""
    return str(answer.get("ETag", "")).strip('"')


def _etag_of_parts(parts: Mapping[int, Mapping[str, Any]]) -> str | None:
    """Return the ETag that S3 gives an object of such parts, None if theirs are no MD5 sums."""
    try:
        sums = b"".join(bytes.fromhex(etag_of(parts[number])) for number in sorted(parts))
    except ValueError:
        return None
    return f"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-{len(parts)}"


def _unconditionally(call: Callable[..., Any], **arguments: Any) -> Any:
    return call(**arguments)
