"""What a store of Airflow's ObjectStoragePath raises, as an error that says which file, and what to do."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_wiro.exceptions import WiroError

#: What no retry helps. Stores raise these too: s3fs a FileNotFoundError for a bucket that isn't there.
_FOR_GOOD = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_ERRNOS_FOR_GOOD = frozenset({errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS})
#: Whose errors are no store's: a bug's, this package's, or the word that the task was stopped.
_NO_STORES = frozenset({"builtins", "airflow", "airflow_provider_wiro"})
#: Characters of a text that a message quotes.
_QUOTED = 200


@contextmanager
def plain_store_errors(uri: str, argument: str) -> Iterator[None]:
    """
    Raise what a store raises as errors of this package; anything else passes.

    :param uri: the file.
    :param argument: what the user knows its place as.
    :raises WiroUsageError: the store refuses the file for good.
    :raises WiroOutputUnavailableError: it fails, or can't be reached; a retry may help.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] in _NO_STORES:
            raise
        raise _explained(error, uri, argument) from error


def _explained(error: Exception, uri: str, argument: str) -> WiroError:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    reason = " ".join(str(words).split())[:_QUOTED].rstrip(".")
    what = f"Can't read or write {uri[:_QUOTED]}: {reason}."
    if isinstance(error, PermissionError):
        return WiroUsageError(f"{what} The worker's user, or the connection's, needs access to it.")
    if isinstance(error, _FOR_GOOD) or getattr(error, "errno", None) in _ERRNOS_FOR_GOOD:
        return WiroUsageError(f"{what} Correct {argument}, or create what its file is to be in.")
    return WiroOutputUnavailableError(what)
