"""Who may see what: a user without a DAG gets 403 from each route about it, and an anonymous one 401."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.programs.gallery.attacks import media_of
from tests.programs.gallery.promises import expect
from tests.programs.gallery.runs import CLOSED, SHOW, Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.programs.gallery.promises import Promises
    from tests.programs.gallery.runs import Runs
    from tests.programs.gallery.visitor import Visitor


def routes_of(run: Run, task_id: str) -> list[str]:
    """Return one URL of each route about a DAG run, and about its DAG."""
    tail = f"/{task_id}/-1"
    return [
        *(run.gallery(f"{data}runs") for data in ("", "data/")),
        *(run.gallery(f"{data}tasks", tail) for data in ("", "data/")),
        run.gallery("media", f"{tail}/-/0"),
        *(f"/wiro/{data}dags/{run.dag_id}" for data in ("", "data/")),
    ]


def look_at_rights(promises: Promises, admin: Visitor, guest: Visitor, browser: Browser, runs: Runs) -> None:
    closed = routes_of(runs.of[CLOSED], "secret_to_s3")
    open_ones = routes_of(runs.of[SHOW], "posters_to_s3")
    with promises.promise("a user without rights on a DAG gets 403 from each route about it"):
        statuses = {route: guest.get(route).status for route in closed}
        expect(set(statuses.values()) == {403}, json.dumps(statuses))
    with promises.promise("the same user sees the other DAGs, and an admin sees that one"):
        for visitor, routes in ((guest, open_ones), (admin, closed), (admin, open_ones)):
            statuses = {route: visitor.get(route).status for route in routes}
            expect(set(statuses.values()) <= {200, 302, 307}, json.dumps(statuses))
    with promises.promise("the closed DAG's objects are not reached through another DAG's routes"):
        run_id = runs.of[CLOSED].run_id
        crossed = routes_of(Run(SHOW, run_id), "secret_to_s3")[:5]
        traversing = [
            f"/wiro/runs/{SHOW}/..%2F{CLOSED}%2F{run_id}",
            f"/wiro/data/runs/~/{run_id}",
            "/wiro/data/dags/~",
            "/wiro/static/..%2F..%2Fapp.py",
        ]
        statuses = {route: guest.get(route).status for route in (*crossed, *traversing)}
        expect(all(400 <= status < 500 for status in statuses.values()), json.dumps(statuses))
    with promises.promise("an anonymous user gets 401 from each route"):
        stranger = browser.new_context()
        for route in (*closed, *open_ones, "/wiro/static/gallery.css"):
            status = stranger.request.fetch(admin.root + route, max_redirects=0).status
            expect(status == 401, f"{route}: {status}")
        stranger.close()
    with promises.promise("there is no route that writes"):
        for route in open_ones:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                status = admin.get(route, method=method).status
                expect(status == 405, f"{method} {route}: {status}")


def look_at_headers(promises: Promises, visitor: Visitor, runs: Runs) -> None:
    with promises.promise("each answer has a strict policy, nosniff, and is kept by no cache"):
        for route in (*routes_of(runs.of[SHOW], "posters_to_s3"), "/wiro/static/gallery.js"):
            headers = visitor.get(route).headers
            policy = headers.get("content-security-policy", "")
            expect("default-src 'none'" in policy and "unsafe" not in policy, f"{route}: {policy!r}")
            expect(headers.get("x-content-type-options") == "nosniff", f"{route}: {headers}")
            expect(headers.get("referrer-policy") == "no-referrer", f"{route}: {headers}")
            if "/static/" not in route:
                expect("no-store" in headers.get("cache-control", ""), f"{route}: {headers}")


def look_at_presigned_media(promises: Promises, visitor: Visitor, runs: Runs, store: str) -> None:
    with promises.promise("media come from S3 by presigned URLs of minutes, each with a type of the table"):
        for url, _ in media_of(visitor.json(runs.of[SHOW].gallery("data/runs"))):
            response = visitor.get(url)
            target = response.headers.get("location", "")
            expect(response.status in {302, 307} and target.startswith(store), f"{url}: {response.status}")
            expect("X-Amz-Expires=" in target and "X-Amz-Signature=" in target, target.partition("?")[2])
            seconds = int(target.partition("X-Amz-Expires=")[2].partition("&")[0])
            expect(seconds <= 900, f"{seconds} s")
            expect("response-content-type=" in target.lower(), "the type is the object's own")
