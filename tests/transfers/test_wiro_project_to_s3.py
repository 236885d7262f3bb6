"""Everything that a project has made since the last time lands once, whatever else there is."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroError, WiroOutputUnavailableError
from tests.contract.scripts import refuse, respond, success
from tests.operators.fakes import FakeTi
from tests.transfers.fake_project import LONG_AGO, body_of
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transfers.fake_project import Exports, Project
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")


# -- what lands


def test_all_tasks_land_by_the_day_of_their_creation_and_are_listed(
    project: Project, exports: Exports
) -> None:
    project.add(7, project.file(7, 0), project.file(7, 1))
    project.add(12, totalcost="0.0251")
    result = exports.run()
    assert exports.outputs == {
        "wiro/2026/03/01/7/0-0.png": body_of(7, 0),
        "wiro/2026/03/01/7/1-1.png": body_of(7, 1),
        "wiro/2026/03/01/12/0-0.png": body_of(12),
    }
    size = len(body_of(7)) * 2 + len(body_of(12))
    assert result == {
        "tasks": 2,
        "files": 3,
        "total_bytes": size,
        "cost_usd": "0.0351",
        "known_cost_usd": "0.0351",
        "unknown_costs": 0,
        "dead_links": 0,
        "refused": 0,
        "failed": 0,
        "unattributed": 0,
        "vanished": 0,
        "open": 0,
        "pending": 0,
        "not_deleted": 0,
        "manifest_uri": f"s3://aws_default@{BUCKET}/wiro/_wiro_export/manifests/dag/run-1/export.jsonl",
    }
    first, second = exports.lines(result)
    assert first["wiro_task_id"] == "7"
    assert len(first["files"]) == 2
    assert second == {
        "wiro_task_id": "12",
        "model": "wiro/painter",
        "status": "task_postprocess_end",
        "state": "succeeded",
        "created": "2026-03-01T12:00:12+00:00",
        "ended": "2026-03-01T12:00:17+00:00",
        "elapsed_seconds": 5.0,
        "cost_usd": "0.0251",
        "files": [
            {
                "uri": f"s3://{BUCKET}/wiro/2026/03/01/12/0-0.png",
                "name": "0.png",
                "size": len(body_of(12)),
                "sha256": hashlib.sha256(body_of(12)).hexdigest(),
                "content_type": "image/png",
                "etag": hashlib.md5(body_of(12), usedforsecurity=False).hexdigest(),
                "skipped": False,
            }
        ],
    }


def test_the_next_run_lands_only_what_has_ended_since(project: Project, exports: Exports) -> None:
    project.add(1)
    project.start(2)
    first = exports.run()
    assert (first["tasks"], first["open"]) == (1, 1)
    project.end(2)
    project.add(3)
    second = exports.run()
    assert (second["tasks"], second["open"]) == (2, 0)
    assert [line["wiro_task_id"] for line in exports.lines(second)] == ["2", "3"]
    third = exports.run()
    assert (third["tasks"], third["manifest_uri"], third["cost_usd"]) == (0, None, "0")
    assert [project.requests_for(number) for number in (1, 2, 3)] == [1, 1, 1]


def test_without_a_beginning_only_what_ends_from_now_on_is_exported(
    project: Project, exports: Exports
) -> None:
    project.add(1)
    project.start(2)
    assert exports.run(since=None)["tasks"] == 0
    project.end(2)
    project.add(3)
    assert exports.run(since=None)["tasks"] == 2
    assert list(exports.outputs) == ["wiro/2026/03/01/2/0-0.png", "wiro/2026/03/01/3/0-0.png"]


def test_only_the_wanted_model_and_project_are_exported(project: Project, exports: Exports) -> None:
    project.add(1)
    project.add(2, modelslugproject="singer")
    project.add(3, projectid="p2")
    result = exports.run(model="wiro/Painter", project_id="p1")
    assert result["tasks"] == 1
    assert list(exports.outputs) == ["wiro/2026/03/01/1/0-0.png"]


def test_the_log_says_how_many_tasks_a_mistyped_filter_leaves_out(
    project: Project, exports: Exports, caplog: pytest.LogCaptureFixture
) -> None:
    project.add(1)
    project.add(2)
    caplog.set_level("INFO")
    assert exports.run(model="wiro/paniter")["tasks"] == 0
    assert "2 new tasks of other projects or models are left out." in caplog.text


def test_what_may_be_other_peoples_is_not_exported_and_counted(project: Project, exports: Exports) -> None:
    project.add(1, projectid=None)
    project.add(2)
    result = exports.run(project_id="p1")
    assert (result["tasks"], result["unattributed"]) == (1, 1)
    assert list(exports.outputs) == ["wiro/2026/03/01/2/0-0.png"]


@pytest.mark.parametrize("fields", [{"pexit": "1"}, {"status": "task_cancel"}])
def test_what_failed_is_counted_and_exported_only_if_asked(
    project: Project, exports: Exports, fields: dict[str, str]
) -> None:
    project.add(1, **fields)
    project.add(2)
    only = exports.run()
    assert (only["tasks"], only["failed"]) == (1, 1)
    everything = exports.run(succeeded_only=False)
    assert (everything["tasks"], everything["failed"]) == (2, 0)
    assert [line["state"] for line in exports.lines(everything)][1:] == ["succeeded"]


@pytest.mark.parametrize(
    ("fields", "cost"),
    [
        ({"pexit": "1"}, "0"),
        ({"status": "task_cancel", "starttime": "0"}, "0"),
        ({"status": "task_cancel", "starttime": "1772366402"}, None),  # killed: it can still be charged
    ],
)
def test_what_wiro_does_not_bill_is_no_unknown_cost(
    project: Project, exports: Exports, fields: dict[str, str], cost: str | None
) -> None:
    project.add(1, totalcost=None, **fields)  # type: ignore[arg-type]
    project.tasks[1]["outputs"] = []
    result = exports.run(succeeded_only=False)
    assert [line["cost_usd"] for line in exports.lines(result)] == [cost]
    assert (result["cost_usd"], result["unknown_costs"]) == (cost, int(cost is None))


def test_an_answer_is_in_the_manifest_and_nobodys_prompt_or_link_is(
    project: Project, exports: Exports
) -> None:
    content = {"prompt": "my plan", "answer": ["Merhaba"], "finishreason": "stop"}
    project.add(1, {"name": "", "contenttype": "raw", "content": content})
    project.add(2)
    result = exports.run()
    answer = exports.lines(result)[0]
    assert (answer["text"], answer["finish_reason"], len(answer["files"])) == ("Merhaba", "stop", 2)
    manifest = json.dumps(exports.lines(result))
    for secret in ("my plan", "somebody's secret plan", project.cdn.origin, "token-of"):
        assert secret not in manifest


def test_a_task_without_outputs_is_listed_without_files(project: Project, exports: Exports) -> None:
    project.add(1)
    project.tasks[1]["outputs"] = []
    result = exports.run()
    assert (result["tasks"], result["files"]) == (1, 0)
    assert exports.lines(result)[0]["files"] == []


def test_a_cost_that_is_not_known_makes_the_sum_unknown(project: Project, exports: Exports) -> None:
    project.add(1)
    project.add(2, totalcost=None)
    result = exports.run()
    assert (result["cost_usd"], result["known_cost_usd"], result["unknown_costs"]) == (None, "0.01", 1)


def test_a_task_without_a_time_has_a_folder_of_its_own(project: Project, exports: Exports) -> None:
    project.add(1)
    project.listed = lambda task: {**task, "createtime": "1772366401"}
    project.tasks[1]["createtime"] = None
    exports.run()
    assert list(exports.outputs) == ["wiro/undated/1/0-0.png"]


def test_arguments_of_the_upload_apply_to_each_object(project: Project, exports: Exports, s3: S3) -> None:
    project.add(1)
    exports.run(
        s3_key=f"s3://{BUCKET}/{{created:%Y}}/{{wiro_task_id}}/{{name}}",
        s3_bucket=None,
        encrypt=True,
        tags={"team": "art"},
        manifest="{created:%Y}/{wiro_task_id}.json",
    )
    assert s3.head("2026/1/0.png")["ServerSideEncryption"] == "AES256"
    tags = s3.client.get_object_tagging(Bucket=BUCKET, Key="2026/1/0.png")["TagSet"]
    assert {"Key": "team", "Value": "art"} in tags
    assert json.loads(s3.get("2026/1.json"))["wiro_task_id"] == "1"


def test_max_tasks_leaves_the_rest_to_the_next_run(project: Project, exports: Exports) -> None:
    for number in range(1, 6):
        project.add(number)
    counts = [(found["tasks"], found["pending"]) for found in (exports.run(max_tasks=2) for _ in range(3))]
    assert counts == [(2, 3), (2, 1), (1, 0)]
    assert len(exports.outputs) == 5


def test_the_state_and_the_manifest_can_be_elsewhere(
    project: Project, exports: Exports, s3: S3, tmp_path: Path
) -> None:
    project.add(1)
    places: dict[str, Any] = {
        "state_path": str(tmp_path / "state"),
        "manifest_uri": str(tmp_path / "out.jsonl"),
    }
    result = exports.run(**places)
    assert result["manifest_uri"] == str(tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text())["wiro_task_id"] == "1"
    assert s3.keys == ["wiro/2026/03/01/1/0-0.png"]
    assert exports.run(**places)["tasks"] == 0


def test_a_run_whose_manifest_would_replace_that_of_another_ends_before_it_exports(
    project: Project, exports: Exports, s3: S3
) -> None:
    place = f"s3://aws_default@{BUCKET}/exports/2026-11-27.jsonl"
    project.add(1)
    first = exports.run(manifest_uri=place)
    project.add(2)
    with pytest.raises(AirflowFailException, match=r"manifest_uri of its own .* \{\{ run_id \}\}"):
        exports.run(manifest_uri=place)
    assert [line["wiro_task_id"] for line in exports.lines(first)] == ["1"]
    assert len(exports.outputs) == 1 + 1  # and the manifest
    assert exports.run()["tasks"] == 1


# -- what can't land


def test_a_dead_link_is_reported_once_and_does_not_stop_the_rest(
    project: Project, exports: Exports, caplog: pytest.LogCaptureFixture
) -> None:
    project.add(1, project.file(1, 0), project.file(1, 1, respond(b"gone", 404)))
    project.add(2, project.file(2, 0, respond(b"expired", 403)))
    project.add(3)
    result = exports.run()
    assert (result["tasks"], result["dead_links"], result["files"]) == (1, 2, 2)
    partly, dead, whole = exports.lines(result)
    assert [file["name"] for file in partly["files"]] == ["0.png"]
    assert "HTTP 404" in partly["error"]
    assert "HTTP 403" in dead["error"]
    assert dead["files"] == []
    assert "error" not in whole
    assert "Wiro task 2 is not landed, and not tried again" in caplog.text
    assert exports.run()["dead_links"] == 0
    assert project.requests_for(2) <= 2


def test_a_link_that_is_dead_for_long_takes_no_patience(project: Project, exports: Exports) -> None:
    project.add(1, project.file(1, 0, respond(b"gone", 404)))
    exports.run()
    assert project.details_of(1) == 2  # the second one is for a fresh link
    assert project.requests_for(1) == 2


def test_a_file_that_has_not_arrived_yet_is_tried_again_in_the_same_run(
    project: Project, exports: Exports
) -> None:
    missing, there = respond(b"", 404), respond(body_of(1), content_type="image/png")
    now = {"createtime": None, "endtime": None}
    project.add(1, project.file(1), **now)
    project.cdn.on("/1/0.png", missing, missing, there)
    project.add(2, project.file(2, url=""), **now)
    project.listed = lambda task: {**task, "createtime": "1772366401"}
    result = exports.run()
    assert (result["tasks"], result["dead_links"], result["pending"]) == (1, 1, 0)
    assert "no link" in exports.lines(result)[1]["error"]


def test_another_object_in_the_way_stays_and_its_task_is_reported_once(
    project: Project, exports: Exports, s3: S3
) -> None:
    s3.put("wiro/2026/03/01/1/0-0.png", b"mine")
    project.add(1)
    project.add(2)
    result = exports.run()
    assert (result["tasks"], result["refused"]) == (1, 1)
    assert "is there already" in exports.lines(result)[0]["error"]
    assert s3.get("wiro/2026/03/01/1/0-0.png") == b"mine"
    assert exports.run()["refused"] == 0


def test_a_web_page_in_place_of_a_picture_is_refused(project: Project, exports: Exports) -> None:
    page = respond(b"<html>sorry", content_type="text/html")
    project.add(1, project.file(1, 0, page, size="0"))
    result = exports.run()
    assert result["refused"] == 1
    assert exports.outputs == {}


def test_what_may_pass_is_left_for_the_next_try_and_the_rest_lands(
    project: Project, exports: Exports
) -> None:
    broken = respond(b"", 503)
    project.add(1, project.file(1, 0, broken))
    project.add(2)
    ti = exports.next_ti()
    with pytest.raises(WiroOutputUnavailableError, match=r"1 Wiro tasks could not be landed.*HTTP 503"):
        exports.run(ti)
    assert list(exports.outputs) == ["wiro/2026/03/01/2/0-0.png"]
    project.add(1)
    ti.try_number = 2
    result = exports.run(ti)
    assert result["tasks"] == 2
    assert [line["wiro_task_id"] for line in exports.lines(result)] == ["2", "1"]
    assert project.requests_for(2) == 1


def test_a_detail_that_fails_leaves_its_task_to_the_next_run(
    project: Project, exports: Exports, no_repeats: None
) -> None:
    project.add(1)
    project.add(2)
    project.instead[1] = respond(b"", 503)
    with pytest.raises(WiroError, match="could not be landed"):
        exports.run()
    project.instead.clear()
    result = exports.run()
    assert [line["wiro_task_id"] for line in exports.lines(result)] == ["1"]


def test_when_wiro_is_out_the_other_tasks_are_not_tried(
    project: Project, exports: Exports, no_repeats: None
) -> None:
    for number in range(1, 60):
        project.add(number)
        project.instead[number] = respond(b"", 503)
    with pytest.raises(WiroError, match="could not be landed"):
        exports.run(max_concurrency=1)
    assert len(project.server.to("/v1/Task/Detail")) < 10
    project.instead.clear()
    assert exports.run()["tasks"] == 59


def test_a_task_that_only_the_list_shows_ended_is_open(project: Project, exports: Exports) -> None:
    project.start(1)
    project.listed = lambda task: {**task, "status": "task_postprocess_end"}
    result = exports.run()
    assert (result["tasks"], result["open"]) == (0, 1)
    project.end(1)
    assert exports.run()["tasks"] == 1


def test_a_task_that_wiro_does_not_know_any_more_is_open_for_a_day(
    project: Project, exports: Exports
) -> None:
    project.add(1)
    project.instead[1] = refuse(1, "There is no task yet.")
    assert exports.run()["open"] == 1
    project.instead.clear()
    assert exports.run()["tasks"] == 1


def test_a_task_that_vanishes_while_it_is_landed_is_open_for_a_day_and_stops_nothing(
    project: Project, exports: Exports
) -> None:
    def vanish(wire: Any) -> None:
        project.tasks.pop(1, None)
        respond(b"", 404)(wire)

    project.add(1, project.file(1, 0, vanish))
    project.add(2)
    result = exports.run()
    assert (result["tasks"], result["open"], result["dead_links"]) == (1, 1, 0)


def test_a_detail_that_is_no_tasks_or_another_ones_is_not_taken_for_it(
    project: Project, exports: Exports, no_repeats: None
) -> None:
    project.add(1)
    project.add(2)
    project.add(3, id=None)
    project.listed = lambda task: {**task, "id": task["id"] or "3"}
    project.instead[1] = success(tasklist=[project.tasks[2]])
    with pytest.raises(WiroError, match="Asked for Wiro task 1, the response was about another one"):
        exports.run()
    assert list(exports.outputs) == ["wiro/2026/03/01/2/0-0.png", "wiro/2026/03/01/3/0-0.png"]


def test_a_detail_that_is_too_large_is_reported_once(project: Project, exports: Exports) -> None:
    project.add(1)
    project.instead[1] = success(tasklist=[{**project.tasks[1], "debugoutput": "x" * 17 * 1024**2}])
    result = exports.run()
    assert (result["refused"], result["pending"]) == (1, 0)
    (line,) = exports.lines(result)
    assert (line["wiro_task_id"], line["files"], line["model"]) == ("1", [], None)
    assert "16 MiB" in line["error"] or "bytes" in line["error"]


def test_a_bucket_that_refuses_fails_at_once_before_any_detail(project: Project, exports: Exports) -> None:
    project.add(1)
    with pytest.raises(AirflowFailException, match="Expected a bucket 'elsewhere'"):
        exports.run(s3_bucket="elsewhere")
    assert project.server.requests == []


def test_wrong_credentials_of_wiro_fail_at_once(project: Project, exports: Exports) -> None:
    project.server.on("/v1/Task/List", refuse(99, "Bearer token invalid", 401))
    with pytest.raises(AirflowFailException, match="Check the Wiro connection"):
        exports.run()


def test_a_key_in_which_outputs_meet_stops_only_their_task_and_says_what_to_change(
    project: Project, exports: Exports
) -> None:
    project.add(1, project.file(1, 0), project.file(1, 1))
    project.add(2)
    with pytest.raises(AirflowFailException, match="would both land in"):
        exports.run(s3_key="wiro/{wiro_task_id}.png")
    assert list(exports.outputs) == ["wiro/2.png"]
    assert exports.run(s3_key="wiro/{wiro_task_id}/{index}.png")["tasks"] == 1


def test_an_output_in_the_place_of_the_manifest_is_not_written(project: Project, exports: Exports) -> None:
    project.add(1)
    with pytest.raises(AirflowFailException, match="the place of the export's manifest"):
        exports.run(
            s3_key="out/{wiro_task_id}/{index}.png", manifest_uri=f"s3://aws_default@{BUCKET}/out/1/0.png"
        )


# -- deletion


def test_files_are_deleted_from_wiro_once_they_have_landed(project: Project, exports: Exports) -> None:
    project.add(1)
    project.add(2, project.file(2, 0, respond(b"", 404)))
    result = exports.run(delete_after=True)
    assert (result["tasks"], result["not_deleted"]) == (1, 0)
    assert project.deleted == ["token-of-1-a7f3c9"]
    exports.run(delete_after=True)
    assert len(project.deleted) == 1


def test_inputs_that_other_runs_may_need_are_not_deleted_unless_that_is_allowed(
    project: Project, exports: Exports
) -> None:
    project.add(1, parameters={"inputImageUrl": "https://cdn1.wiro.ai/uploads/1.png"})
    project.add(2)
    result = exports.run(delete_after=True)
    assert (result["tasks"], result["not_deleted"]) == (2, 1)
    assert project.deleted == ["token-of-2-a7f3c9"]
    project.add(3, parameters={"inputImageUrl": "https://cdn1.wiro.ai/uploads/1.png"})
    exports.run(delete_after=True, delete_shared_inputs=True)
    assert project.deleted[1:] == ["token-of-3-a7f3c9"]


def test_a_deletion_that_fails_is_made_up_for_by_the_next_run(
    project: Project, exports: Exports, no_repeats: None
) -> None:
    project.add(1)
    project.server.on("/v1/Task/InputOutputDelete", respond(b"", 503))
    with pytest.raises(Exception, match=r"All outputs are safe in S3.*task 1"):
        exports.run(delete_after=True)
    project.server.on("/v1/Task/InputOutputDelete", project._delete)
    assert exports.run()["tasks"] == 0
    assert project.deleted == []
    assert exports.run(delete_after=True)["tasks"] == 0
    assert project.deleted == ["token-of-1-a7f3c9"]


# -- the same again


def test_a_try_after_the_end_reports_the_same_and_lands_nothing_again(
    project: Project, exports: Exports
) -> None:
    project.add(1)
    ti = exports.next_ti()
    first = exports.run(ti)
    ti.try_number = 2
    again = exports.run(ti)
    assert again == first
    assert exports.lines(again) == exports.lines(first)
    assert project.requests_for(1) == 1


def test_a_renamed_dag_continues(project: Project, exports: Exports) -> None:
    project.add(1)
    exports.run()
    assert exports.run(FakeTi(dag_id="renamed", run_id="x", task_id="other"))["tasks"] == 0


def test_the_connections_project_is_the_default(project: Project, exports: Exports, connect: Any) -> None:
    connect(project_id="p2")
    project.add(1)
    project.add(2, projectid="p2")
    assert exports.run(since=LONG_AGO)["tasks"] == 1
    assert list(exports.outputs) == ["wiro/2026/03/01/2/0-0.png"]
