"""Translates what boto3 raises into errors that name the object, the connection, and what to do."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.exceptions import (
    WiroError,
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
    WiroStorageRefusedError,
)
from airflow_provider_wiro.storage.s3.responses import code_and_status, is_denied

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: How many characters of a server's text a message quotes.
_QUOTED = 200
#: The permission that a call needs, where it isn't named like the call.
_ACTIONS = {
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "UploadPartCopy": "s3:GetObject of what is copied, and s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "HeadObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "AssumeRole": "sts:AssumeRole",
    "AssumeRoleWithWebIdentity": "sts:AssumeRoleWithWebIdentity",
    "AssumeRoleWithSAML": "sts:AssumeRoleWithSAML",
}
_CREATING = frozenset({"PutObject", "CreateMultipartUpload"})
#: How newer responses of AWS name the missing permission.
_NAMED_ACTION = re.compile(r"not authorized to perform: ([a-z0-9-]{1,30}:[A-Za-z]{1,60})")
#: Of a URL in an error of boto3's.
_QUERY = re.compile(r"\?[^\s\"']*")
#: How stores report with a 400 that they don't know a header: Backblaze B2 "Unsupported header '…' received".
_UNSUPPORTED = re.compile(r"unsupported|not supported|not implemented|unknown|unrecognized", re.IGNORECASE)
_NAMED_REGION = re.compile(r"expecting '([a-z0-9-]{1,40})'")

#: Codes of 4xx responses after which the same call may succeed.
_PASSING = frozenset(
    {
        "BadDigest",
        "ExpiredToken",
        "IncompleteBody",
        "NoSuchKey",
        "NoSuchUpload",
        "PriorRequestNotComplete",
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "SlowDown",
        "ThrottlingException",
        "TooManyRequestsException",
        "XAmzContentSHA256Mismatch",
    }
)
_PASSING_STATUS = frozenset({"404", "408", "409", "425", "429"})
#: What a server responds to an unknown header, with a status that would otherwise be worth a retry.
_NOT_IMPLEMENTED = frozenset({"NotImplemented", "XNotImplemented", "501"})
#: Codes that are about one object; others can land.
_OF_ONE_OBJECT = frozenset({"EntityTooLarge", "EntityTooSmall", "KeyTooLongError", "MetadataTooLarge"})
_WRONG_REGION = frozenset(
    {"301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)

_WRONG_KEY = (
    "Check login (access key id), password (secret access key) and, for temporary credentials, "
    "aws_session_token in the extra of the connection; for a server that is not Amazon's also endpoint_url."
)
_ADVICE = {
    "NoSuchBucket": "Correct the bucket in s3_bucket, s3_key or the connection, or create it.",
    "InvalidBucketName": "Correct the bucket in s3_bucket, s3_key or the connection.",
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidClientTokenId": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "InvalidToken": _WRONG_KEY,
    "ExpiredToken": "The credentials of the connection have expired: renew them.",
    "RequestTimeTooSkewed": "The clocks of this machine and of S3 differ: have this machine's set (NTP).",
    "AccessControlListNotSupported": (
        "The bucket takes no ACLs (Object Ownership is BucketOwnerEnforced): leave out acl_policy, and ACL "
        "and grants in extra_args."
    ),
    "EntityTooLarge": "This store takes no object, or part, of this size; try another part_size.",
    "EntityTooSmall": "This store wants larger parts: raise part_size.",
    "InvalidStorageClass": "Correct StorageClass in extra_args.",
    "KMS.NotFoundException": "Correct SSEKMSKeyId in extra_args, or the bucket's default key.",
    "KMS.DisabledException": "Enable the KMS key, or give another one as SSEKMSKeyId in extra_args.",
    "KeyTooLongError": "Shorten s3_key.",
    "MetadataTooLarge": "Shorten Metadata in extra_args.",
    "InvalidTag": "Correct tags.",
    "XAmzContentSHA256Mismatch": (
        "If it stays so, the store may not know boto3's checksums; see docs/guides/s3-setup.md."
    ),
    "MissingContentMD5": "The bucket wants Content-MD5, as with Object Lock.",
}
#: What to do about a store that doesn't know what it was asked, see `is_not_known`.
NOT_KNOWN_ADVICE = (
    "This store doesn't know what was asked of it. If it knows no checksum headers, set "
    '{"config_kwargs": {"request_checksum_calculation": "when_required", "response_checksum_validation": '
    '"when_required"}} in the extra of the connection; else leave out what it doesn\'t offer (tags, encrypt, '
    "acl_policy, extra_args). See docs/guides/s3-setup.md."
)


@dataclass(frozen=True)
class S3Access:
    """
    By which connection, and with which arguments, a bucket is used.

    :ivar arguments: of every upload, in boto3's words.
    """

    bucket: str
    conn_id: str | None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def connection(self) -> str:
        """The connection in words."""
        return f"connection {self.conn_id!r}" if self.conn_id else "no connection, boto3's own credentials"

    @contextmanager
    def plain_errors(self, key: str | None = None, *, tags: bool = False) -> Iterator[None]:
        """
        Raise what boto3 raises as errors of this package.

        :param key: the object; None where all of the bucket is asked for.
        :param tags: an object is put with tags.
        :raises WiroStorageRefusedError: S3 refuses it for good, and so the next object.
        :raises WiroOutputRefusedError: S3 refuses this object for good.
        :raises WiroOutputUnavailableError: S3 fails, or can't be reached; a retry may help.
        """
        try:
            yield
        except WiroError:
            raise
        except Exception as error:
            found = self.explained(error, key, tags=tags)
            if found is None:
                raise
            raise found from error

    def explained(self, error: Exception, key: str | None = None, *, tags: bool = False) -> WiroError | None:
        """Return an error of boto3's as one of this package, None if it is none of boto3's."""
        from botocore import exceptions

        uri = f"s3://{self.bucket}" + ("" if key is None else f"/{key}")
        if isinstance(error, exceptions.ClientError):
            return self._refused(error, uri, tags=tags)
        if isinstance(error, exceptions.BotoCoreError):
            return self._not_asked(error, uri)
        return None

    def _refused(self, error: Any, uri: str, *, tags: bool) -> WiroError:
        """Return the error for an error response of S3."""
        code, status = code_and_status(error)
        operation, words = _operation(error), _message(error)
        # The response to a HEAD has no body; boto3 then shows the status as code.
        shown = f"HTTP {status}" if code in {"", status} else code
        what = f"S3 answered {shown} to {operation} of {uri} ({self.connection})."
        if words and words not in {code, "Forbidden", "Access Denied", "Not Found", "Bad Request"}:
            what += f" S3 says: {_one_line(words)}."
        advice = self.advice(error, tags=tags)
        kind: type[WiroError] = WiroStorageRefusedError
        if _may_pass(code, status):
            kind = WiroOutputUnavailableError
        elif code in _OF_ONE_OBJECT:
            kind = WiroOutputRefusedError
        return kind(f"{what} {advice}".rstrip())

    def advice(self, error: BaseException, *, tags: bool = False) -> str:
        """
        Return what to do about an error response of S3, possibly empty.

        :param tags: an object was put with tags.
        """
        code, status = code_and_status(error)
        operation, words = _operation(error), _message(error)
        if code in _ADVICE:
            return _ADVICE[code]
        if is_not_known(error):
            return NOT_KNOWN_ADVICE
        if not _WRONG_REGION.isdisjoint({code, status}):
            region = _region_of(error, words)
            named = f", {region!r}" if region else ""
            return f"Set region_name in the extra of the connection to the bucket's region{named}."
        if is_denied(error):
            return self._advice_if_denied(operation, words, tags=tags)
        if code.startswith("KMS.") and not _may_pass(code, status):
            return "Check SSEKMSKeyId in extra_args, and the bucket's default key."
        if operation == "HeadObject" and status == "400":
            return (
                "S3 gives no reason here; it may be expired credentials, another region, or an object "
                "encrypted with a customer's key (SSE-C), which extra_args has to name."
            )
        if status.startswith("4") and not _may_pass(code, status):
            return "Correct extra_args, tags, acl_policy, encrypt or s3_key, or the bucket's settings."
        return ""

    def _advice_if_denied(self, operation: str, words: str, *, tags: bool) -> str:
        needed = self._needed(operation, words, tags=tags)
        hint = ""
        if operation in {"HeadObject", "HeadBucket"}:  # no body gives a reason
            hint = " Wrong keys get the same response."
        elif operation in _CREATING:
            hint = " Where the bucket demands encryption, give encrypt=True, or extra_args."
        if "explicit deny" in words:
            hint = (
                " A policy denies it explicitly: it may demand encryption (encrypt=True, or extra_args), "
                "another ACL or another network."
            )
        elif "ExpectedBucketOwner" in self.arguments:
            hint += " Or the bucket isn't ExpectedBucketOwner's."
        return f"Its role or user needs {needed} there; see docs/guides/s3-setup.md for a policy.{hint}"

    def _needed(self, operation: str, words: str, *, tags: bool) -> str:
        """Return the permissions without which a call is denied."""
        named = _NAMED_ACTION.search(words)
        if named:
            return named.group(1)
        needed = [_ACTIONS.get(operation, f"s3:{operation}")]
        given = self.arguments
        if operation in _CREATING:
            if tags or given.get("Tagging"):
                needed.append("s3:PutObjectTagging")
            if any(name == "ACL" or name.startswith("Grant") for name in given):
                needed.append("s3:PutObjectAcl")
            if "ObjectLockMode" in given or "ObjectLockRetainUntilDate" in given:
                needed.append("s3:PutObjectRetention")
            if "ObjectLockLegalHoldStatus" in given:
                needed.append("s3:PutObjectLegalHold")
        if "kms" in str(given.get("ServerSideEncryption", "")):
            needed += ["kms:GenerateDataKey", "kms:Decrypt"]
        *first, last = needed
        return f"{', '.join(first)} and {last}" if first else last

    def _not_asked(self, error: Exception, uri: str) -> WiroError:
        """Return the error for a call that brought no response."""
        from botocore import exceptions

        reason = _one_line(_QUERY.sub("", str(error))) or type(error).__name__
        where = f"{uri} ({self.connection})"
        if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError):
            return WiroStorageRefusedError(
                f"There are no complete credentials for {where}: {reason}. Give login and password, or a "
                "role, in that connection; without any, boto3 searches its environment, files and role."
            )
        if _is_untrusted(error):
            return WiroStorageRefusedError(
                f"The TLS certificate of the S3 server of {where} is not trusted: {reason}. Give verify the "
                "path of its CA bundle."
            )
        if not is_permanent(error):
            return WiroOutputUnavailableError(f"Could not reach S3 for {where}: {reason}.")
        return WiroStorageRefusedError(
            f"boto3 can't ask S3 for {where}: {reason}. Correct the connection, or extra_args."
        )


def is_permanent(error: BaseException) -> bool:
    """Whether boto3 raised this for a reason that no retry removes."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return is_not_known(error) or not _may_pass(*code_and_status(error))
    passing = (
        exceptions.ConnectionError,
        exceptions.HTTPClientError,
        exceptions.IncompleteReadError,
        exceptions.CredentialRetrievalError,
        exceptions.MetadataRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.FlexibleChecksumError,
        exceptions.AwsChunkedWrapperError,
    )
    if isinstance(error, passing):
        return _is_untrusted(error)
    return isinstance(error, exceptions.BotoCoreError)


def _is_untrusted(error: BaseException) -> bool:
    from botocore import exceptions

    return isinstance(error, exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error)


def is_not_known(error: BaseException) -> bool:
    """Whether a store doesn't know a header that it was sent, or the call."""
    words = _message(error)
    is_unsupported = "checksum" in words.lower() and bool(_UNSUPPORTED.search(words))
    return is_unsupported or not _NOT_IMPLEMENTED.isdisjoint(code_and_status(error))


def _operation(error: BaseException) -> str:
    return str(getattr(error, "operation_name", "") or "the call")


def _message(error: BaseException) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Message") or "") if isinstance(response, dict) else ""


def _may_pass(code: str, status: str) -> bool:
    if not _NOT_IMPLEMENTED.isdisjoint({code, status}):
        return False
    if code in _ADVICE and code not in _PASSING:
        return False
    return (
        code in _PASSING
        or status in _PASSING_STATUS
        or status.startswith("5")
        or "Throttl" in code
        or not (code or status)
    )


def _region_of(error: Any, words: str) -> str | None:
    named = _NAMED_REGION.search(words)
    if named:
        return named.group(1)
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    found = error.response.get("Error", {}).get("Region") or headers.get("x-amz-bucket-region")
    return str(found)[:40] if found else None


def _one_line(text: str) -> str:
    """Return the text of a server or a library on one line, truncated."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f"{flat[:_QUOTED]}…" if len(flat) > _QUOTED else flat.rstrip(".")
