"""
Checks the template of the paths that outputs get in a store.

Used when a DAG file is parsed, so it imports little.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_wiro.input_files.stored_file import with_connection
from airflow_provider_wiro.landing.plan import RUN_PLACEHOLDERS
from airflow_provider_wiro.storage.location import parse_target
from airflow_provider_wiro.storage.object_keys import check_key_template


def path_template(path: Any) -> str:
    """
    Return the template of the outputs' URIs or local paths.

    :param path: text, or an ObjectStoragePath.
    :raises WiroUsageError: it has an unknown placeholder, is empty or relative, or could lead to another
        place than the one it shows.
    """
    template = check_key_template(with_connection(path), RUN_PLACEHOLDERS, argument="path")
    parse_target(template, "path")
    return template
