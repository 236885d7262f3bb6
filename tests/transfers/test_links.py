"""Where a transfer's outputs are: the buttons on its task's page, and the lines in its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator
from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator
from tests.operators.fakes import FakeLog
from tests.transfers.fake_wiro import PNG, TaskInstance
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

CONSOLE = "https://minio.example.com/browser"


@pytest.fixture(autouse=True)
def _console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__S3_CONSOLE_URL", f"{CONSOLE}/{{bucket}}/{{key}}")


def land(operator: WiroToS3Operator | WiroToObjectStorageOperator) -> tuple[dict[str, Any], FakeLog]:
    """Return the XComs and the log of a transfer."""
    ti, log = TaskInstance(), FakeLog()
    operator._log = log
    operator.execute({"ti": ti})  # type: ignore[typeddict-item]
    return ti.xcoms, log


def to_s3(**arguments: Any) -> WiroToS3Operator:
    return WiroToS3Operator(task_id="land", wiro_task_id="2221", s3_bucket=BUCKET, **arguments)


def test_a_transfer_shows_its_first_object_its_folder_its_manifest_and_the_wiro_task(
    wiro: Wiro, s3: S3
) -> None:
    wiro.shows(wiro.file(PNG), wiro.file(PNG))

    xcoms, log = land(to_s3(manifest=True))

    assert xcoms == {
        "wiro_task_url": xcoms["wiro_task_url"],
        "wiro_first_output_url": f"{CONSOLE}/{BUCKET}/wiro/2221/0-0.png",
        "wiro_s3_url": f"{CONSOLE}/{BUCKET}/wiro/2221/",
        "wiro_manifest_url": f"{CONSOLE}/{BUCKET}/wiro/2221/manifest.json",
    }
    assert xcoms["wiro_task_url"].endswith("#task-2221")
    assert not [line for line in log.lines if line.startswith("Output: ")], "only if asked for"


def test_a_transfer_that_skips_everything_shows_the_same(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    first, _ = land(to_s3())

    again, _ = land(to_s3())

    assert again == first


def test_a_task_without_outputs_has_only_the_link_to_wiro(wiro: Wiro, s3: S3) -> None:
    wiro.shows()

    xcoms, _ = land(to_s3(manifest=True, log_links=True))

    assert list(xcoms) == ["wiro_task_url"]


def test_where_outputs_landed_is_logged_also_if_wiros_copies_are_deleted(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))

    _, log = land(to_s3(log_links=True))

    uri = f"s3://{BUCKET}/wiro/2221/0-0.png"
    assert f"Output: {uri} {CONSOLE}/{BUCKET}/wiro/2221/0-0.png" in log.lines


def test_a_transfer_whose_links_cant_be_stored_succeeds(wiro: Wiro, s3: S3) -> None:
    class BrokenTaskInstance:
        def xcom_push(self, key: str, value: Any) -> None:
            raise ConnectionError("the API server is away")

    wiro.shows(wiro.file(PNG))

    landed = to_s3().execute({"ti": BrokenTaskInstance()})  # type: ignore[typeddict-item]

    assert len(landed["files"]) == 1


def test_files_on_a_disk_have_no_page(wiro: Wiro, tmp_path: Path) -> None:
    wiro.shows(wiro.file(PNG))

    xcoms, log = land(
        WiroToObjectStorageOperator(
            task_id="land", wiro_task_id="2221", path=f"{tmp_path}/{{name}}", manifest=True, log_links=True
        )
    )

    assert list(xcoms) == ["wiro_task_url"]
    assert f"Output: file://{tmp_path}/0.png" in log.lines


def test_log_links_is_true_or_false() -> None:
    with pytest.raises(WiroUsageError, match="log_links"):
        to_s3(log_links="yes")
