"""Translates what Airflow's object stores raise into errors that name the file and what to do."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroError, WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.storage.object_files import provider_hint
from airflow_provider_wiro.storage.object_stores.wrong_connections import wrong_connection

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Permanent errors. Stores raise these too: s3fs a FileNotFoundError for a bucket that isn't there.
_PERMANENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_PERMANENT_ERRNOS = frozenset({errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS})
#: Packages whose errors are no store's: of a bug, of this package, or that the task was stopped.
_NO_STORES = frozenset({"builtins", "airflow", "airflow_provider_wiro"})
#: How many characters of a text a message quotes.
_QUOTED = 200


@contextmanager
def plain_store_errors(uri: str, argument: str) -> Iterator[None]:
    """
    Raise what a store raises as errors of this package; anything else passes.

    :param uri: the file.
    :param argument: the name of the path's argument, for messages.
    :raises WiroUsageError: the store refuses the file permanently.
    :raises WiroOutputUnavailableError: it fails, or can't be reached; a retry may help.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] in _NO_STORES:
            raise
        raise _explained(error, uri, argument) from error


@contextmanager
def plain_opening_errors(uri: str, conn_id: str | None, argument: str) -> Iterator[None]:
    """
    Raise what is raised where a store is opened, before it is asked anything, as errors of this package.

    :param uri: the file.
    :param conn_id: of the connection, None if the URI names none.
    :param argument: the name of the path's argument, for messages.
    :raises WiroUsageError: there is no such store, its packages are missing, or the connection is wrong.
    :raises WiroOutputUnavailableError: it can't be reached; a retry may help.
    """
    try:
        with plain_store_errors(uri, argument), _wrong_connections(uri, conn_id):
            yield
    except (ImportError, ValueError) as error:
        raise WiroUsageError(
            f"Can't open {uri}: {error}. Expected an object-storage URI, such as "
            f"gs://google_cloud_default@bucket/key. {provider_hint(uri)}"
        ) from error


@contextmanager
def _wrong_connections(uri: str, conn_id: str | None) -> Iterator[None]:
    try:
        yield
    except WiroError:
        raise
    except Exception as error:
        if (wrong := wrong_connection(error, uri, conn_id)) is not None:
            raise wrong from error
        raise


def _explained(error: Exception, uri: str, argument: str) -> WiroError:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    reason = " ".join(str(words).split())[:_QUOTED].rstrip(".")
    what = f"Can't read or write {uri[:_QUOTED]}: {reason}."
    if isinstance(error, PermissionError):
        return WiroUsageError(f"{what} The worker's user, or the connection's, needs access to it.")
    if isinstance(error, _PERMANENT) or getattr(error, "errno", None) in _PERMANENT_ERRNOS:
        return WiroUsageError(f"{what} Correct {argument}, or create what its file is to be in.")
    return WiroOutputUnavailableError(what)
