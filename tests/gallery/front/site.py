"""
A small web site around the gallery's page: its files as the package has them, recorded results, media.

It answers like Airflow's API server with the plugin; and its `/airflow-ui` shows a page in an iframe as
Airflow's UI does. A second site stands for S3.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from airflow_provider_wiro.gallery.headers import page_policy
from airflow_provider_wiro.gallery.package_files import package_file, page_html

if TYPE_CHECKING:
    from collections.abc import Callable

#: What Airflow's UI gives its iframes: 3.1 and 3.2, and from 3.3 on.
SANDBOX = "allow-scripts allow-same-origin allow-forms"
SANDBOX_FROM_3_3 = SANDBOX + " allow-downloads"

_KINDS = {"runs": "run", "tasks": "task", "dags": "dag"}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")

#: Around the gallery, as Airflow's UI: its colours are a class and a style of the root element.
_AIRFLOW_UI = """<!doctype html><html class="{theme}" lang="en"><head><title>Airflow</title>
<link rel="stylesheet" href="/ui.css"></head>
<body><nav>Airflow</nav><iframe sandbox="{sandbox}" src="{src}" title="Wiro"></iframe></body></html>"""
_UI_CSS = """html,body{margin:0;height:100%}
body{display:flex;flex-direction:column;font:14px Inter,Arial,sans-serif}
html.dark{color-scheme:dark;background:oklch(0.23185 0.0323 266.44);color:#eee}
html.light{color-scheme:light;background:#fff}
nav{padding:10px 16px;border-bottom:1px solid #8884}iframe{flex:1;border:0;width:100%}"""


@dataclass(frozen=True)
class Answer:
    """A response."""

    body: bytes
    content_type: str = "application/octet-stream"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(value: Any, status: int = 200) -> Answer:
    """Answer as the routes of the data do."""
    return Answer(json.dumps(value).encode(), "application/json", status)


def refusal(status: int, sentence: str) -> Answer:
    """Answer as the routes of the data do to whom they refuse."""
    return json_answer({"detail": sentence}, status)


class Site:
    """
    :ivar data: path below `/wiro/data/` → what answers it, given its `at`.
    :ivar media: path → what answers it.
    :ivar origins: those that the page's Content-Security-Policy names, when a page is asked for.
    :ivar refuses: whether a path, with its query, is answered with 403.
    :ivar largest_range: how many bytes a range has at most, whatever was asked for. None: as many.
    :ivar requests: the paths, with queries, that were asked for, and their Range.
    """

    def __init__(self, root: str = "") -> None:
        """:param root: the base path of Airflow, such as `/airflow`."""
        self.root = root
        self.data: dict[str, Callable[[str], Answer]] = {}
        self.media: dict[str, Callable[[], Answer]] = {}
        self.origins: list[str] = []
        self.requests: list[tuple[str, str | None]] = []
        self.refuses: Callable[[str], bool] = lambda _: False
        self.largest_range: int | None = None
        site = self

        class Handler(_Handler):
            pass

        Handler.site = site
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()

    def page(self, tail: str) -> str:
        """Return the URL of a page of the gallery, such as `runs/D/R`."""
        return f"{self.url}{self.root}/wiro/{tail}"

    def in_airflow(self, tail: str, *, theme: str = "light", sandbox: str = SANDBOX) -> str:
        """Return the URL of a page that shows this page of the gallery in an iframe."""
        src = quote(f"{self.root}/wiro/{tail}", safe="")
        return f"{self.url}/airflow-ui?src={src}&theme={theme}&sandbox={quote(sandbox)}"

    def asked(self, beginning: str) -> list[str]:
        """Return the paths that begin so and were asked for."""
        return [path for path, _ in self.requests if path.startswith(self.root + beginning)]

    def answer(self, target: str, ranges: str | None) -> Answer:
        """Find the answer to a GET."""
        self.requests.append((target, ranges))
        if self.refuses(target):
            return Answer(b"<Error>Request has expired</Error>", "application/xml", 403)
        split = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        if split.path == "/airflow-ui":
            return Answer(_AIRFLOW_UI.format(**query).encode(), "text/html; charset=utf-8")
        if split.path == "/ui.css":
            return Answer(_UI_CSS.encode(), "text/css")
        if split.path == "/favicon.ico":
            return Answer(b"", "image/png", 204)
        if split.path in self.media:
            return self.media[split.path]()
        path = split.path.removeprefix(self.root)
        if path.startswith("/dags/"):
            return Answer(f"A page of Airflow: {unquote(path)}".encode(), "text/plain; charset=utf-8")
        if path.startswith("/wiro/"):
            return self._of_the_gallery(path.removeprefix("/wiro/"), query)
        return Answer(b"No such page.", "text/plain", 404)

    def _of_the_gallery(self, tail: str, query: dict[str, str]) -> Answer:
        folder, _, rest = tail.partition("/")
        if folder == "static":
            file = package_file(rest)
            return Answer(
                file.content, file.content_type, headers={"ETag": file.etag, "Cache-Control": "no-cache"}
            )
        if folder == "data":
            found = self.data.get(unquote(rest))
            return found(query.get("at", "")) if found else refusal(404, "There is no such run.")
        if folder in _KINDS:
            data_url = f"{self.root}/wiro/data/{tail}"
            html = page_html({"root": self.root, "kind": _KINDS[folder], "data_url": data_url})
            policy = {"Content-Security-Policy": page_policy(self.origins)}
            return Answer(html.encode(), "text/html; charset=utf-8", headers=policy)
        return Answer(b"There is no such output.", "text/plain; charset=utf-8", 404)


class _Handler(BaseHTTPRequestHandler):
    """One connection of a browser, with keep-alive and ranges."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        ranges = self.headers.get("Range")
        answer = self.site.answer(self.path, ranges)
        body, status, extra = answer.body, answer.status, dict(answer.headers)
        found = _RANGE.fullmatch(ranges or "")
        if found and status == 200:
            first = int(found[1])
            last = min(
                int(found[2] or len(body)), first + (self.site.largest_range or len(body)) - 1, len(body) - 1
            )
            if first >= len(body):
                status, body = 416, b""
            else:
                extra["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
                status, body = 206, body[first : last + 1]
        self.send_response(status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in ({"Cache-Control": "private, no-store"} | extra).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # the browser has seen enough of a film

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the browser may go away
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Say nothing: the tests read `requests`."""
