"""Outputs: whole, as announced, from a public address, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.models import Output
from airflow_provider_wiro.api.signing import Credentials
from airflow_provider_wiro.downloads import address_policy
from airflow_provider_wiro.downloads import checks as download_checks
from airflow_provider_wiro.exceptions import (
    WiroOutputError,
    WiroOutputRefusedError,
    WiroOutputUnavailableError,
    WiroUsageError,
)
from airflow_provider_wiro.input_files import digests
from airflow_provider_wiro.transport.connection import WiroConnection
from tests.contract.hostile import HostileServer
from tests.contract.scripts import (
    chunked,
    close_connection,
    delayed,
    drip,
    endless,
    gzipped,
    head,
    never_respond,
    raw,
    redirect,
    reset,
    respond,
    trickling,
    truncated,
    until_close,
)
from tests.contract.twins import BlockingTwin

if TYPE_CHECKING:
    from tests.contract.fixtures import Connect
    from tests.contract.hostile import Script
    from tests.contract.twins import Twin

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 800
PATH = "/out/0.png"


def output(
    url: str | None, *, size: int | None = len(PNG), content_type: str = "image/png", name: str = "0.png"
) -> Output:
    return Output(index=0, name=name, content_type=content_type, size=size, url=url)


def at(cdn: HostileServer, *scripts: Script, **more: Any) -> Output:
    cdn.on(PATH, *scripts)
    return output(f"{cdn.origin}{PATH}", **more)


GOOD: dict[str, Script] = {
    "with its length": respond(PNG, content_type="image/png"),
    "in chunks": chunked(PNG[:10], PNG[10:11], PNG[11:]),
    "until the connection closes": until_close(PNG),
    "in two pieces with a rest between": raw(
        head(200, content_length=len(PNG)) + PNG[:1000], PNG[1000:], seconds_between=0.05
    ),
    "with no content type": respond(PNG),
}  # fmt: skip


@pytest.mark.parametrize("way", GOOD)
@pytest.mark.parametrize("size", [len(PNG), None])
def test_an_output_arrives_byte_by_byte(cdn: HostileServer, twin: Twin, way: str, size: int | None) -> None:
    assert twin.fetch(at(cdn, GOOD[way], size=size)) == PNG
    (request,) = cdn.requests
    assert request.method == "GET"
    assert request.headers["accept-encoding"] == "identity"
    assert not [name for name in request.headers if name.startswith("x-") or name == "authorization"]


@pytest.mark.parametrize("piece_bytes", [1024, 7777, len(PNG), len(PNG) + 1, 10_000_000])
def test_pieces_of_any_size_make_the_same_file(cdn: HostileServer, twin: Twin, piece_bytes: int) -> None:
    assert twin.fetch(at(cdn, GOOD["with its length"]), piece_bytes) == PNG
    assert twin.fetch(at(cdn, GOOD["in chunks"]), piece_bytes) == PNG


def test_an_empty_output_is_empty(cdn: HostileServer, twin: Twin) -> None:
    assert twin.fetch(at(cdn, respond(b""), size=0)) == b""


def test_a_url_is_sent_as_it_is(cdn: HostileServer, twin: Twin) -> None:
    target = "/a%2Bb%20c/@/%C3%BC;v=1/0.png?sig=a%2Bb%3D%26%2F&x=%40"
    cdn.on(target, respond(PNG))
    assert twin.fetch(output(cdn.origin + target)) == PNG


def test_a_url_with_letters_beyond_ascii_is_encoded(cdn: HostileServer, twin: Twin) -> None:
    cdn.on("/%C3%BC/0.png", respond(PNG))
    assert twin.fetch(output(f"{cdn.origin}/ü/0.png")) == PNG


REFUSED: dict[str, Script] = {
    "a shorter file": respond(PNG[:-1]),
    "a longer file": respond(PNG + b"!"),
    "a shorter file in chunks": chunked(PNG[:-1]),
    "a longer file in chunks": chunked(PNG, b"!"),
    "a longer file until close": until_close(PNG + b"!"),
    "a body without end": endless(head(200), b"x"),
    "a web page": respond(b"<html>gone</html>", content_type="text/html; charset=utf-8"),
    "a web page of the right size": respond(b"h" * len(PNG), content_type="TEXT/HTML"),
    "gzip": gzipped(PNG, content_type="image/png"),
    "brotli": respond(PNG, content_encoding="br"),
}
UNAVAILABLE: dict[str, Script] = {
    "truncated": truncated(PNG[:-10]),
    "truncated chunks": chunked(PNG[:1000], is_complete=False),
    "a chunk that is none": raw(head(200, transfer_encoding="chunked"), b"zz\r\n", seconds_between=0.02),
    "a reset in the middle": raw(head(200, content_length=len(PNG)), PNG[:500], then=reset),
    "HTTP 403": respond(b"<html>expired", 403, content_type="text/html"),
    "HTTP 404": respond(b"", 404),
    "HTTP 410": respond(b"", 410),
    "HTTP 500": respond(b"", 500),
    "HTTP 206": respond(PNG, 206),
    "HTTP 204": raw(head(204), then_close=False),
    "HTTP 304": raw(head(304), then_close=False),
    "reset": reset,
    "closed": close_connection,
    "garbage": raw(b"\xff\xff\xff\r\n\r\n"),
    "headers without end": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_what_was_not_announced_is_refused_for_good(cdn: HostileServer, twin: Twin, fault: str) -> None:
    with pytest.raises(WiroOutputRefusedError):
        twin.fetch(at(cdn, REFUSED[fault]))


@pytest.mark.parametrize("fault", UNAVAILABLE)
def test_what_may_pass_may_be_tried_again(
    cdn: HostileServer, connect: Connect, twin: Twin, fault: str
) -> None:
    connect(read_timeout=0.5)
    with pytest.raises(WiroOutputUnavailableError):
        twin.fetch(at(cdn, UNAVAILABLE[fault]))


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n", head(200, content_length=len(PNG)) + PNG[:100]]
)
def test_a_cdn_that_goes_idle_is_left(cdn: HostileServer, connect: Connect, twin: Twin, start: bytes) -> None:
    connect(read_timeout=0.1)

    def start_and_stall(wire: Any) -> None:
        wire.send(start)
        never_respond(wire)

    with pytest.raises(WiroOutputUnavailableError):
        twin.fetch(at(cdn, start_and_stall))


IN_CHUNKS = head(200, transfer_encoding="chunked") + b"%x" % len(PNG)
#: Good answers in the end, for who waits for it: no timeout between two bytes ends them.
TRICKLES: dict[str, Script] = {
    "a header": trickling(b"HTTP/1.1 200 OK\r\nx: ", b"a", b"\r\n\r\n" + PNG),
    "interim answers": trickling(b"", head(100), head(200, content_length=len(PNG)) + PNG),
    "a flood of interim answers": trickling(b"", head(100) * 999, head(200, content_length=len(PNG)) + PNG),
    "the length of a chunk": trickling(IN_CHUNKS + b";", b"a", b"\r\n" + PNG + b"\r\n0\r\n\r\n"),
    "trailers": trickling(IN_CHUNKS + b"\r\n" + PNG + b"\r\n0\r\n", b"x: y\r\n", b"\r\n"),
    "the body": trickling(head(200, content_length=len(PNG)), PNG[:1], PNG[200:]),
}


@pytest.mark.parametrize("trickle", TRICKLES)
def test_no_part_of_a_response_trickles_for_ever(
    cdn: HostileServer, connect: Connect, twin: Twin, trickle: str
) -> None:
    connect(read_timeout=0.5, connect_timeout=0.5)
    with pytest.raises(WiroOutputUnavailableError):
        twin.fetch(at(cdn, TRICKLES[trickle]))


HEAD = head(200, content_type="image/png", content_length=len(PNG), etag='"v1"')


@pytest.mark.parametrize("cut", [len(HEAD) - 1, HEAD.index(b"4808") + 2, HEAD.index(b"t-length"), 12, 20])
def test_a_truncated_header_is_no_response(cdn: HostileServer, twin: Twin, cut: int) -> None:
    """However much of it came, it tells nothing: half of a number is another number."""
    with pytest.raises(WiroOutputUnavailableError):
        twin.fetch(at(cdn, raw(HEAD[:cut])))


SIGNED = f"{PATH}?X-Amz-Signature=s3cret"
NAMELESS = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nno header\r\n\r\n" % len(PNG)


@pytest.mark.parametrize(
    "fault",
    [
        close_connection,
        reset,
        raw(b"garbage\r\n\r\n"),
        raw(HEAD[:-9]),
        raw(NAMELESS[:-9], then=never_respond),
        never_respond,
        truncated(PNG[:99]),
        chunked(PNG[:99], is_complete=False),
        respond(b"", 403),
        redirect("ftp://user:s3cret@a.example/?s3cret"),
        redirect("http://user:s3cret@[/?s3cret"),
        redirect("http://user:s3cret@a.example:99999/"),
        redirect("http://user:s3cret@127.0.0.1:9/?s3cret"),
    ],
)
def test_no_error_shows_the_signature_of_a_url(
    cdn: HostileServer, connect: Connect, twin: Twin, caplog: pytest.LogCaptureFixture, fault: Script
) -> None:
    """Airflow logs an exception with all that it was raised from."""
    connect(read_timeout=0.3, connect_timeout=0.3)
    cdn.on(SIGNED, fault)
    with pytest.raises(WiroOutputError) as failure:
        twin.fetch(output(cdn.origin + SIGNED))
    assert_secret(failure.value, caplog)


def test_a_refused_connection_is_named_as_that(twin: Twin, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WiroOutputUnavailableError, match="Connection refused") as failure:
        twin.fetch(output("http://user:s3cret@127.0.0.1:9/0.png?X-Amz-Signature=s3cret"))
    assert_secret(failure.value, caplog)


def test_a_line_that_is_no_header_is_ignored(
    cdn: HostileServer, twin: Twin, caplog: pytest.LogCaptureFixture
) -> None:
    """urllib3 would warn of it, with the URL. aiohttp doesn't take such an answer."""
    cdn.on(SIGNED, raw(NAMELESS, PNG))
    with suppress(WiroOutputUnavailableError):
        twin.fetch(output(cdn.origin + SIGNED))
    assert_secret(None, caplog)


UNREADABLE = [
    b"no header",
    b"two words: x",
    b": no name",
    b"From here",
    "gr\u00f6\u00dfe: 1".encode(),
    b"x: y\rno header",
    b"no header\r\n 99",
    b"x: y\r\n\tfolded\rmore",
    b"\r\n".join([b"garbage"] * 50),
]


@pytest.mark.parametrize("line", UNREADABLE)
@pytest.mark.parametrize("length", [b"content-length: %d", b"content-length : %d", b"Content-Length\t:%d"])
def test_a_header_that_is_none_hides_no_length(
    cdn: HostileServer, connect: Connect, line: bytes, length: bytes
) -> None:
    """The mail parser of http.client ends there; a body that is cut would pass for a whole one."""
    hook = BlockingTwin()
    top = b"HTTP/1.1 200 OK\r\n" + line + b"\r\n" + length % len(PNG) + b'\r\netag: "v1"\r\n\r\n'
    assert hook.fetch(at(cdn, raw(top, PNG), size=None)) == PNG
    with pytest.raises(WiroOutputUnavailableError, match="truncated"):
        hook.fetch(at(cdn, raw(top, PNG[:-1]), size=None))
    hook.close()


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", b"HTTP/1.1 102 P\r\n\r\n"]
)
@pytest.mark.parametrize("count", [1, 3])
def test_what_precedes_the_final_response_is_ignored(
    cdn: HostileServer, connect: Connect, interim: bytes, count: int
) -> None:
    hook = BlockingTwin()
    assert hook.fetch(at(cdn, raw(interim * count + head(200, content_length=len(PNG)), PNG))) == PNG
    hook.close()


@pytest.mark.parametrize(
    ("top", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 150, "header section has more than 100 lines"),
        (
            b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000 + b"\r\n",
            "line of the response's header section is longer",
        ),
        (b"ICY 200 OK\r\n", "is not HTTP/1"),
    ],
)
def test_a_head_that_cannot_be_read_is_an_error_in_words_that_names_the_host(
    cdn: HostileServer, connect: Connect, top: bytes, words: str
) -> None:
    hook = BlockingTwin()
    with pytest.raises(WiroOutputUnavailableError, match=f"at 127.0.0.1: .*{words}"):
        hook.fetch(at(cdn, raw(top + b"\r\n", PNG)))
    hook.close()


def test_headers_that_are_none_have_an_end(cdn: HostileServer, connect: Connect) -> None:
    hook = BlockingTwin()
    with pytest.raises(WiroOutputUnavailableError, match="No response"):
        hook.fetch(at(cdn, endless(b"HTTP/1.1 200 OK\r\n", b"garbage\r\n"), size=None))
    hook.close()


@pytest.mark.parametrize("lengths", ["{0}, {0}", "{0},{0} ,{0}"])
def test_a_length_that_is_named_twice_is_one(cdn: HostileServer, twin: Twin, lengths: str) -> None:
    shown = head(200, content_length=lengths.format(len(PNG)))
    with suppress(WiroOutputUnavailableError):  # aiohttp doesn't take such an answer
        assert twin.fetch(at(cdn, raw(shown, PNG), size=None)) == PNG
    with pytest.raises(WiroOutputUnavailableError):
        twin.fetch(at(cdn, raw(shown, PNG[:-1]), size=None))


def test_two_lengths_are_none(cdn: HostileServer, twin: Twin) -> None:
    shown = head(200, content_length=f"{len(PNG)}, 7")
    with pytest.raises(WiroOutputUnavailableError):
        twin.fetch(at(cdn, raw(shown, PNG), size=None))


def test_a_body_of_unstated_length_is_reported_as_unverified(
    cdn: HostileServer, twin: Twin, caplog: pytest.LogCaptureFixture
) -> None:
    assert twin.fetch(at(cdn, until_close(PNG), size=None)) == PNG
    assert caplog.text.count("Unverified: output 0") == 1
    caplog.clear()
    assert twin.fetch(at(cdn, until_close(PNG))) == PNG
    assert twin.fetch(at(cdn, chunked(PNG), size=None)) == PNG
    assert "Unverified" not in caplog.text


@pytest.mark.parametrize("kind", ["blocking", "asynchronous"])
def test_an_input_that_may_be_truncated_has_no_digest(
    cdn: HostileServer, connect: Connect, kind: str
) -> None:
    """By it a lost Run's task would be taken for another's, and paid for again."""
    connection = BlockingTwin().hook.connection

    def digest() -> str | None:
        if kind == "blocking":
            return digests.fetched_digest(connection, cdn.origin + PATH)
        return asyncio.run(digests.fetched_digest_async(connection, cdn.origin + PATH))

    cdn.on(PATH, until_close(PNG))
    assert digest() is None
    cdn.on(PATH, chunked(PNG))
    assert digest() == hashlib.sha256(PNG).hexdigest()


def test_no_log_of_a_library_shows_where_a_signed_link_or_its_redirect_leads(
    cdn: HostileServer, twin: Twin, caplog: pytest.LogCaptureFixture
) -> None:
    cdn.on(SIGNED, redirect("/there?X-Amz-Signature=s3cret-too"))
    cdn.on("/there?X-Amz-Signature=s3cret-too", respond(PNG))
    with caplog.at_level(logging.DEBUG):
        assert twin.fetch(output(cdn.origin + SIGNED)) == PNG
    assert_secret(None, caplog)


def assert_secret(error: BaseException | None, caplog: pytest.LogCaptureFixture) -> None:
    """Assert that nothing of a signature or password is in an error, its causes, or the log."""
    shown = [record.getMessage() + str(record.exc_info) for record in caplog.records]
    while error is not None:
        shown.append(f"{error} {error!r} {vars(error)}")
        error = error.__cause__ or error.__context__
    assert "s3cret" not in "".join(shown)


@pytest.mark.parametrize("url", ["http://a..example/x", f"http://{'a' * 70}.example/x"])
def test_what_is_no_url_to_the_library_is_refused_for_good(twin: Twin, url: str) -> None:
    with pytest.raises(WiroOutputRefusedError, match="no usable URL"):
        twin.fetch(output(url))


def test_an_announced_web_page_may_be_one(cdn: HostileServer, twin: Twin) -> None:
    page = respond(PNG, content_type="text/html")
    assert twin.fetch(at(cdn, page, content_type="text/html")) == PNG
    assert twin.fetch(at(cdn, page, content_type="", name="page.html")) == PNG


def test_an_output_of_unknown_size_is_read_to_a_limit(
    cdn: HostileServer, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_checks, "MAX_UNANNOUNCED_BYTES", 1_000_000)
    with pytest.raises(WiroOutputRefusedError, match="larger than 1000000"):
        twin.fetch(at(cdn, endless(head(200), b"x"), size=None))


def test_an_output_without_a_url_says_so(cdn: HostileServer, twin: Twin) -> None:
    with pytest.raises(WiroUsageError, match="no file"):
        twin.fetch(replace(output(None), content={}))
    with pytest.raises(WiroOutputUnavailableError, match="shows no link"):
        twin.fetch(output(None))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(cdn: HostileServer, twin: Twin, status: int) -> None:
    cdn.on("/there", respond(PNG))
    assert twin.fetch(at(cdn, redirect("/there", status))) == PNG


def test_a_redirect_loop_ends(cdn: HostileServer, twin: Twin) -> None:
    with pytest.raises(WiroOutputRefusedError, match="5 redirects"):
        twin.fetch(at(cdn, redirect(PATH)))
    assert len(cdn.requests) == 6


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[::1", "http://", "javascript:1", "gopher://x", ""],
)
def test_a_redirect_to_anything_but_http_is_refused(cdn: HostileServer, twin: Twin, target: str) -> None:
    with pytest.raises(WiroOutputRefusedError):
        twin.fetch(at(cdn, redirect(target)))


def test_the_body_of_a_redirect_is_not_read(cdn: HostileServer, twin: Twin) -> None:
    cdn.on("/there", respond(PNG))
    sent = 0

    def redirect_for_ever(wire: Any) -> None:
        nonlocal sent
        wire.send(head(302, location="/there"))
        for _ in range(1000):
            wire.send(b"x" * 65536)
            sent += 65536

    assert twin.fetch(at(cdn, redirect_for_ever)) == PNG
    assert sent < 30_000_000


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "/etc/passwd", "ftp://x/y", "http://", "http://a b/", "data:,x"]
)
def test_a_url_that_is_not_http_is_refused(twin: Twin, url: str) -> None:
    with pytest.raises(WiroOutputRefusedError):
        twin.fetch(output(url))


# -- private addresses. The base URL is public here, the hostile server stands inside.


@pytest.fixture
def public() -> WiroConnection:
    return WiroConnection(
        "https://api.wiro.ai/v1", "wss://socket.wiro.ai/v1", Credentials("k"), None, 0.5, 0.5
    )


HOSTS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "0",
    "0.0.0.0",  # noqa: S104
    "localhost",
    "LOCALHOST",
    "localhost.",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::]",
    "user@127.0.0.1",
    "wiro.ai@127.0.0.1",
    "%31%32%37.0.0.1",
    "\uff11\uff12\uff17.\uff10.0.\uff11",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "ⓛocalhost",
    "[64:ff9b::7f00:1]",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_is_sent_to_a_private_address(
    cdn: HostileServer, twin: Twin, public: WiroConnection, host: str
) -> None:
    with pytest.raises(WiroOutputError):
        twin.fetch_over(public, output(f"http://{host}:{cdn.port}{PATH}"))
    assert cdn.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "user@127.0.0.1"])
def test_a_private_address_is_refused_for_good_and_named(
    cdn: HostileServer, twin: Twin, public: WiroConnection, host: str
) -> None:
    with HostileServerV6() as inside:
        port = inside.port if host == "[::1]" else cdn.port
        with pytest.raises(WiroOutputRefusedError, match="not a public address"):
            twin.fetch_over(public, output(f"http://{host}:{port}{PATH}"))
        assert inside.requests == []


class HostileServerV6:
    def __enter__(self) -> HostileServer:
        self._server = HostileServer("::1")
        return self._server

    def __exit__(self, *_: object) -> None:
        self._server.stop()


def resolve_to(monkeypatch: pytest.MonkeyPatch, name: str, *answers: list[str]) -> list[str]:
    """Have ``name`` resolve to each of the answers in turn, the last one for ever; returns who asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in {name, name.encode()}:
            return real(host, port, *args, **kwargs)
        asked.append(name)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, int(port or 0))) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_name_that_turns_private_after_a_check_is_still_refused(
    cdn: HostileServer, twin: Twin, public: WiroConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turns in ([["127.0.0.1"]], [["93.184.216.34"], ["127.0.0.1"]]):
        monkeypatch.undo()
        resolve_to(monkeypatch, "cdn1.evil.test", *turns)
        with pytest.raises(Exception) as caught:  # noqa: PT011 pytest-socket may be the one to refuse the public one
            twin.fetch_over(public, output(f"http://cdn1.evil.test:{cdn.port}{PATH}"))
        assert "SocketConnectBlocked" in type(caught.value).__name__ or isinstance(
            caught.value, WiroOutputError
        )
    assert cdn.requests == []


@pytest.mark.parametrize("to", ["http://[::1]:{port}/secret", "http://[0:0:0:0:0:0:0:1]:{port}/secret"])
def test_a_redirect_inside_is_refused(
    cdn: HostileServer, twin: Twin, public: WiroConnection, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    """127.0.0.1 plays the public CDN here, ::1 what stands inside."""
    monkeypatch.setattr(address_policy, "is_public_address", lambda address: address == "127.0.0.1")
    with HostileServerV6() as inside:
        cdn.on(PATH, redirect(to.format(port=inside.port)))
        with pytest.raises(WiroOutputRefusedError, match="not a public address"):
            twin.fetch_over(public, output(f"{cdn.origin}{PATH}"))
        assert len(cdn.requests) == 1
        assert inside.connections == 0


def test_through_a_proxy_names_are_judged(
    cdn: HostileServer, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied = WiroConnection(
        "https://api.wiro.ai/v1", "wss://x", Credentials("k"), proxy=f"http://127.0.0.1:{cdn.port}"
    )
    for url in ("http://127.0.0.1:1/x", "http://localhost/x", "http://2130706433/x", "http://[::1]/x"):
        with pytest.raises(WiroOutputRefusedError, match="not a public address"):
            twin.fetch_over(proxied, output(url))
    assert cdn.requests == []
    cdn.on("http://cdn1.wiro.test/0.png", respond(PNG))
    assert twin.fetch_over(proxied, output("http://cdn1.wiro.test/0.png")) == PNG


def test_a_private_base_url_may_have_private_outputs(cdn: HostileServer, twin: Twin) -> None:
    assert twin.fetch(at(cdn, delayed(0.01, respond(PNG)))) == PNG
    cdn.on("/local", respond(PNG))
    assert twin.fetch(output(f"http://localhost:{cdn.port}/local")) == PNG


def test_a_drip_is_no_end(cdn: HostileServer, connect: Connect, twin: Twin) -> None:
    with pytest.raises(WiroOutputRefusedError):
        twin.fetch(at(cdn, drip(head(200), b"12345", 0.005), size=20))
