"""A DAG file that runs a model: everything around the operators' arguments."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING

from airflow_provider_wiro.api.model_slugs import clean_slug
from airflow_provider_wiro.dag_code.literals import literal, untemplated

if TYPE_CHECKING:
    from collections.abc import Sequence


def dag_file(
    model: str,
    arguments: Sequence[str],
    *,
    imports: Sequence[str] = (),
    more_tasks: Sequence[str] = (),
    name: str | None = None,
) -> str:
    """
    Return the code of a DAG file.

    :param model: ``owner/model``, from a server.
    :param arguments: lines of code: the arguments of the run beside its model.
    :param imports: lines of code, for the further tasks.
    :param more_tasks: lines of code, which know the run's task as ``run``.
    :param name: of the DAG; None: the model's.
    """
    named = name or re.sub(r"[^a-z0-9]+", "_", clean_slug(model).partition("/")[2]).strip("_") or "model"
    return "\n".join(
        [
            _import_of_dag(),
            "",
            "from airflow_provider_wiro.operators.wiro import WiroRunOperator",
            *imports,
            "",
            "with DAG(",
            f"    dag_id={literal(f'wiro_{named}')},",
            "    schedule=None,",
            "    catchup=False,",
            "    # A retry follows the same run, and pays for no other.",
            '    default_args={"retries": 2},',
            "):",
            f"    {'run = ' if more_tasks else ''}WiroRunOperator(",
            '        task_id="run",',
            f"        model={untemplated(model)},",
            *arguments,
            "        deferrable=True,",
            "    )",
            *more_tasks,
            "",
        ]
    )


def _import_of_dag() -> str:
    """Return the import of this machine's Airflow: 2.11 has no ``airflow.sdk``."""
    has_sdk = importlib.util.find_spec("airflow.sdk") is not None
    return "from airflow.sdk import DAG" if has_sdk else "from airflow import DAG"
