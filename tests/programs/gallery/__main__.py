"""
`make test-gallery`: the gallery in a browser, in the pages of real Airflows, with media in a real S3.

Debian's Chromium signs in to Airflow 3.1.8 and 3.3.2 and looks at what DAG runs have left: pictures are
drawn, films seek, hostile texts stay texts, who may not see a DAG gets 403, ten thousand items are there
within a second. Each promise is a line of the output. The screenshots are for people:

    make test-gallery VERSIONS=3.3.2 SCREENSHOTS=docs/images
"""

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from tests.programs.gallery import chromium
from tests.programs.gallery.access import GUEST
from tests.programs.gallery.attacks import expect_no_overflow, forge_results, look_at_attacks
from tests.programs.gallery.installation import ROOT, Installation, installed
from tests.programs.gallery.large import look_at_many
from tests.programs.gallery.looking import (
    card,
    follow_links,
    look_at_the_run,
    look_at_the_tabs,
    look_by_keyboard,
    look_in_the_dark,
    seek,
    wait_until_drawn,
)
from tests.programs.gallery.progress import watch_the_batch
from tests.programs.gallery.promises import Promises, expect
from tests.programs.gallery.rights import (
    look_at_headers,
    look_at_presigned_media,
    look_at_rights,
    routes_of,
)
from tests.programs.gallery.runs import CLOSED, EXPORT, HOSTILE, MANY, SHOW, Runs
from tests.programs.gallery.screenshots import NARROW, copy_for_the_pages, take_screenshots
from tests.programs.gallery.visitor import Visitor
from tests.programs.matrix.__main__ import RELEASES, install
from tests.programs.system.airflow_api import AirflowAPIError
from tests.programs.system.airflow_stack import USERNAME
from tests.programs.system.servers import ServerError, stopping_on_signals

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SCRATCH = ROOT / ".cache" / "gallery"
VERSIONS = ("3.1.8", "3.3.2")


def look(browser: Browser, promises: Promises, installation: Installation, screenshots: Path) -> None:
    """Look at everything in one running Airflow."""
    runs = Runs(installation, promises.say)
    runs.start_all()
    root, passwords = installation.url, installation.passwords
    admin, guest = Visitor(browser, root), Visitor(browser, root)
    admin.sign_in(USERNAME, passwords[USERNAME])
    guest.sign_in(GUEST, passwords[GUEST])
    runs.wait(SHOW, CLOSED, HOSTILE, MANY)
    runs.start(EXPORT)
    watch_the_batch(promises, admin, runs)
    runs.wait(EXPORT)
    installation.other.launch()
    forge_results(installation, runs)

    frame = look_at_the_run(promises, admin, runs.of[SHOW])
    look_by_keyboard(promises, admin, frame)
    look_in_the_dark(promises, admin, frame)
    follow_links(promises, admin, frame)
    look_at_the_tabs(promises, admin, runs.of[SHOW])
    with promises.promise("the export's tasks are there, with what they made"):
        exported = admin.open_tab(runs.of[EXPORT].page)
        seek(exported, exported.locator("li.card audio").first, 1.0)
    look_at_narrow(promises, browser, admin, runs)
    installation.other.wait_until_ready()
    look_at_many(promises, admin, installation, runs)
    look_at_presigned_media(promises, admin, runs, installation.s3.endpoint)
    look_at_rights(promises, admin, guest, browser, runs)
    look_at_headers(promises, admin, runs)
    take_screenshots(admin, runs, screenshots)
    with promises.promise("no error and no refused source in the console, no request to another host"):
        expect(not admin.seen.errors, "; ".join(admin.seen.errors[:5]))
        expect_only_own_hosts(admin, installation)

    attacked = Visitor(browser, root, storage_state=admin.context.storage_state())
    look_at_attacks(promises, attacked, runs)
    attacked.picture(screenshots, "hostile")
    with promises.promise("no hostile text has opened a dialog, broken the policy, or called another host"):
        expect(not attacked.seen.dialogs, "; ".join(attacked.seen.dialogs))
        violations = [error for error in attacked.seen.errors if "status of 404" not in error]
        expect(not violations, "; ".join(violations[:5]))
        expect_only_own_hosts(attacked, installation)
    look_at_streamed_media(promises, browser, installation, runs)


def look_at_narrow(promises: Promises, browser: Browser, admin: Visitor, runs: Runs) -> None:
    """Look at the page alone, in a window of 400 pixels."""
    visitor = Visitor(browser, admin.root, size=NARROW, storage_state=admin.context.storage_state())
    with promises.promise("a window of 400 pixels needs no horizontal scrolling"):
        for dag_id in (SHOW, HOSTILE, MANY):
            page = visitor.open_alone(runs.of[dag_id].gallery("runs"))
            page.wait_for_selector("li.card")
            expect_no_overflow(page)
    visitor.close()


def look_at_streamed_media(
    promises: Promises, browser: Browser, installation: Installation, runs: Runs
) -> None:
    """Look at the other API server: below a base path, and with media that it streams itself."""
    visitor = Visitor(browser, installation.other_url)
    with promises.promise(
        "below a base path, streamed media are drawn and sought, without S3 in the browser"
    ):
        visitor.sign_in(USERNAME, installation.passwords[USERNAME])
        frame = visitor.open_tab(runs.of[SHOW].page)
        wait_until_drawn(frame, 5)
        seek(frame, card(frame, "trailer").locator("video"), 7.5)
        seek(frame, card(frame, "jingle").locator("audio"), 2.0)
        expect(urlsplit(installation.s3.endpoint).netloc not in visitor.seen.hosts, "S3 was asked")
        expect(any(status == 206 for _, _, status in visitor.seen.ranges), f"{visitor.seen.ranges}")
        expect(not visitor.seen.errors, "; ".join(visitor.seen.errors[:5]))
        expect_only_own_hosts(visitor, installation)
    with promises.promise("there, too, a user without rights on a DAG gets 403"):
        guest = Visitor(browser, installation.other_url)
        guest.sign_in(GUEST, installation.passwords[GUEST])
        statuses = {route: guest.get(route).status for route in routes_of(runs.of[CLOSED], "secret_to_s3")}
        expect(set(statuses.values()) == {403}, str(statuses))


def expect_only_own_hosts(visitor: Visitor, installation: Installation) -> None:
    own = {urlsplit(url).netloc for url in (visitor.root, installation.s3.endpoint)}
    expect(visitor.seen.hosts <= own, f"asked {visitor.seen.hosts - own}")


def python_of(version: str) -> Path:
    """Return the Python of an environment with that Airflow; install it as `make test-matrix` does."""
    if version == importlib.metadata.version("apache-airflow"):
        return Path(sys.executable)
    (release,) = (one for one in RELEASES if one.airflow == version)
    print(f"Airflow {version}: its environment, which takes minutes if it is new", flush=True)
    install(release)
    return release.environment / "bin" / "python"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.programs.gallery", description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS, help="versions of Airflow")
    parser.add_argument("--screenshots", type=Path, help="where to put some of the last version's")
    options = parser.parse_args()
    began = time.monotonic()
    broken: list[str] = []
    try:
        with stopping_on_signals(), sync_playwright() as playwright:
            program = chromium.install_if_missing(lambda line: print(line, flush=True))
            for version in options.versions:
                promises = Promises(version)
                home = SCRATCH / version
                screenshots = SCRATCH / "screenshots" / version
                with (
                    chromium.start(playwright, program) as browser,
                    installed(home, python_of(version), promises.say) as installation,
                ):
                    look(browser, promises, installation, screenshots)
                promises.say(f"all stopped; {promises.kept} promises kept, {len(promises.broken)} broken")
                broken += promises.broken
                if not promises.broken:
                    shutil.rmtree(home, ignore_errors=True)
            if options.screenshots:
                copy_for_the_pages(screenshots, options.screenshots)
    except KeyboardInterrupt:
        print("\nStopped; every server is down.", flush=True)
        return 130
    except (ServerError, AirflowAPIError) as error:
        print(f"\nBROKEN: {error}\nLogs: {SCRATCH}", flush=True)
        return 1
    print(
        f"\n{time.monotonic() - began:.0f} s; screenshots are below {SCRATCH.relative_to(ROOT)}/screenshots"
    )
    if broken:
        print("\n".join(["BROKEN:", *broken, f"Logs: {SCRATCH}"]), flush=True)
        return 1
    print("every promise held", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
