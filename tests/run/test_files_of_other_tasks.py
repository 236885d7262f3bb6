"""What one task returns is another's input: as it is, and a retry knows its run again."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.emulator import Fault
from tests.input_files.object_storage import BUCKET, Bucket
from tests.operators.fakes import RETRO, SMALL

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator import WiroEmulator
    from tests.operators.fakes import Work

EDIT = "wiro/image-edit-general"
PNG = b"\x89PNG\r\n\x1a\n" + b"robot" * 100
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def edited(work: Work, image: Any, **settings: Any) -> dict[str, Any]:
    summary: dict[str, Any] = work.run(
        model=EDIT, parameters={"prompt": "as a cartoon"}, files={"inputImage": image}, **settings
    )
    return summary


def resigned(summary: dict[str, Any], signature: str) -> dict[str, Any]:
    """Return a summary as Wiro would show it with other signatures in its links."""
    outputs = [{**one, "url": f"{one['url']}?Signature={signature}"} for one in summary["outputs"]]
    return {**summary, "outputs": outputs}


def test_a_runs_output_is_another_runs_input(wiro: WiroEmulator, work: Work) -> None:
    generated = work.run(model=RETRO, parameters={**SMALL, "samples": 1})
    work.clear()
    assert edited(work, generated)["wiro_task_id"] == "2222"
    assert wiro.tasks[1].parameters["inputImageUrl"] == generated["outputs"][0]["url"]


def test_several_outputs_for_one_file_are_refused_before_anything_is_sent(
    wiro: WiroEmulator, work: Work
) -> None:
    generated = work.run(model=RETRO, parameters={**SMALL, "samples": 2})
    work.clear()
    with pytest.raises(AirflowFailException, match="'inputImage' takes one file, found 2"):
        edited(work, generated)
    assert work.started == 1
    assert (work.store.record or {})["wiro_task_id"] == "2221"  # the other task's: no intent was left


@pytest.mark.parametrize("is_known", [True, False], ids=["its task is recorded", "its answer was lost"])
def test_a_retry_recognises_its_run_though_the_links_were_signed_again(
    wiro: WiroEmulator, work: Work, is_known: bool
) -> None:
    generated = work.run(model=RETRO, parameters={**SMALL, "samples": 1})
    work.clear()

    def die(**_: Any) -> None:
        raise SystemExit("SIGKILL")

    work.ti.xcom_push = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        edited(work, resigned(generated, "one"))
    del work.ti.xcom_push
    if not is_known:
        work.store.set("wiro_run", {**(work.store.record or {}), "wiro_task_id": None})
    work.retry()
    assert edited(work, resigned(generated, "two"))["wiro_task_id"] == "2222"
    assert work.started == 2


def test_a_data_uri_is_sent_and_a_lost_run_of_it_is_found(wiro: WiroEmulator, work: Work) -> None:
    wiro.inject(Fault("drop_after", endpoint="Run"))
    assert edited(work, DATA)["wiro_task_id"] == "2221"
    assert work.started == 1
    (file,) = wiro.tasks[0].files
    assert (file.name, file.sha256) == ("file.png", hashlib.sha256(PNG).hexdigest())


def test_what_a_transfer_returned_is_read_with_aws_conn_id(
    wiro: WiroEmulator, work: Work, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("AIRFLOW_CONN_SHOP", os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    monkeypatch.delenv("AIRFLOW_CONN_AWS_DEFAULT")
    bucket.put("wiro/2221/0-0.png", PNG)
    landed = {"wiro_task_id": "1", "files": [{"uri": f"s3://{BUCKET}/wiro/2221/0-0.png"}], "total_bytes": 1}
    assert edited(work, landed, aws_conn_id="shop")["wiro_task_id"] == "2221"
    (file,) = wiro.tasks[0].files
    assert (file.name, file.sha256) == ("0-0.png", hashlib.sha256(PNG).hexdigest())


@pytest.mark.parametrize("image", ["data:image/png;base64," + "A" * 4_000_001, "data:" + "A" * 4_000_000])
def test_a_long_value_that_is_no_file_is_refused_in_one_short_message(work: Work, image: str) -> None:
    with pytest.raises(AirflowFailException, match="File parameter 'inputImage'") as caught:
        edited(work, image)
    assert len(str(caught.value)) < 200
    assert work.started == 0
