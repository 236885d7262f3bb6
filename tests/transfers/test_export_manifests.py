"""Whenever a run of an export dies while it ends: each task is listed once, in one run's manifest."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.export.export_run import ExportRun
from airflow_provider_wiro.export.manifest import ExportManifest
from tests.transfers.test_export_crashes import Died, dies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.operators.fakes import FakeTi
    from tests.transfers.fake_project import Exports, Project

pytestmark = pytest.mark.usefixtures("connect")

LEASE_OVER = 16 * 60


def manifests(exports: Exports) -> dict[str, list[int]]:
    """Return the tasks that each manifest in the bucket lists."""
    return {
        key: [int(json.loads(line)["wiro_task_id"]) for line in exports.s3.get(key).splitlines()]
        for key in exports.s3.keys
        if "/manifests/" in key
    }


def listed(exports: Exports) -> Counter[int]:
    return Counter(number for numbers in manifests(exports).values() for number in numbers)


def run_that_dies(exports: Exports, ti: FakeTi, where: Any, method: str, *, after: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        dies(patch, where, method, at=1, after=after)
        with pytest.raises(Died):
            exports.run(ti)


def try_that_continues_a_manifest_and_dies_there(project: Project, exports: Exports) -> FakeTi:
    """The task failed after its export's end, so the next try adds to the manifest that is there."""
    ti = exports.next_ti()
    add(project, [1, 2])
    exports.run(ti)
    add(project, [3])
    ti.try_number = 2
    run_that_dies(exports, ti, ExportManifest, "write", after=True)
    return ti


def add(project: Project, numbers: Iterable[int]) -> None:
    for number in numbers:
        project.add(number)


@pytest.mark.parametrize("after", [False, True], ids=["before its manifest", "before its end is recorded"])
def test_a_run_that_takes_over_lists_what_the_dead_one_has_listed_and_nobody_else_does(
    project: Project, exports: Exports, pass_time: Callable[[float], None], after: bool
) -> None:
    add(project, [1, 2, 3])
    run_that_dies(exports, exports.next_ti(), ExportManifest, "write", after=after)
    pass_time(LEASE_OVER)
    add(project, [4])
    result = exports.run()
    assert (result["tasks"], listed(exports)) == (4, Counter([1, 2, 3, 4]))
    assert len(manifests(exports)) == 1


def test_nor_is_it_listed_twice_if_the_one_that_takes_over_dies_there_as_well(
    project: Project, exports: Exports, pass_time: Callable[[float], None]
) -> None:
    add(project, [1, 2])
    for _ in range(2):
        run_that_dies(exports, exports.next_ti(), ExportManifest, "write", after=True)
        pass_time(LEASE_OVER)
    run_that_dies(exports, exports.next_ti(), ExportRun, "end", after=True)
    assert listed(exports) == Counter([1, 2])
    assert exports.run()["tasks"] == 0


def test_a_try_that_continues_a_manifest_and_dies_there_lists_nothing_twice(
    project: Project, exports: Exports
) -> None:
    ti = try_that_continues_a_manifest_and_dies_there(project, exports)
    ti.try_number = 3
    result = exports.run(ti)
    assert (result["tasks"], listed(exports)) == (3, Counter([1, 2, 3]))


def test_a_try_that_continued_a_manifest_and_died_there_can_be_taken_over(
    project: Project, exports: Exports, pass_time: Callable[[float], None]
) -> None:
    try_that_continues_a_manifest_and_dies_there(project, exports)
    pass_time(LEASE_OVER)
    result = exports.run()
    assert (result["tasks"], listed(exports)) == (3, Counter([1, 2, 3]))


def test_a_run_that_is_taken_over_while_it_writes_its_manifest_leaves_none(
    project: Project, exports: Exports, pass_time: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was frozen just then."""
    add(project, [1, 2])
    write, results = ExportManifest.write, []

    def write_slowly(manifest: ExportManifest, *args: Any) -> str | None:
        monkeypatch.setattr(ExportManifest, "write", write)
        pass_time(LEASE_OVER)
        results.append(exports.run())
        return write(manifest, *args)

    monkeypatch.setattr(ExportManifest, "write", write_slowly)
    late = exports.run()
    assert (results[0]["tasks"], late["tasks"], late["manifest_uri"]) == (2, 0, None)
    assert listed(exports) == Counter([1, 2])


def test_the_manifest_of_a_later_try_stays_if_its_first_try_was_taken_over(
    project: Project, exports: Exports, pass_time: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(project, [1, 2])
    ti = exports.next_ti()
    run_that_dies(exports, ti, ExportManifest, "write", after=True)
    pass_time(LEASE_OVER)
    write = ExportManifest.write

    def write_slowly(manifest: ExportManifest, *args: Any) -> str | None:
        monkeypatch.setattr(ExportManifest, "write", write)
        add(project, [3])
        ti.try_number = 2
        assert exports.run(ti)["tasks"] == 1
        return write(manifest, *args)

    monkeypatch.setattr(ExportManifest, "write", write_slowly)
    assert exports.run()["tasks"] == 2
    assert sorted(manifests(exports).values()) == [[1, 2], [3]]
