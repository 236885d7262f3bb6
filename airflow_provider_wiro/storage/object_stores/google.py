"""One object of Google Cloud Storage, by the JSON API over gcsfs's session."""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import threading
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.redaction.loggers import plain_logger
from airflow_provider_wiro.storage.conditions import ObjectExistsError
from airflow_provider_wiro.storage.object_stores.store_object import (
    Condition,
    Described,
    ObjectFacts,
    refused,
)
from airflow_provider_wiro.storage.object_stores.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = plain_logger(__name__)

#: Google takes an object's bytes in multiples of this, but for the last.
UNIT_BYTES = 256 * 1024
#: How often a part is sent of which Google kept nothing more.
_MAX_STALLS = 5
#: How often an object is read that is replaced meanwhile.
_MAX_READS = 10
#: How long to wait for the end of an upload that is given up; Airflow kills a stopped task after 5 s.
_ABORT_SECONDS = 2.0
_OBJECT = "b/{}/o/{}"
#: How it begins to say what no retry helps against.
_WRONG_NAMES = ("Invalid bucket name", "User project specified in the request is invalid")


def _never() -> None:
    pass


class Body(io.BytesIO):
    """A request's body, which gcsfs can send again: aiohttp closes what it has sent."""

    def close(self) -> None:
        pass


class GoogleObject:
    """
    An object, as a :class:`~airflow_provider_wiro.storage.object_stores.store_object.StoreObject`.

    :param fs: gcsfs's GCSFileSystem.
    :param check: called while waiting; what it raises ends the wait.
    """

    def __init__(self, fs: Any, uri: str, bucket: str, key: str, check: Callable[[], None] = _never) -> None:
        self.uri = uri
        self._fs = fs
        self._bucket, self._key = bucket, key
        self._check = check

    def kept(self, metadata: Mapping[str, str]) -> dict[str, str]:
        return dict(metadata)

    def part_bytes(self, size: int | None, wanted: int) -> int:
        return -(-wanted // UNIT_BYTES) * UNIT_BYTES

    def facts(self) -> ObjectFacts | None:
        try:
            return self._facts(self.call("GET", _OBJECT, self._bucket, self._key, json_out=True))
        except FileNotFoundError:
            return None

    def read(self, most: int | None = None) -> tuple[bytes, str] | None:
        for _ in range(_MAX_READS):
            if (facts := self.facts()) is None:
                return None
            stop = facts.size if most is None else min(most, facts.size)
            try:
                return self.read_part(0, stop, facts.version) if stop else b"", facts.version
            except (FileNotFoundError, ObjectExistsError):
                self._check()  # it was replaced or deleted meanwhile
        raise WiroOutputUnavailableError(f"{self.uri} was replaced each time it was to be read.")

    def read_part(self, start: int, stop: int, version: str) -> bytes:
        _, body = self.call(
            "GET",
            _OBJECT,
            self._bucket,
            self._key,
            alt="media",
            headers={"Range": f"bytes={start}-{stop - 1}"},
            ifGenerationMatch=version,
        )
        return bytes(body)

    def put(
        self, body: bytes | bytearray, described: Described, condition: Condition | None = None
    ) -> ObjectFacts:
        digest = hashlib.md5(body, usedforsecurity=False)
        declared = {"md5Hash": base64.b64encode(digest.digest()).decode()}  # Google compares it
        boundary = uuid.uuid4().hex
        resource = json.dumps({**self._resource(described), **declared})
        payload = Body()
        payload.write(
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{resource}\r\n"
            f"--{boundary}\r\nContent-Type: {described.content_type}\r\n\r\n".encode()
        )
        payload.write(body)
        payload.write(f"\r\n--{boundary}--\r\n".encode())
        found = self.call(
            "POST",
            self._upload_url,
            uploadType="multipart",
            headers={"Content-Type": f'multipart/related; boundary="{boundary}"'},
            data=payload,
            json_out=True,
            **_conditional(condition),
        )
        return self.compared(found, len(body), digest.hexdigest())

    def begin(self, described: Described, condition: Condition | None = None) -> GoogleParts:
        headers, _ = self.call(
            "POST",
            self._upload_url,
            uploadType="resumable",
            name=self._key,
            json=self._resource(described),
            headers={"X-Upload-Content-Type": described.content_type},
            **_conditional(condition),
        )
        return GoogleParts(self, headers["Location"], described, self._check)

    def delete(self, version: str | None = None) -> None:
        condition = None if version is None else Condition(version)
        with suppress(ObjectExistsError, FileNotFoundError):
            self.call("DELETE", _OBJECT, self._bucket, self._key, **_conditional(condition))

    def names(self) -> set[str]:
        prefix = f"{self._key}/" if self._key else ""
        found: set[str] = set()
        arguments = {"prefix": prefix, "delimiter": "/", "fields": "items(name),prefixes,nextPageToken"}
        while True:
            page = self.call("GET", "b/{}/o", self._bucket, json_out=True, **arguments)
            listed = [*(item["name"] for item in page.get("items") or ()), *(page.get("prefixes") or ())]
            found |= {name.removeprefix(prefix).rstrip("/") for name in listed}
            if not page.get("nextPageToken"):
                return found - {""}  # what some tools put there for the folder itself
            arguments["pageToken"] = page["nextPageToken"]

    def describe(self, facts: ObjectFacts, described: Described) -> ObjectFacts:
        """
        Change the metadata of an object that has just been written.

        It is there and whole, so a failure is only logged. Google needs the permission
        ``storage.objects.update`` for it.
        """
        try:
            found = self.call(
                "PATCH",
                _OBJECT,
                self._bucket,
                self._key,
                json={"metadata": dict(described.metadata)},
                json_out=True,
                ifGenerationMatch=facts.version,
            )
        except Exception:
            self._check()
            log.warning("Could not add its digest to the metadata of %s.", self.uri, exc_info=True)
            return facts
        return self._facts(found)

    def send(self, session: str, body: Body, content_range: str, content_type: str) -> tuple[Any, bytes]:
        """Send bytes of an upload in parts; return the headers and the body of the response."""
        headers, found = self.call(
            "PUT",
            session,
            headers={
                "Content-Range": content_range,
                "Content-Length": str(len(body.getbuffer())),
                "Content-Type": content_type,
            },
            data=body,
        )
        return headers, found

    def give_up(self, session: str) -> None:
        """End an upload in parts, also when the task is being stopped."""
        with self._plain_errors():
            wait_for(self._fs, self._fs._call("DELETE", session), _never, most_seconds=_ABORT_SECONDS)

    def call(self, method: str, path: str, *args: Any, **arguments: Any) -> Any:
        """Make one call of the JSON API; gcsfs repeats it while Google is out."""
        with self._plain_errors():
            return wait_for(self._fs, self._fs._call(method, path, *args, **arguments), self._check)

    def compared(self, found: Mapping[str, Any], size: int, md5: str) -> ObjectFacts:
        """
        Return what Google says of the object that it has just taken; delete it if that isn't what was sent.

        :raises WiroOutputUnavailableError: it isn't.
        """
        facts = self._facts(found)
        if facts.size == size and facts.md5 in {md5, None}:
            return facts
        raise refused(self, facts, size)

    def _resource(self, described: Described) -> dict[str, Any]:
        return {
            "name": self._key,
            "contentType": described.content_type,
            "metadata": dict(described.metadata),
        }

    @property
    def _upload_url(self) -> str:
        host = str(self._fs.base).removesuffix("storage/v1/")
        return f"{host}upload/storage/v1/b/{quote(self._bucket, safe='')}/o"

    @staticmethod
    def _facts(found: Mapping[str, Any]) -> ObjectFacts:
        md5 = found.get("md5Hash")
        version = str(found.get("generation") or "")
        return ObjectFacts(
            int(found.get("size", 0)),
            version,
            version,
            str(found.get("contentType") or ""),
            {str(name): str(value) for name, value in (found.get("metadata") or {}).items()},
            base64.b64decode(md5).hex() if md5 else None,
        )

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Raise gcsfs's errors as those of files."""
        try:
            yield
        except FileExistsError as error:  # what gcsfs makes of 412
            raise ObjectExistsError(self.uri) from error
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, "No such bucket or object", self.uri) from error
        except OSError as error:
            if error.errno is None and str(error).startswith("Forbidden"):
                words = str(error).partition("\n")[2] or "Forbidden"
                raise PermissionError(errno.EACCES, words, self.uri) from error
            raise
        except Exception as error:
            if (refusal := _bad_request(error)) is None:
                raise
            kind = errno.EINVAL if refusal.startswith(_WRONG_NAMES) else errno.EIO
            raise OSError(kind, refusal, self.uri) from error


class GoogleParts:
    """
    A resumable upload. Google takes its bytes in order: threads that fetched theirs early wait their turn.

    A session that is never completed shows nowhere and costs nothing; Google discards it after a week.
    """

    def __init__(
        self, target: GoogleObject, session: str, described: Described, check: Callable[[], None]
    ) -> None:
        self._target = target
        self._check = check
        self._session: str | None = session
        self._described = described
        self._digest = hashlib.md5(usedforsecurity=False)
        self._turn = threading.Condition()
        self._next = 1
        self._sent = 0
        self._rest = b""

    def put(self, number: int, body: bytearray) -> None:
        with self._turn:
            while self._next != number:
                self._turn.wait(0.1)
                self._check()
        if self._rest:
            raise ValueError("Only the last part may have another size.")
        self._digest.update(body)
        whole = len(body) - len(body) % UNIT_BYTES
        with memoryview(body) as view:
            # The end is named with the last bytes, so those of the last part wait for it.
            self._rest = bytes(view[whole:])
            self._send(view[:whole])
        with self._turn:
            self._next += 1
            self._turn.notify_all()

    def complete(self, described: Described) -> ObjectFacts:
        size = self._sent + len(self._rest)
        found = self._finish(size)
        self._session = None
        facts = self._target.compared(found, size, self._digest.hexdigest())
        if described == self._described:
            return facts
        return self._target.describe(facts, described)

    def abort(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._target.give_up(session)

    def _send(self, view: memoryview) -> None:
        """Send bytes that aren't the last; again what Google didn't keep of them."""
        stalls = 0
        while view:
            stop = self._sent + len(view)
            headers, _ = self._request(Body(view), f"bytes {self._sent}-{stop - 1}/*")
            kept = _kept(headers) - self._sent
            if not 0 <= kept <= len(view):
                raise WiroOutputUnavailableError(f"Google says it has other bytes of {self._target.uri}.")
            stalls = 0 if kept else stalls + 1
            if stalls > _MAX_STALLS:
                raise WiroOutputUnavailableError(f"Google keeps nothing of {self._target.uri}.")
            self._sent += kept
            view = view[kept:]

    def _finish(self, size: int) -> Mapping[str, Any]:
        for _ in range(_MAX_STALLS):
            content_range = f"bytes {self._sent}-{size - 1}/{size}" if self._rest else f"bytes */{size}"
            headers, body = self._request(Body(self._rest), content_range)
            try:
                found = json.loads(body)
            except ValueError:
                found = None
            if isinstance(found, dict) and found.get("generation"):
                return found
            kept = max(0, _kept(headers) - self._sent)
            self._sent, self._rest = self._sent + kept, self._rest[kept:]
        raise WiroOutputUnavailableError(
            f"Google has all bytes of {self._target.uri} and makes no object of them."
        )

    def _request(self, body: Body, content_range: str) -> tuple[Any, bytes]:
        assert self._session is not None  # noqa: S101
        return self._target.send(self._session, body, content_range, self._described.content_type)


def _bad_request(error: Exception) -> str | None:
    """Return what Google says of a bad request. gcsfs makes one of two kinds of error of it, by a word."""
    first, _, words = str(error).partition("\n")
    if first.startswith("Bad Request: "):
        return words
    return first if first.startswith(_WRONG_NAMES) else None


def _kept(headers: Any) -> int:
    """Return how many bytes of an upload Google has by now."""
    found = headers.get("Range")
    return int(str(found).rpartition("-")[2]) + 1 if found else 0


def _conditional(condition: Condition | None) -> dict[str, str]:
    if condition is None:
        return {}
    return {"ifGenerationMatch": condition.version or "0"}
