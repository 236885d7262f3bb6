"""Many links that look dead, and none that works, are an outage first: no task is given up for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError
from airflow_provider_wiro.export.landing.doubts import MOST_LOST, MOST_RUNS
from tests.contract.scripts import respond
from tests.transfers.fake_project import body_of

if TYPE_CHECKING:
    from tests.transfers.fake_project import Exports, Project

pytestmark = pytest.mark.usefixtures("connect")

#: As a CDN responds that is out, or a proxy that blocks it.
FORBIDDEN = respond(b"access denied", 403)


def block(project: Project, numbers: range) -> None:
    for number in numbers:
        project.add(number, project.file(number, 0, FORBIDDEN))


def recover(project: Project, numbers: range) -> None:
    for number in numbers:
        project.cdn.on(f"/{number}/0.png", respond(body_of(number), content_type="image/png"))


def fail(exports: Exports) -> str:
    with pytest.raises(WiroOutputUnavailableError) as found:  # which a retry can help
        exports.run()
    return str(found.value)


def test_a_cdn_that_forbids_everything_gives_up_no_task(project: Project, exports: Exports) -> None:
    numbers = range(1, MOST_LOST + 3)
    block(project, numbers)
    error = fail(exports)
    assert f"{len(numbers)} Wiro tasks could not be landed and are left for the next run" in error
    assert "HTTP 403" in error
    recover(project, numbers)
    result = exports.run()
    assert (result["tasks"], result["dead_links"], result["pending"]) == (len(numbers), 0, 0)


def test_links_that_stay_dead_are_reported_after_some_runs(project: Project, exports: Exports) -> None:
    block(project, range(1, MOST_LOST + 1))
    for _ in range(MOST_RUNS - 1):
        fail(exports)
    result = exports.run()
    assert (result["dead_links"], result["pending"]) == (MOST_LOST, 0)
    assert exports.run()["dead_links"] == 0


def test_one_link_that_works_is_enough_to_judge_all_in_the_same_run(
    project: Project, exports: Exports
) -> None:
    old = range(1, 61)  # more than a chunk
    block(project, old)
    project.add(100)
    result = exports.run()
    assert (result["tasks"], result["dead_links"], result["pending"]) == (1, len(old), 0)


def test_a_few_dead_links_are_reported_at_once(project: Project, exports: Exports) -> None:
    block(project, range(1, MOST_LOST))
    assert exports.run()["dead_links"] == MOST_LOST - 1


def test_an_answer_without_files_does_not_show_that_the_cdn_works(project: Project, exports: Exports) -> None:
    block(project, range(1, MOST_LOST + 1))
    project.add(100, {"contenttype": "raw", "content": {"answer": ["Hello."]}})
    fail(exports)
