"""Reads an Airflow connection of type ``wiro`` into addresses, credentials and limits."""

from __future__ import annotations

import json
import os
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote, urlsplit

from airflow_provider_wiro import __version__
from airflow_provider_wiro.api.parameters import FileContent, check_web_url
from airflow_provider_wiro.api.signing import Credentials
from airflow_provider_wiro.connection_form import EXTRA_FIELDS
from airflow_provider_wiro.exceptions import WiroMissingConnectionError, WiroUsageError
from airflow_provider_wiro.transport.tls_required import check_secure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.providers.common.compat.sdk import Connection

    from airflow_provider_wiro.api.flow import Send

#: The User-Agent of every request, in the form of RFC 9110.
USER_AGENT = f"airflow-provider-wiro/{__version__}"
DEFAULT_BASE_URL = "https://api.wiro.ai/v1"
DEFAULT_WEBSOCKET_URL = "wss://socket.wiro.ai/v1"
#: A slower upload counts as stuck.
SLOWEST_BYTES_PER_SECOND = 16 * 1024


@dataclass(frozen=True)
class WiroConnection:
    """
    Address, credentials and limits of one Wiro connection.

    :ivar base_url: without a trailing slash.
    :ivar websocket_url: as configured, None for Wiro's own. See :attr:`push_url`.
    :ivar project_id: the project that runs are billed to, None for the key's own.
    :ivar connect_timeout: seconds.
    :ivar read_timeout: seconds without a byte.
    :ivar verify: check TLS certificates; a path is a CA bundle.
    :ivar proxy: URL of an HTTP proxy; may hold its password.
    :ivar allow_insecure: connect to a public host without TLS, where a URL says ``http`` or ``ws``.
    :ivar conn_id: of the Airflow connection, for messages.
    :ivar warnings: sentences about what somebody should correct in the connection.
    """

    base_url: str
    websocket_url: str | None
    credentials: Credentials
    project_id: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    allow_insecure: bool = False
    conn_id: str = field(default="", compare=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_airflow(cls, connection: Connection) -> Self:
        """
        Read an Airflow connection of type ``wiro``.

        :raises WiroUsageError: the key is missing, or a field is malformed; names the field.
        """
        conn_id = str(getattr(connection, "conn_id", None) or "")
        try:
            return cls._read(connection, conn_id)
        except WiroUsageError as error:
            named = f"Connection {conn_id!r}: {error}" if conn_id else str(error)
            raise WiroUsageError(named) from None

    @classmethod
    def _read(cls, connection: Connection, conn_id: str) -> Self:
        _check_type(connection)
        # Not `extra_dejson`: to mask, it talks to the supervisor, which must not happen on an event loop.
        extra = _extra(connection.extra)
        login, password = (connection.login or "").strip(), (connection.password or "").strip()
        # API-key-only mode has the key in `password`, where Airflow masks it, or alone in `login`.
        credentials = Credentials(login, password) if login and password else Credentials(login or password)
        base_url, websocket_url = _base_url(connection), _websocket_url(extra)
        allow_insecure = _flag(extra, "allow_insecure")
        check_secure(base_url, "`host`", allow_insecure=allow_insecure)
        if websocket_url is not None:
            check_secure(websocket_url, "`websocket_url` in the extra", allow_insecure=allow_insecure)
        return cls(
            base_url=base_url,
            websocket_url=websocket_url,
            credentials=credentials,
            project_id=_text(extra, "project_id"),
            connect_timeout=_seconds(extra, "connect_timeout", 10.0),
            read_timeout=_seconds(extra, "read_timeout", 60.0),
            verify=_verify(extra),
            proxy=_proxy(extra),
            allow_insecure=allow_insecure,
            conn_id=conn_id,
            warnings=tuple(_unknown_extras(extra, conn_id)),
        )

    @property
    def push_url(self) -> str | None:
        """
        The WebSocket URL at which tasks are registered for push, None if there is none.

        It gets the tasks' tokens, so Wiro's own is the default only for Wiro's own API: with another ``host``
        (a gateway, the emulator) Wiro's WebSocket doesn't know the tasks.
        """
        if self.websocket_url is not None:
            return self.websocket_url
        return DEFAULT_WEBSOCKET_URL if self.base_url == DEFAULT_BASE_URL else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What Airflow has to mask in logs."""
        password = urlsplit(self.proxy or "").password or ""
        found = (self.credentials.key, self.credentials.secret, password, unquote(password))
        return tuple(dict.fromkeys(secret for secret in found if secret))


def request_seconds(timeouts: tuple[float, float], what: Send) -> tuple[float, float, float]:
    """
    Return how long one API request may connect, may read without a byte, and may take as a whole.

    The timeouts between two bytes never fire for a server that sends a byte now and then, or never reads the
    request.

    :param timeouts: for connecting, and for reading without a byte, in seconds.
    """
    connecting, reading = timeouts
    upload = sum(value.size for _, value in what.body.form if isinstance(value, FileContent))
    whole = connecting + 2 * reading + upload / SLOWEST_BYTES_PER_SECOND
    if what.longest_seconds is not None:
        whole = min(whole, what.longest_seconds)
    return min(connecting, whole), min(reading, whole), whole


@contextmanager
def missing_connection(conn_id: str) -> Iterator[None]:
    """
    Replace Airflow's error for a missing connection with one that says what to do.

    :raises WiroMissingConnectionError: Airflow has no such connection.
    """
    from airflow.providers.common.compat.sdk import AirflowException

    try:
        yield
    except AirflowException as error:
        if type(error).__name__ != "AirflowNotFoundException":
            raise
        variable = f"AIRFLOW_CONN_{conn_id.upper()}"
        if os.environ.get(variable):
            raise WiroMissingConnectionError(
                f"Airflow can't read connection {conn_id!r} from the environment variable {variable}. "
                "Expected a URI, wiro://KEY:SECRET@, or JSON, with double quotes: "
                '{"conn_type": "wiro", "login": "KEY", "password": "SECRET"}.'
            ) from None
        raise WiroMissingConnectionError(
            f"Airflow has no connection {conn_id!r}. Create it under Admin > Connections with type Wiro, or "
            f"as the environment variable AIRFLOW_CONN_{conn_id.upper()}='wiro://KEY:SECRET@', or correct "
            "`wiro_conn_id`."
        ) from None


def _check_type(connection: Connection) -> None:
    """Raise for a connection of another type: its password would be sent to Wiro as the API key."""
    found = (getattr(connection, "conn_type", None) or "").strip()
    if found and found != "wiro":
        raise WiroUsageError(
            f"expected a connection of type 'wiro', found type {found[:50]!r}. Create one of type Wiro, or "
            "correct `wiro_conn_id`."
        )


def _unknown_extras(extra: dict[str, Any], conn_id: str) -> Iterator[str]:
    known = [field.name for field in EXTRA_FIELDS]
    for name in extra:
        if name in known:
            continue
        near = get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.7)
        hint = f"did you mean {near[0]!r}?" if near else f"Known are {', '.join(known)}."
        yield (
            f"Connection {conn_id!r}: its extra has {name[:50]!r}, which is ignored"
            f"{'; ' if near else '. '}{hint}"
        )


def _extra(stored: str | None) -> dict[str, Any]:
    try:
        extra = json.loads(stored or "{}")
    except ValueError as error:
        raise WiroUsageError(
            'expected its extra as a JSON object such as {"project_id": "123"}, found text that is not JSON.'
        ) from error
    if not isinstance(extra, dict):
        raise WiroUsageError(
            'expected its extra as a JSON object such as {"project_id": "123"}, found JSON of another kind.'
        )
    return extra


def _base_url(connection: Connection) -> str:
    """
    Return the base URL.

    A bare host, as in ``wiro://KEY:SECRET@host/v1``, means https and, by default, ``/v1``. Airflow splits a
    URI, so port and path may also be in fields of their own.
    """
    host = (connection.host or "").strip()
    if not host:
        return DEFAULT_BASE_URL
    if "://" not in host:
        host = f"https://[{host}]" if host.count(":") > 1 and "[" not in host else f"https://{host}"
        is_bare = True
    else:
        is_bare = False
    try:
        parts = urlsplit(check_web_url(host, "it"))
        is_plain = not (parts.query or parts.fragment or parts.username or parts.password)
    except WiroUsageError:
        is_plain = False
    if not is_plain:
        # Not quoted: it may hold a password, which would end up in the log.
        raise WiroUsageError(
            "Expected its `host` as an http(s) URL such as https://api.wiro.ai/v1, "
            "without user, password, `?` or `#`; found something else."
        )
    port = f":{connection.port}" if connection.port and not parts.port else ""
    path = parts.path.strip("/") or (connection.schema or "").strip("/ ") or ("v1" if is_bare else "")
    return f"{parts.scheme}://{parts.netloc}{port}/{quote(path, safe='/%')}".rstrip("/")


def _text(extra: dict[str, Any], name: str) -> str | None:
    value = extra.get(name)
    return str(value).strip() or None if value is not None else None


def _seconds(extra: dict[str, Any], name: str, default: float) -> float:
    value = _text(extra, name)
    if value is None:
        return default
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise WiroUsageError(f"Expected `{name}` in its extra as seconds from 0 to 3600, found {value!r}.")
    return seconds


def _flag(extra: dict[str, Any], name: str) -> bool:
    value = _text(extra, name)
    if value is None or value.lower() in {"false", "0", "no"}:
        return False
    if value.lower() in {"true", "1", "yes"}:
        return True
    raise WiroUsageError(
        f"Expected `{name}` in the extra of the Wiro connection as true or false, found {value[:200]!r}."
    )


def _verify(extra: dict[str, Any]) -> bool | str:
    value = _text(extra, "verify")
    if value is None or value.lower() in {"true", "1", "yes"}:
        return True
    if value.lower() in {"false", "0", "no"}:
        return False
    try:
        where = {"capath" if Path(value).is_dir() else "cafile": value}
        ssl.create_default_context(**where)  # type: ignore[arg-type]
    except OSError as error:
        raise WiroUsageError(
            "Expected `verify` in its extra as true, false or the path of a CA "
            f"bundle, found {value[:200]!r}: {error.strerror or 'not readable'}."
        ) from error
    return value


def _websocket_url(extra: dict[str, Any]) -> str | None:
    value = _text(extra, "websocket_url")
    if value is None:
        return None
    scheme, separator, rest = value.partition("://")
    try:
        # Checked as http(s), which it is to an HTTP client.
        parts = urlsplit(
            check_web_url({"ws": "http", "wss": "https"}[scheme.lower()] + separator + rest, "it")
        )
    except (KeyError, WiroUsageError):
        # Not quoted: it may hold a password, which would end up in the log.
        raise WiroUsageError(
            "Expected `websocket_url` in its extra as a ws(s) URL such as "
            f"{DEFAULT_WEBSOCKET_URL}, found something else."
        ) from None
    # Airflow shows the field, and libraries quote URLs in their errors.
    if "@" in parts.netloc or parts.query or parts.fragment or "?" in value or "#" in value:
        raise WiroUsageError(
            "Expected `websocket_url` in the extra of the Wiro connection without user, password, `?` and "
            "`#`, found one with them. Airflow masks nothing in this field, and Wiro's WebSocket needs no "
            "credentials in its address: each task is registered with its own token."
        )
    return value


def _proxy(extra: dict[str, Any]) -> str | None:
    value = _text(extra, "proxy")
    if value is None:
        return None
    try:
        return check_web_url(value, "`proxy` in its extra")
    except WiroUsageError:
        # The message must not quote the value: it may hold the proxy's password.
        raise WiroUsageError(
            "Expected `proxy` in its extra as an http(s) URL, found something else."
        ) from None
