"""Recognises that a store can't be opened because of what its connection says."""

from __future__ import annotations

from airflow_provider_wiro.exceptions import WiroUsageError

#: What Google's library raises where a connection has no credentials, or none that it can read.
_NO_CREDENTIALS = frozenset({"DefaultCredentialsError", "MalformedError"})
#: How Airflow and fsspec say that they know no such store.
_NO_SUCH_STORE = ("No filesystem registered", "Protocol not known", "Unsupported filesystem")
#: How many characters of a text a message quotes.
_QUOTED = 200


def wrong_connection(error: BaseException, uri: str, conn_id: str | None) -> WiroUsageError | None:
    """
    Return the error that names the connection to correct, None if something else is wrong.

    :param error: raised where the store was opened, before it was asked anything.
    :param conn_id: of the connection, None if the URI names none.
    """
    is_key_file = (
        # No other local file is read there.
        isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError)
        and bool(error.filename)
        and conn_id is not None
    )
    is_refused = isinstance(error, ValueError) and not str(error).startswith(_NO_SUCH_STORE)
    if not (is_key_file or is_refused or type(error).__name__ in _NO_CREDENTIALS):
        return None
    reason = " ".join(str(error).split())[:_QUOTED].rstrip(".!")
    advice = "Name a connection in it." if conn_id is None else f"Correct the connection {conn_id[:100]!r}."
    return WiroUsageError(f"Can't open {uri[:_QUOTED]}: {reason}. {advice}")
