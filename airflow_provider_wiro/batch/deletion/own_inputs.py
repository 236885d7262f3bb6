"""Which input files of an item are its run's alone, so that they may be deleted with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.input_files.sources import flattened, is_landed, is_web_url
from airflow_provider_wiro.landing.deletion import base_name

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.inputs.items import Item


def own_inputs(item: Item) -> set[str]:
    """
    Return the file parameters of which every file was sent as bytes, and nothing by a URL.

    A file whose bytes were sent with the run is a copy of its own. One that the run was given by its URL can
    be an input of other runs.

    :param item: as it was sent.
    """
    by_url = {base_name(name) for name, given in item.files.items() if any(map(_is_url, flattened(given)))}
    return {base_name(name) for name in item.files} - by_url - {base_name(name) for name in item.parameters}


def _is_url(source: Any) -> bool:
    return is_web_url(source) or (isinstance(source, Mapping) and not is_landed(source))
