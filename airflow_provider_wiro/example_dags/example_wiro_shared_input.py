"""
One picture, many prompts.

The picture is uploaded to Wiro once, each run of a mapped task uses it by its URL, and the results are landed
in any object storage.
"""

from __future__ import annotations

import os
from pathlib import Path

# This import works on Airflow 2.11 too; with Airflow 3 alone it is `from airflow.sdk import …`.
from airflow.providers.common.compat.sdk import DAG, Param, task

from airflow_provider_wiro.operators.wiro import WiroRunOperator
from airflow_provider_wiro.operators.wiro_upload import WiroUploadOperator
from airflow_provider_wiro.transfers.wiro_to_object_storage import WiroToObjectStorageOperator

IMAGE = os.environ.get("WIRO_EXAMPLE_IMAGE", str(Path(__file__).parent / "images" / "robot.png"))
#: Yours may be gs://google_cloud_default@bucket/wiro, s3://aws_default@bucket/wiro, abfs://…
OUTPUTS = os.environ.get("WIRO_EXAMPLE_OUTPUTS", f"file://{Path.home()}/wiro-outputs")

with DAG(
    dag_id="example_wiro_shared_input",
    doc_md=__doc__,
    schedule=None,
    catchup=False,
    params={"image": Param(IMAGE, type="string", description="A path or an object-storage URI.")},
    # A retry follows the same run, and pays for no other. Without retries, a passing fault (a lost worker, a
    # scheduler that lags) fails a task whose run is paid for.
    default_args={"retries": 2},
    tags=["example", "wiro"],
):

    @task
    def seasons() -> list[dict[str, object]]:
        """Return the parameters of the runs."""
        wanted = ["spring, cherry blossom", "summer, noon", "a winter evening, snow on the roofs"]
        return [{"prompt": f"make it {season}", "samples": 1} for season in wanted]

    # [START howto_operator_wiro_upload]
    upload = WiroUploadOperator(task_id="upload", files="{{ params.image }}")

    edit = WiroRunOperator.partial(
        task_id="edit",
        model="wiro/image-edit-general",
        # As Jinja: "{{ ti.xcom_pull(task_ids='upload')[0]['url'] }}"
        files={"inputImage": upload.output},
        deferrable=True,
        max_active_tis_per_dag=4,
    ).expand(parameters=seasons())
    # [END howto_operator_wiro_upload]

    # [START howto_transfer_wiro_to_object_storage]
    WiroToObjectStorageOperator.partial(
        task_id="land", path=OUTPUTS + "/{{ run_id }}/{wiro_task_id}/{index}-{name}"
    ).expand(wiro_task_id=edit.output)
    # [END howto_transfer_wiro_to_object_storage]
