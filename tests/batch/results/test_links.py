"""Where a batch's outputs are: the buttons on its task's page, and the lines in its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.links.output_urls import MOST_LOGGED
from tests.batch.batch_work import prompts
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

BOTH = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferrable"])
CONSOLE = "https://minio.example.com/browser"


@pytest.fixture(autouse=True)
def _console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__S3_CONSOLE_URL", f"{CONSOLE}/{{bucket}}/{{key}}")


def lands(work: BatchWork, s3_key: str = "night/{item}/{name}", **settings: Any) -> None:
    work.settings = {"s3_bucket": BUCKET, "s3_key": s3_key, "manifest_uri": None, **settings}


def output_lines(work: BatchWork) -> list[str]:
    return [line for line in work.log.lines if line.startswith("Output: ")]


@BOTH
def test_a_batch_shows_its_folder_its_first_output_and_its_manifest(
    work: BatchWork, s3: S3, deferrable: bool
) -> None:
    lands(work)

    work.run(prompts(3), deferrable=deferrable)

    assert work.ti.xcoms["wiro_s3_url"] == f"{CONSOLE}/{BUCKET}/night/"
    assert work.ti.xcoms["wiro_first_output_url"] == f"{CONSOLE}/{BUCKET}/night/0/0.png"
    [manifest] = [key for key in s3.keys if key.endswith(".jsonl")]
    assert work.ti.xcoms["wiro_manifest_url"] == f"{CONSOLE}/{BUCKET}/{manifest}"
    assert "wiro_task_url" in work.ti.xcoms
    assert not output_lines(work), "only if asked for"


def test_a_key_that_is_a_url_has_the_same_folder(work: BatchWork, s3: S3) -> None:
    lands(work, f"s3://{BUCKET}/night/{{item}}/{{name}}", s3_bucket=None)

    work.run(prompts(1))

    assert work.ti.xcoms["wiro_s3_url"] == f"{CONSOLE}/{BUCKET}/night/"


def test_a_batch_that_fails_shows_what_has_landed_and_its_manifest(work: BatchWork, s3: S3) -> None:
    lands(work)
    work.wiro.inject(Fault("exit_code", skip=1, times=1))

    with pytest.raises(AirflowException):
        work.run(prompts(2), max_active=1, max_item_retries=0)

    assert work.ti.xcoms["wiro_first_output_url"] == f"{CONSOLE}/{BUCKET}/night/0/0.png"
    assert "wiro_manifest_url" in work.ti.xcoms


def test_a_batch_that_was_done_before_shows_its_manifest_again(work: BatchWork, s3: S3) -> None:
    lands(work)
    work.run(prompts(1))
    shown = work.ti.xcoms["wiro_manifest_url"]
    work.retry()
    work.ti.xcoms.clear()

    work.run(prompts(1))

    assert "its result is returned again" in work.log
    assert work.ti.xcoms["wiro_manifest_url"] == shown


def test_where_outputs_are_is_logged_if_asked_for(work: BatchWork, s3: S3) -> None:
    lands(work, log_links=True)

    work.run(prompts(2))

    assert output_lines(work) == [
        f"Output: s3://{BUCKET}/night/{item}/0.png {CONSOLE}/{BUCKET}/night/{item}/0.png" for item in (0, 1)
    ]


def test_of_many_outputs_the_first_are_logged(work: BatchWork) -> None:
    work.run(prompts(MOST_LOGGED + 5), log_links=True, include_links=True)

    assert len(output_lines(work)) == MOST_LOGGED
    assert all(line.startswith("Output: http://127.0.0.1:") for line in output_lines(work))
    assert "5 further outputs are not logged one by one." in work.log
    assert work.ti.xcoms["wiro_first_output_url"] == output_lines(work)[0].removeprefix("Output: ")


def test_urls_that_the_batch_does_not_keep_are_not_shown_and_the_log_says_so(work: BatchWork) -> None:
    work.run(prompts(2), log_links=True)

    assert not output_lines(work)
    assert (
        "The URLs of 2 outputs are not logged: a batch keeps them only with include_links=True." in work.log
    )
    assert "wiro_first_output_url" not in work.ti.xcoms
    assert "wiro_manifest_url" not in work.ti.xcoms, "a file of this machine has no page"


def test_a_manifest_whose_connection_is_gone_by_then_has_no_link(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_provider_wiro.links import s3_console

    def away(*_: object) -> Any:
        raise ConnectionError("the secrets backend is away")

    monkeypatch.setattr(s3_console, "s3_hook", away)
    lands(work)

    assert work.run(prompts(1))["succeeded"] == 1

    assert "wiro_manifest_url" not in work.ti.xcoms
    assert "its S3 connection can't be opened" in caplog.text
