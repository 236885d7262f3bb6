"""Each example DAG runs to its end on a real Airflow, against the emulator and an S3 server over HTTP."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.hooks.wiro import WiroHook
from tests.examples.files import EXAMPLES, example_file

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.airflow_home import AirflowHome
    from tests.examples.conftest import Bucket

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

PNG = b"\x89PNG\r\n\x1a\n"


def test_retro_cartoons_transfers_two_verified_pictures(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    dag_id = "example_wiro_retro_cartoons"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    summary, landed = run.returned("generate"), run.returned("to_s3")
    assert summary["status"] == "task_postprocess_end"
    assert summary["cost_usd"]
    objects = bucket.objects()
    assert len(objects) == 2
    for file in landed["files"]:
        body = objects[file["uri"].removeprefix(f"s3://{bucket.name}/")]
        assert body.startswith(PNG)
        assert (file["size"], file["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert run.xcoms["generate"]["wiro_task_url"].endswith(f"#task-{summary['wiro_task_id']}")
    assert [task.status for task in wiro.tasks] == ["task_postprocess_end"]


def test_nightly_prompts_runs_one_wiro_task_for_each_prompt(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    dag_id = "example_wiro_nightly_prompts"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    prompts = {run.returned(f"generate[{index}]")["wiro_task_id"] for index in range(3)}
    assert len(prompts) == len(wiro.tasks) == 3
    assert len(bucket.objects()) == 3


def test_image_to_image_sends_the_exact_file(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    dag_id = "example_wiro_image_to_image"
    picture = EXAMPLES / "images" / "robot.png"
    run = airflow_home.run_dag(example_file(dag_id), dag_id, conf={"image": str(picture)})

    assert run.state == "success"
    [task] = wiro.tasks
    [file] = task.files
    assert file.sha256 == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert [body[:8] for body in bucket.objects().values()] == [PNG]


def test_reuse_sends_nothing_the_second_time(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    dag_id = "example_wiro_reuse"
    for _ in range(2):
        assert airflow_home.run_dag(example_file(dag_id), dag_id).state == "success"

    [task] = wiro.tasks
    kept = {key.partition("/")[0]: body for key, body in bucket.objects().items()}
    assert sorted(kept) == ["results", "reuse"]
    assert kept["reuse"][:8] == PNG
    assert json.loads(kept["results"])["wiro_task_id"] == task.id


def test_llm_chain_feeds_the_answer_to_the_next_run(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    dag_id = "example_wiro_llm_chain"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    answer = run.returned("write")["text"]
    assert answer
    assert [task.parameters["prompt"] for task in wiro.tasks][1] == answer
    suffixes = sorted(key.rsplit(".", 1)[1] for key in bucket.objects())
    assert suffixes == ["json", "png", "txt"]


def test_sensor_waits_for_a_task_that_was_started_elsewhere(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    dag_id = "example_wiro_sensor"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    assert run.returned("start")["status"] == "task_queue"
    assert run.returned("wait")["status"] == "task_postprocess_end"
    assert run.returned("wait")["wiro_task_id"] == run.returned("start")["wiro_task_id"]
    [body] = bucket.objects().values()
    assert body[4:8] == b"ftyp"


def test_shared_input_is_sent_once_and_used_by_every_run(
    airflow_home: AirflowHome, wiro: WiroEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIRO_EXAMPLE_OUTPUTS", f"file://{tmp_path}")
    dag_id = "example_wiro_shared_input"
    picture = EXAMPLES / "images" / "robot.png"
    run = airflow_home.run_dag(example_file(dag_id), dag_id, conf={"image": str(picture)})

    assert run.state == "success"
    [uploaded] = run.returned("upload")
    assert (uploaded["size"], uploaded["content_type"]) == (picture.stat().st_size, "image/png")
    assert wiro.counts.requests["File/Upload"] == 1
    assert len(wiro.tasks) == 3
    assert [task.files for task in wiro.tasks] == [()] * 3
    assert {task.parameters["inputImageUrl"] for task in wiro.tasks} == {uploaded["url"]}
    for index in range(3):
        [file] = run.returned(f"land[{index}]")["files"]
        body = Path(file["uri"].removeprefix("file://")).read_bytes()
        assert body.startswith(PNG)
        assert file["sha256"] == hashlib.sha256(body).hexdigest()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 3


def test_batch_runs_each_line_of_a_file_once_and_transfers_its_picture(
    airflow_home: AirflowHome,
    wiro: WiroEmulator,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    dag_id = "example_wiro_batch"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    summary = run.returned("generate")
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (4, 4, 0)
    objects = bucket.objects()
    manifest = objects[summary["manifest_uri"].partition(f"{bucket.name}/")[2]]
    lines = [json.loads(line) for line in manifest.decode().splitlines()]
    assert [line["item"] for line in lines] == [0, 1, 2, 3]
    for line in lines:
        [file] = line["files"]
        body = objects[file["uri"].removeprefix(f"s3://{bucket.name}/")]
        assert body.startswith(PNG)
        assert file["sha256"] == hashlib.sha256(body).hexdigest()
    assert len(wiro.tasks) == 4


@pytest.mark.parametrize(
    ("limit", "states"), [("20", ["success"] * 3), ("0.001", ["skipped", "success", "skipped"])]
)
def test_the_bill_is_read_before_the_production_and_skips_it_above_the_limit(
    airflow_home: AirflowHome,
    wiro: WiroEmulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    limit: str,
    states: list[str],
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    monkeypatch.setenv("WIRO_EXAMPLE_LIMIT_USD", limit)
    with WiroHook() as hook:
        started = hook.run_model("openai/gpt-5-nano", {"prompt": "hi"})
        hook.wait_for_task(started.wiro_task_id)
        started = hook.run_model("retroAIx/Retro-Cartoons", {"prompt": "a robot", "samples": 1})
        hook.wait_for_task(started.wiro_task_id)
    dag_id = "example_wiro_spend"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert [run.task_states[name] for name in sorted(run.task_states)] == states
    spent = run.returned("spent")
    assert (spent["tasks"], spent["unknown_cost_tasks"]) == (2, 0)
    assert Decimal(spent["spent_usd"]) > Decimal("0.001")
    assert run.returned("report").startswith(
        f"{spent['spent_usd']} USD for 2 tasks\nretroaix/retro-cartoons: "
    )
    assert len(wiro.tasks) == (3 if limit == "20" else 2)


def test_each_row_of_a_table_lands_by_its_article_number(
    airflow_home: AirflowHome,
    wiro: WiroEmulator,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    dag_id = "example_wiro_table"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    objects = bucket.objects()
    lines = [json.loads(line) for line in objects["table/manifest.jsonl"].decode().splitlines()]
    assert [(line["id"], line["data"]["shelf"]) for line in lines] == [("007", "top"), ("008", None)]
    assert all(objects[f"table/{line['id']}.png"].startswith(PNG) for line in lines)
    sent = {task.parameters["prompt"]: str(task.parameters["steps"]) for task in wiro.tasks}
    assert sent == {'a "retro" teapot, blue': "20", "a kettle": "30"}


def test_image_to_video_lands_picture_film_and_caption_under_one_name(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    dag_id = "example_wiro_image_to_video"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    picture = run.returned("draw")["outputs"][0]["url"]
    fed = [task.parameters for task in wiro.tasks if task.id != run.returned("draw")["wiro_task_id"]]
    assert [picture in str(parameters) for parameters in fed] == [True, True]
    objects = bucket.objects()
    kinds = {key.removeprefix("films/paper-boat") for key in objects}
    assert {".png", ".mp4", ".txt"} <= kinds
    assert all(key.startswith("films/paper-boat.") for key in objects)
    assert objects["films/paper-boat.txt"].decode().strip() == run.returned("caption")["text"].strip()


def test_mapped_chain_feeds_each_mapped_task_from_the_one_with_its_number(
    airflow_home: AirflowHome, wiro: WiroEmulator, bucket: Bucket
) -> None:
    dag_id = "example_wiro_mapped_chain"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    tasks = {task.id: task for task in wiro.tasks}
    assert len(tasks) == 8
    for index in range(2):
        write, draw, winter, night = (
            run.returned(f"{name}[{index}]") for name in ("write", "draw", "winter", "night")
        )
        assert tasks[draw["wiro_task_id"]].parameters["prompt"] == write["text"]
        picture = draw["outputs"][0]["url"]
        assert picture in str(tasks[winter["wiro_task_id"]].parameters)
        assert picture in str(tasks[night["wiro_task_id"]].parameters)
    assert sorted(key.partition("/")[0] for key in bucket.objects()) == ["night", "night", "winter", "winter"]


def test_decorators_run_what_their_functions_return(
    airflow_home: AirflowHome,
    wiro: WiroEmulator,
    bucket: Bucket,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__STATE_PATH", str(tmp_path / "records"))
    dag_id = "example_wiro_decorators"
    run = airflow_home.run_dag(example_file(dag_id), dag_id)

    assert run.state == "success"
    assert len(wiro.tasks) == 7
    pictures = {key for key in bucket.objects() if key.endswith(".png")}
    assert pictures == {
        "decorated/lighthouse-in-rain.png",
        "decorated/tram-in-rain.png",
        "icons/anchor.png",
        "icons/kite.png",
        "icons/teapot.png",
    }
