"""A connection is read in every form in which Airflow stores it; a bad one is refused with advice."""

from __future__ import annotations

import json
import logging
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_wiro.exceptions import WiroConnectionError, WiroError, WiroLostRunError, WiroUsageError
from airflow_provider_wiro.hooks.wiro import WiroHook
from airflow_provider_wiro.transport.connection import WiroConnection
from tests.contract.fixtures import KEY, SECRET
from tests.contract.hostile import HostileServer
from tests.contract.scripts import close_connection, reset, respond, success

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.fixtures import Connect
    from tests.contract.twins import Twin

DETAIL = "/v1/Task/Detail"
TASK = success(tasklist=[{"id": "7", "status": "task_start"}])
DEFAULT = "https://api.wiro.ai/v1"


def read(monkeypatch: pytest.MonkeyPatch, stored: str) -> WiroConnection:
    monkeypatch.setenv("AIRFLOW_CONN_WIRO_DEFAULT", stored)
    return WiroHook().connection


@pytest.mark.parametrize(
    ("uri", "base_url"),
    [
        ("wiro://K:S@", DEFAULT),
        ("wiro://K:S@/", DEFAULT),
        ("wiro://K:S@wiro.test", "https://wiro.test/v1"),
        ("wiro://K:S@wiro.test/", "https://wiro.test/v1"),
        ("wiro://K:S@wiro.test/v2", "https://wiro.test/v2"),
        ("wiro://K:S@wiro.test:8443", "https://wiro.test:8443/v1"),
        ("wiro://K:S@wiro.test:8443/v1", "https://wiro.test:8443/v1"),
        ("wiro://K:S@http%3A%2F%2F127.0.0.1%3A8900%2Fv1", "http://127.0.0.1:8900/v1"),
        ("wiro://K:S@http%3A%2F%2F127.0.0.1%3A8900%2Fv1%2F", "http://127.0.0.1:8900/v1"),
        ("wiro://http://K:S@127.0.0.1:8900/v1", "http://127.0.0.1:8900/v1"),
        ("wiro://https://K:S@wiro.test", "https://wiro.test"),
        ("wiro://K:S@[::1]:8900/v1", "https://[::1]:8900/v1"),
    ],
)
def test_a_uri_names_the_base_url(monkeypatch: pytest.MonkeyPatch, uri: str, base_url: str) -> None:
    connection = read(monkeypatch, uri)
    assert connection.base_url == base_url
    assert (connection.credentials.key, connection.credentials.secret) == ("K", "S")


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({}, DEFAULT),
        ({"host": None}, DEFAULT),
        ({"host": "  "}, DEFAULT),
        ({"host": "https://api.wiro.ai/v1"}, DEFAULT),
        ({"host": " https://api.wiro.ai/v1/ "}, DEFAULT),
        ({"host": "https://api.wiro.ai/v1//"}, DEFAULT),
        ({"host": "HTTPS://api.wiro.ai/v1"}, DEFAULT),
        ({"host": "api.wiro.ai"}, DEFAULT),
        ({"host": "api.wiro.ai/v1/"}, DEFAULT),
        ({"host": "api.wiro.ai", "schema": "/v2/"}, "https://api.wiro.ai/v2"),
        ({"host": "api.wiro.ai:8443"}, "https://api.wiro.ai:8443/v1"),
        ({"host": "api.wiro.ai/v3", "port": 8443}, "https://api.wiro.ai:8443/v3"),
        ({"host": "http://127.0.0.1", "port": 8900, "schema": "v1"}, "http://127.0.0.1:8900/v1"),
        ({"host": "http://127.0.0.1:1234/v1", "port": 8900}, "http://127.0.0.1:1234/v1"),
        ({"host": "::1", "port": 8900}, "https://[::1]:8900/v1"),
        ({"host": "http://[::1]:8900/v1"}, "http://[::1]:8900/v1"),
        ({"host": "http://proxy.test/wiro/api/v1"}, "http://proxy.test/wiro/api/v1"),
    ],
)
def test_json_names_the_base_url(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], base_url: str
) -> None:
    stored = json.dumps({"conn_type": "wiro", "login": "K", "password": "S", **fields})
    assert read(monkeypatch, stored).base_url == base_url


@pytest.mark.parametrize(
    "host", [DEFAULT, "http://127.0.0.1:8900/v1", "https://[::1]:8900/v1", "", "wiro.test"]
)
def test_airflows_own_uri_of_a_connection_is_the_same_connection(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    stored = {
        "conn_type": "wiro",
        "login": "k+/%",
        "password": "s:@#/?",
        "host": host,
        "extra": {"project_id": "p"},
    }
    once = read(monkeypatch, json.dumps(stored))
    monkeypatch.setenv("AIRFLOW_CONN_AGAIN", WiroHook().get_connection("wiro_default").get_uri())
    assert WiroHook("again").connection == once


@pytest.mark.parametrize(
    ("login", "password", "key", "secret"),
    [
        ("K", "S", "K", "S"),
        (" K ", " S ", "K", "S"),
        ("", "K", "K", None),
        (None, "K", "K", None),
        ("K", "", "K", None),
        ("K", None, "K", None),
    ],
)
def test_one_credential_is_the_key_and_two_are_key_and_secret(
    monkeypatch: pytest.MonkeyPatch, login: Any, password: Any, key: str, secret: str | None
) -> None:
    connection = read(monkeypatch, json.dumps({"conn_type": "wiro", "login": login, "password": password}))
    assert (connection.credentials.key, connection.credentials.secret) == (key, secret)


def test_key_only_uris_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, "wiro://:K@").credentials.headers(1) == {"x-api-key": "K"}
    assert read(monkeypatch, "wiro://K@").credentials.headers(1) == {"x-api-key": "K"}


def test_every_extra_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        "websocket_url": "wss://socket.test/v1",
        "project_id": 17,
        "connect_timeout": "2.5",
        "read_timeout": 30,
        "verify": "False",
        "proxy": "http://proxy.test:3128",
    }
    found = read(monkeypatch, json.dumps({"conn_type": "wiro", "password": "K", "extra": extra}))
    assert found.websocket_url == "wss://socket.test/v1"
    assert (found.project_id, found.connect_timeout, found.read_timeout) == ("17", 2.5, 30.0)
    assert (found.verify, found.proxy) == (False, "http://proxy.test:3128")


@pytest.mark.parametrize(
    ("host", "websocket_url", "push_url"),
    [
        (None, None, "wss://socket.wiro.ai/v1"),
        (DEFAULT, None, "wss://socket.wiro.ai/v1"),
        ("http://127.0.0.1:8900/v1", None, None),
        ("https://gateway.test/v1", None, None),
        ("https://api.wiro.ai.test/v1", None, None),
        ("http://127.0.0.1:8900/v1", "ws://127.0.0.1:8900/socket/v1", "ws://127.0.0.1:8900/socket/v1"),
        (DEFAULT, "WSS://socket.test", "WSS://socket.test"),
    ],
)
def test_a_token_is_sent_to_wiros_socket_only_with_wiros_own_api_or_if_configured(
    monkeypatch: pytest.MonkeyPatch, host: str | None, websocket_url: str | None, push_url: str | None
) -> None:
    extra = {"websocket_url": websocket_url}
    stored = json.dumps({"conn_type": "wiro", "password": "K", "host": host, "extra": extra})
    assert read(monkeypatch, stored).push_url == push_url


@pytest.mark.parametrize(
    "url", ["https://socket.test/v1", "socket.test", "wss://", "ws://a b", "ws://socket.test:port", "://", 7]
)
def test_what_is_no_websocket_url_is_refused_without_quoting_it(
    monkeypatch: pytest.MonkeyPatch, url: object
) -> None:
    stored = json.dumps({"conn_type": "wiro", "password": "K", "extra": {"websocket_url": url}})
    with pytest.raises(WiroUsageError, match=r"Expected `websocket_url`.*found something else") as caught:
        read(monkeypatch, stored)
    assert str(url) not in str(caught.value).replace("wss://socket.wiro.ai/v1", "")


@pytest.mark.parametrize(
    "url",
    [
        "wss://me:s3cret@socket.test/v1",
        "wss://s3cret@socket.test/v1",
        "wss://socket.test/v1?token=s3cret",
        "wss://socket.test/v1#s3cret",
        "ws://:s3cret@127.0.0.1:8900/v1",
        "wss://socket.test/v1?",
    ],
)
def test_a_websocket_url_with_credentials_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    stored = json.dumps({"conn_type": "wiro", "password": "K", "extra": {"websocket_url": url}})
    with pytest.raises(WiroUsageError, match=r"`websocket_url`.*without user, password") as caught:
        read(monkeypatch, stored)
    assert "s3cret" not in str(caught.value)


PUBLIC_HOSTS = [
    "api.wiro.ai",
    "gateway.example.com",
    "8.8.8.8",
    "[2606:4700::1]",
    "134744072",
    "API.Wiro.AI.",
    # As clients read them (UTS 46): other dots and other digits.
    *("api\u3002wiro\u3002ai", "api\uff0ewiro\uff0eai", "api\uff61wiro\uff61ai", "api%2ewiro%2eai"),
    *("\uff18.\uff18.\uff18.\uff18", "8\u30028\u30028\u30028"),
]
PRIVATE_HOSTS = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::1]", "localhost", "wiro.localhost"),
    *("10.1.2.3", "172.16.0.1", "192.168.1.5", "169.254.1.1", "100.64.0.1", "[fd00::1]", "[fe80::1]"),
    *("emulator", "emulator.local", "wiro.default.svc", "wiro.default.svc.cluster.local", "wiro.internal"),
]


def read_insecure(
    monkeypatch: pytest.MonkeyPatch, host: str, allow: Any, *, is_socket: bool
) -> WiroConnection:
    url = f"{'ws' if is_socket else 'http'}://{host}:8900/v1"
    extra = {"allow_insecure": allow, **({"websocket_url": url} if is_socket else {})}
    stored = {"conn_type": "wiro", "password": "K", "host": None if is_socket else url, "extra": extra}
    return read(monkeypatch, json.dumps(stored))


@pytest.mark.parametrize("is_socket", [False, True])
@pytest.mark.parametrize("host", PUBLIC_HOSTS)
def test_a_public_host_without_tls_is_refused_unless_it_is_allowed(
    monkeypatch: pytest.MonkeyPatch, host: str, is_socket: bool
) -> None:
    for refusing in (None, False, "false", ""):
        with pytest.raises(WiroUsageError, match=r"is a public host.*`\"allow_insecure\": true`") as caught:
            read_insecure(monkeypatch, host, refusing, is_socket=is_socket)
        assert ("`websocket_url`" if is_socket else "`host`") in str(caught.value)
    for allowing in (True, "true", "1"):
        assert read_insecure(monkeypatch, host, allowing, is_socket=is_socket).allow_insecure


@pytest.mark.parametrize("is_socket", [False, True])
@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_a_private_host_needs_no_tls_and_is_not_resolved(
    monkeypatch: pytest.MonkeyPatch, host: str, is_socket: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was resolved")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    assert not read_insecure(monkeypatch, host, None, is_socket=is_socket).allow_insecure


def test_empty_extras_mean_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("websocket_url", "project_id", "connect_timeout", "read_timeout", "verify", "proxy")
    stored = {"conn_type": "wiro", "password": "K"}
    for empty in ("", None):
        extra = dict.fromkeys(names, empty)
        assert read(monkeypatch, json.dumps({**stored, "extra": extra})) == read(
            monkeypatch, json.dumps(stored)
        )


@pytest.mark.parametrize(
    ("given", "meant"), [(True, True), ("true", True), ("1", True), (False, False), ("no", False)]
)
def test_verify_takes_the_usual_words(monkeypatch: pytest.MonkeyPatch, given: Any, meant: bool) -> None:
    stored = {"conn_type": "wiro", "password": "K", "extra": {"verify": given}}
    assert read(monkeypatch, json.dumps(stored)).verify is meant


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"login": "", "password": ""}, "no API key"),
        ({"login": "K\n"}, None),
        ({"login": "K y\u00f6"}, "API key"),
        ({"host": "ftp://wiro.test"}, "http"),
        ({"host": "https://"}, "http"),
        ({"host": "https://wiro.test:port/v1"}, "http"),
        ({"host": "https://wiro.test/v1?x=1"}, "without"),
        ({"host": "https://wiro.test/v1#x"}, "without"),
        ({"host": "wiro test"}, "http"),
        ({"extra": {"connect_timeout": "soon"}}, "connect_timeout"),
        ({"extra": {"connect_timeout": 0}}, "connect_timeout"),
        ({"extra": {"read_timeout": -1}}, "read_timeout"),
        ({"extra": {"read_timeout": "nan"}}, "read_timeout"),
        ({"extra": {"read_timeout": True}}, "read_timeout"),
        ({"extra": {"verify": "/no/such/bundle.pem"}}, "verify"),
        ({"extra": {"proxy": "proxy.test:3128"}}, "proxy"),
        ({"extra": {"proxy": "socks5://proxy.test"}}, "proxy"),
    ],
)
def test_a_bad_field_is_named(fields: dict[str, Any], words: str | None) -> None:
    fields = {"login": KEY, "password": SECRET, **fields}
    extra = fields.pop("extra", None)
    connection = Connection(
        conn_id="c", conn_type="wiro", extra=json.dumps(extra) if extra else None, **fields
    )
    if words is None:
        WiroConnection.from_airflow(connection)
        return
    with pytest.raises(WiroUsageError, match=words) as caught:
        WiroConnection.from_airflow(connection)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("extra", ["not json", "[1]", '"text"', "17"])
def test_an_extra_that_is_no_object_is_refused(extra: str) -> None:
    class Stored:
        host = schema = port = None
        login, password = KEY, SECRET

    Stored.extra = extra  # type: ignore[attr-defined]
    with pytest.raises(WiroUsageError, match="expected its extra as a JSON object"):
        WiroConnection.from_airflow(Stored())  # type: ignore[arg-type]


@pytest.mark.parametrize("host", [f"https://me:{SECRET}@wiro.test/v1", f"ftp://me:{SECRET}@wiro.test"])
def test_a_password_in_the_base_url_is_refused_and_not_repeated(host: str) -> None:
    connection = Connection(conn_id="c", conn_type="wiro", login=KEY, password="x", host=host)
    with pytest.raises(WiroUsageError, match="without") as caught:
        WiroConnection.from_airflow(connection)
    assert SECRET not in str(caught.value)


def test_no_repr_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"proxy": "http://me:pr0xy-pass@proxy.test"}
    found = read(
        monkeypatch, json.dumps({"conn_type": "wiro", "login": KEY, "password": SECRET, "extra": extra})
    )
    for secret in (KEY, SECRET, "pr0xy-pass"):
        assert secret not in repr(found) + repr(found.credentials)
        assert secret in found.secrets


def test_a_trailing_slash_makes_no_double_slash(server: HostileServer, connect: Connect, twin: Twin) -> None:
    connect(host=f"{server.base_url}/")
    server.on(DETAIL, TASK)
    twin.get_task("7")
    assert server.requests[0].path == DETAIL


# -- proxies: the hostile server plays one


def test_the_connections_proxy_takes_precedence_over_the_environments(
    server: HostileServer, cdn: HostileServer, connect: Connect, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    proxy = cdn.on("http://wiro.test/v1/Task/Detail", TASK)
    connect(host="http://wiro.test/v1", proxy=f"http://me:p%40ss@127.0.0.1:{proxy.port}")
    assert twin.get_task("7").id == "7"
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic bWU6cEBzcw=="


def test_the_proxy_of_the_environment_is_used(
    cdn: HostileServer, connect: Connect, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{cdn.port}")
    cdn.on("http://wiro.test/v1/Task/Detail", TASK)
    connect(host="http://wiro.test/v1")
    assert twin.get_task("7").id == "7"


def test_no_proxy_in_the_environment_is_respected(
    server: HostileServer, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server.on(DETAIL, TASK)
    assert twin.get_task("7").id == "7"


@pytest.mark.usefixtures("no_repeats")
@pytest.mark.parametrize("script", [respond(b"", 407), close_connection])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_password_of_a_proxy_never_shows(
    cdn: HostileServer,
    connect: Connect,
    twin: Twin,
    caplog: pytest.LogCaptureFixture,
    script: Any,
    scheme: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    cdn.on("http://wiro.test/v1/Task/Detail", script).on("wiro.test:443", script)
    connect(host=f"{scheme}://wiro.test/v1", proxy=f"http://me:pr0xy-pass@127.0.0.1:{cdn.port}")
    with pytest.raises(WiroError) as caught:
        twin.get_task("7")
    assert "pr0xy-pass" not in str(caught.value) + repr(caught.value.__cause__) + caplog.text


@pytest.mark.parametrize("script", [close_connection, reset])
def test_a_run_that_is_cut_off_behind_a_proxy_is_sent_exactly_once(
    cdn: HostileServer, connect: Connect, twin: Twin, script: Any
) -> None:
    run = "http://wiro.test/v1/Run/o/m"
    cdn.on(run, script)
    connect(host="http://wiro.test/v1", proxy=f"http://127.0.0.1:{cdn.port}")
    with pytest.raises(WiroLostRunError):
        twin.run_model("o/m", {})
    assert len(cdn.to(run)) == 1


@pytest.mark.usefixtures("no_repeats")
def test_a_run_that_the_proxy_refused_is_not_lost(cdn: HostileServer, connect: Connect, twin: Twin) -> None:
    cdn.on("wiro.test:443", respond(b"", 407))
    connect(host="https://wiro.test/v1", proxy=f"http://127.0.0.1:{cdn.port}")
    with pytest.raises(WiroConnectionError):
        twin.run_model("o/m", {})


# -- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "hostile")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[HostileServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def wrap(accepted: socket.socket) -> socket.socket:
        return context.wrap_socket(accepted, server_side=True)

    running = HostileServer(wrap=wrap)
    yield running
    running.stop()


def test_an_untrusted_certificate_gets_no_run_and_loses_none(
    tls_server: HostileServer, connect: Connect, twin: Twin, no_repeats: None
) -> None:
    connect(host=tls_server.base_url)
    with pytest.raises(WiroError) as caught:
        twin.run_model("o/m", {})
    assert not isinstance(caught.value, WiroLostRunError)
    assert tls_server.requests == []


@pytest.fixture
def other_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxy and CA settings of a company's machine, which must not override the connection."""
    import certifi

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())


@pytest.mark.usefixtures("no_repeats", "other_bundle")
def test_verify_may_be_a_ca_bundle(
    tls_server: HostileServer, certificate: Path, connect: Connect, twin: Twin
) -> None:
    tls_server.on(DETAIL, TASK)
    connect(host=tls_server.base_url, verify=str(certificate))
    assert twin.get_task("7").id == "7"


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.usefixtures("no_repeats", "other_bundle")
def test_verify_may_be_switched_off(tls_server: HostileServer, connect: Connect, twin: Twin) -> None:
    tls_server.on(DETAIL, TASK)
    connect(host=tls_server.base_url, verify=False)
    assert twin.get_task("7").id == "7"
