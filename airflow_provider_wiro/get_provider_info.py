"""Metadata that Airflow reads from an installed provider: connection type, modules, options, extra link."""

from __future__ import annotations

from typing import Any

from airflow_provider_wiro import connection_form


def get_provider_info() -> dict[str, Any]:
    """
    Describe the provider in the shape of Airflow's ``provider_info.schema.json``.

    Airflow calls this at every start of every process, so it imports nothing heavy. The form is given as
    ``conn-fields`` and ``ui-field-behaviour`` metadata, which Airflow 3.2+ renders without importing the
    hook; older versions ask :class:`~airflow_provider_wiro.hooks.wiro.WiroHook`, which reads the same
    table.
    """
    return {
        "package-name": "airflow-provider-wiro",
        "name": "Wiro",
        "description": "Run AI models (image, video, audio, text) on `Wiro <https://wiro.ai>`__.",
        "integrations": [
            {"integration-name": "Wiro", "external-doc-url": "https://wiro.ai/docs", "tags": ["service"]}
        ],
        "operators": [_modules("operators", "wiro", "wiro_batch", "wiro_spend", "wiro_upload")],
        "sensors": [_modules("sensors")],
        "hooks": [_modules("hooks")],
        "triggers": [_modules("triggers", "wiro", "wiro_batch", "wiro_events")],
        "task-decorators": [
            {"name": "wiro", "class-name": "airflow_provider_wiro.decorators.wiro.wiro_task"},
            {"name": "wiro_batch", "class-name": "airflow_provider_wiro.decorators.wiro.wiro_batch_task"},
        ],
        "transfers": [
            {
                "source-integration-name": "Wiro",
                "target-integration-name": "Amazon Simple Storage Service (S3)",
                "python-module": "airflow_provider_wiro.transfers.wiro_to_s3",
            },
            {
                "source-integration-name": "Wiro",
                "target-integration-name": "Amazon Simple Storage Service (S3)",
                "python-module": "airflow_provider_wiro.transfers.wiro_project_to_s3",
            },
            {
                "source-integration-name": "Wiro",
                "target-integration-name": "Common IO",
                "python-module": "airflow_provider_wiro.transfers.wiro_to_object_storage",
            },
        ],
        "connection-types": [
            {
                "connection-type": "wiro",
                "hook-class-name": "airflow_provider_wiro.hooks.wiro.WiroHook",
                "hook-name": "Wiro",
                "ui-field-behaviour": {
                    "hidden-fields": list(connection_form.HIDDEN_FIELDS),
                    "relabeling": dict(connection_form.LABELS),
                    "placeholders": dict(connection_form.PLACEHOLDERS),
                },
                "conn-fields": {
                    field.name: {
                        "label": field.label,
                        "description": field.description,
                        "schema": {"type": ["string", "null"]}
                        | ({"format": "password"} if field.is_secret else {}),
                    }
                    for field in connection_form.EXTRA_FIELDS
                },
            }
        ],
        "config": {
            "wiro": {
                "description": (
                    "Where WiroRunOperator records its runs, how long it tolerates an outage, and what the "
                    "gallery shows."
                ),
                "options": {
                    "state_path": {
                        "description": (
                            "Where the records of runs and the journals of batches are kept as files, a "
                            "path or an object-storage URI, on Airflow before 3.3, which has no task state "
                            "store; on every Airflow the manifests of batches that land nothing in S3. "
                            "Absolute, and the same place for every worker. s3:// needs no s3fs. With "
                            "LocalExecutor outside of Kubernetes the default is the folder wiro_runs in "
                            "AIRFLOW_HOME; otherwise there is none."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://aws_default@my-bucket/wiro-runs",
                        "default": None,
                    },
                    "environment": {
                        "description": (
                            "The name of this Airflow deployment, such as `prod`: the folder of its records "
                            "and manifests where several deployments keep them in one bucket. Change it only "
                            "while no Wiro task runs."
                        ),
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "prod",
                        "default": None,
                    },
                    "poll_patience": {
                        "description": (
                            "For how many seconds failing polls of a running task (5xx, network) are "
                            "tolerated before its Airflow task fails. A retry follows the Wiro task again."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "300",
                    },
                    "lost_run_patience": {
                        "description": (
                            "For how many seconds after its response timed out, or its worker died, a Run "
                            "may still start its task. Until then it is searched for in Wiro's "
                            "task list; it is sent again only after that."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": None,
                        "default": "600",
                    },
                    "shortest_deferral": {
                        "description": (
                            "How many seconds a deferral lasts at least. If one is shorter than the "
                            "scheduler's lag, Airflow fails the task, although its run was paid for. Raise "
                            "it where the scheduler lags more; 0 turns it off, 240 is the most."
                        ),
                        "version_added": "0.1.0",
                        "type": "float",
                        "example": "30",
                        "default": "20",
                    },
                    "model_cache_path": {
                        "description": (
                            "The local folder in which each machine keeps models' descriptions, which it "
                            "asks Wiro for once an hour. Absolute. The default is the machine's folder for "
                            "temporary files."
                        ),
                        "version_added": "0.2.0",
                        "type": "string",
                        "example": "/var/cache/airflow",
                        "default": None,
                    },
                    "s3_console_url": {
                        "description": (
                            "The page of a folder or an object in the console of a store that speaks S3's "
                            "API, for the links on a task's page. {bucket} and {key} stand for their names, "
                            "percent-encoded except for the slashes of the key. Not needed for AWS, Google "
                            "Cloud, Cloudflare R2, DigitalOcean Spaces, Scaleway and Wasabi."
                        ),
                        "version_added": "0.2.0",
                        "type": "string",
                        "example": "https://minio.example.com/browser/{bucket}/{key}",
                        "default": None,
                    },
                    "gallery": {
                        "description": (
                            "Whether Airflow's UI has the tab Wiro gallery on DAGs, DAG runs and task "
                            "instances (Airflow 3.1 and newer). Read when the API server starts."
                        ),
                        "version_added": "0.2.0",
                        "type": "boolean",
                        "example": None,
                        "default": "True",
                    },
                    "gallery_media": {
                        "description": (
                            "How the gallery's browsers get the files: `presigned`, from the store itself by "
                            "URLs that are valid for minutes; or `streamed`, through Airflow's API server, "
                            "where browsers can't reach the store."
                        ),
                        "version_added": "0.2.0",
                        "type": "string",
                        "example": "streamed",
                        "default": "presigned",
                    },
                    "gallery_unlanded": {
                        "description": (
                            "Whether the gallery also shows outputs that no task has landed, by Wiro's own "
                            "links. Who has such a link needs no right in Airflow to open it."
                        ),
                        "version_added": "0.2.0",
                        "type": "boolean",
                        "example": None,
                        "default": "False",
                    },
                },
            }
        },
        # Airflow 3.2+; below it there is `python -m airflow_provider_wiro`.
        "cli": ["airflow_provider_wiro.cli.airflow_commands.get_wiro_cli_commands"],
        "extra-links": [
            "airflow_provider_wiro.links.wiro.WiroTaskLink",
            "airflow_provider_wiro.links.landed.WiroFirstOutputLink",
            "airflow_provider_wiro.links.landed.WiroS3Link",
            "airflow_provider_wiro.links.landed.WiroStorageLink",
            "airflow_provider_wiro.links.landed.WiroManifestLink",
        ],
    }


def _modules(kind: str, *names: str) -> dict[str, Any]:
    modules = [f"airflow_provider_wiro.{kind}.{name}" for name in names or ("wiro",)]
    return {"integration-name": "Wiro", "python-modules": modules}
