"""
ModelCache: models as Wiro described them within the last hour, for all processes and threads of a machine.

400 mapped tasks that start together ask Wiro once: one of them asks, and the others wait for its response. It
is kept in a file that only this machine's user can read, below ``[wiro] model_cache_path``, or else in the
folder for temporary files. The file holds what Wiro's catalogue shows of the model, and nothing of a run.
That Wiro could not be asked is remembered for a minute.

It is a cache: a file that is damaged, not this user's or not readable counts as none, and where no file can
be written, each task asks for itself.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow_provider_wiro.api import model_slugs
from airflow_provider_wiro.api.flow import at_most
from airflow_provider_wiro.api.parameters import split_slug
from airflow_provider_wiro.catalog.stored_model import from_stored, to_stored
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroError, WiroUsageError
from airflow_provider_wiro.redaction.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from airflow_provider_wiro.api.catalog import Model
    from airflow_provider_wiro.api.flow import Flow, FlowContext

#: How long a description counts.
FRESH_SECONDS = 3600.0
#: How long it is remembered that there was none to be had.
FAILURE_SECONDS = 60.0
#: How long Wiro may take to describe a model. A run waits for it, and needs it only to be checked.
LONGEST_ASKING_SECONDS = 10.0
#: How long to wait for another process that asks Wiro.
LONGEST_WAIT_SECONDS = 12.0
#: Files that nobody has written for this long are removed.
KEPT_SECONDS = 86_400.0

_FORMAT = 1
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.0
#: A larger description is not kept. Wiro's own are some 20 KB.
_LARGEST_BYTES = 4 * 1024 * 1024
_LONGEST_REASON = 500
#: Written into the lock file, to see whether the disk has room.
_PROBE = b" " * 4096
#: A clock that was set back would make a file count for longer.
_CLOCK_TOLERANCE_SECONDS = 5.0


@dataclass(frozen=True)
class Description:
    """
    What Wiro says about a model.

    :ivar model: None if it could not be had.
    :ivar reason: why not, for the log.
    """

    model: Model | None
    reason: str = ""


#: See :meth:`ModelCache.lookup`.
Lookup = Generator[float | None, Description | None, Description]


@dataclass(frozen=True)
class ModelCache:
    """
    The descriptions of one account, as kept on this machine.

    :ivar folder: where its files are.
    :ivar account: identifies base URL and key; it is hashed.
    :ivar now: the wall clock's Unix time.
    :ivar monotonic: a clock that nobody sets.
    """

    folder: Path
    account: tuple[str, ...]
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def lookup(self, model: str) -> Lookup:
        """
        Look a model up.

        It yields the seconds to wait for another process, or None: ask Wiro, and send back the response. It
        does small reads and writes of local files; an event loop leaves them to a thread.

        :raises WiroUsageError: ``model`` is no slug.
        """
        entry = _Entry(self, self._path(model))
        found = entry.read()
        if found is not None:
            return found
        until, pause = self.monotonic() + LONGEST_WAIT_SECONDS, _FIRST_PAUSE_SECONDS
        try:
            while entry.is_locked_by_another() and self.monotonic() < until:
                yield pause
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                found = entry.read()
                if found is not None:
                    return found
            found = entry.read()  # the one that held the lock may have written it since
            if found is None:
                found = yield None
                if found is None:
                    raise AssertionError("a lookup is sent what Wiro said")
                entry.write(found)
            return found
        finally:
            entry.unlock()

    def _path(self, model: str) -> Path:
        what = json.dumps([_FORMAT, *self.account, *split_slug(model)])
        return self.folder / f"{hashlib.sha256(what.encode(errors='surrogatepass')).hexdigest()[:40]}.json"


class _Entry:
    """The file of one model, and the lock of those who would write it."""

    def __init__(self, cache: ModelCache, path: Path) -> None:
        self._cache = cache
        self._path = path
        self._lock: int | None = None

    def read(self) -> Description | None:
        """Return what the file says, None if it says nothing that counts."""
        try:
            noted = json.loads(_read_own(self._path))
            age = self._cache.now() - float(noted["at"])
            if noted["model"] is not None:
                found, fresh = Description(from_stored(noted["model"])), FRESH_SECONDS
            else:
                found, fresh = Description(None, str(noted["reason"])), FAILURE_SECONDS
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        return found if -_CLOCK_TOLERANCE_SECONDS <= age < fresh else None

    def write(self, found: Description) -> None:
        """Keep what Wiro said, where that is possible."""
        noted: dict[str, Any] = {"at": self._cache.now(), "model": None}
        if found.model is None:
            noted["reason"] = plain(found.reason, _LONGEST_REASON)
        else:
            noted["model"] = to_stored(found.model)
        scratch = self._path.with_name(f"{uuid4().hex}.new")
        try:
            content = json.dumps(noted).encode()
            if len(content) > _LARGEST_BYTES:
                return
            _make_own_folder(self._path.parent)
            with os.fdopen(_open_own(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
                file.write(content)
            scratch.replace(self._path)
        except (OSError, TypeError, ValueError, RecursionError):
            with suppress(OSError):
                scratch.unlink()
            return
        self._remove_old()

    def is_locked_by_another(self) -> bool:
        """Try to take the lock. False where there can be no lock."""
        try:
            if self._lock is None:
                _make_own_folder(self._path.parent)
                self._lock = _open_own(self._path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT)
            # The kernel releases it when its holder dies. Each lookup opens the file, so threads exclude
            # each other, too.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(self._lock, _PROBE, 0)
        except BlockingIOError:
            return True
        except OSError:
            self.unlock()  # nothing can be written: others that wait for it would wait for nothing
        return False

    def unlock(self) -> None:
        """Let others take the lock."""
        if self._lock is not None:
            lock, self._lock = self._lock, None
            with suppress(OSError):
                os.close(lock)

    def _remove_old(self) -> None:
        """Remove what nobody has written for a day: models that are no longer used."""
        before = time.time() - KEPT_SECONDS
        with suppress(OSError):
            for entry in os.scandir(self._path.parent):
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < before:
                        os.unlink(entry.path)  # noqa: PTH108


def look_up(
    lookup: Lookup,
    ask: Callable[[], Description],
    pause: Callable[[float], None],
) -> Description:
    """
    Return what a lookup finds, with functions that block.

    :param ask: asks Wiro; what it raises ends the lookup, and nothing is remembered.
    :param pause: waits; likewise.
    """
    outcome: Description | None = None
    try:
        while True:
            seconds = lookup.send(outcome)
            outcome = None
            if seconds is None:
                outcome = ask()
            else:
                pause(seconds)
    except StopIteration as stop:
        found: Description = stop.value
        return found
    finally:
        lookup.close()


async def look_up_async(
    lookup: Lookup,
    ask: Callable[[], Awaitable[Description]],
    pause: Callable[[float], Awaitable[None]],
) -> Description:
    """Do the same on an event loop, with the files read and written in a thread."""
    outcome: Description | None = None
    try:
        while True:
            step = await asyncio.to_thread(_advance, lookup, outcome)
            outcome = None
            if isinstance(step, Description):
                return step
            if step is None:
                outcome = await ask()
            else:
                await pause(step)
    finally:
        with suppress(ValueError):  # cancelled while the thread is in it, which closes it at its end
            lookup.close()


def describe(model: str, context: FlowContext) -> Flow[Description]:
    """
    Ask Wiro for a model's description, for some seconds.

    :raises WiroAuthenticationError: the credentials are refused.
    :raises WiroUsageError: ``model`` is no slug.
    """
    try:
        asking = model_slugs.get_model(model, context)
        return Description((yield from at_most(LONGEST_ASKING_SECONDS, asking, context)))
    except (WiroAuthenticationError, WiroUsageError):
        raise
    except WiroError as error:
        return Description(None, str(error))


def _advance(lookup: Lookup, outcome: Description | None) -> Description | float | None:
    try:
        return lookup.send(outcome)
    except StopIteration as stop:  # no future can hold it
        found: Description = stop.value
        return found


def own_folder(parent: Path) -> Path:
    """Return this user's folder below one that several users may share."""
    return parent / f"airflow-provider-wiro-{os.geteuid()}"


def _make_own_folder(folder: Path) -> None:
    """
    Make sure that a folder is there, and that nobody else can write into it.

    :raises OSError: it can't be.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    is_shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or is_shared:
        raise PermissionError(f"{folder} is not this user's own folder")


def _read_own(path: Path) -> bytes:
    """
    Return the content of a file that only this user can have written.

    :raises OSError: it can't be read, is somebody else's, no file, or too large.
    """
    with os.fdopen(_open_own(path, os.O_RDONLY), "rb") as file:
        content = file.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise OSError("too large")
    return content


def _open_own(path: Path, flags: int) -> int:
    """
    Open a file of this user's, and no link to one.

    :raises OSError: it can't be opened, or is somebody else's, or others can write it.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        found = os.fstat(descriptor)
        is_shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or is_shared:
            raise PermissionError(f"{path} is not this user's own file")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
