"""The card of a line of a manifest: an item of a batch, or a task of an export."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow_provider_wiro.gallery.cards.code import code_of
from airflow_provider_wiro.gallery.cards.inputs import Inputs
from airflow_provider_wiro.gallery.cards.links import links_of, log_page, web_page
from airflow_provider_wiro.gallery.cards.media import Landing, landed_media, unlanded_media
from airflow_provider_wiro.gallery.cards.results import read_run
from airflow_provider_wiro.gallery.cards.states import item_state, run_state
from airflow_provider_wiro.gallery.cards.texts import (
    LONGEST_ERROR,
    LONGEST_TITLE,
    items,
    mapping,
    shown,
    text,
    whole,
)
from airflow_provider_wiro.gallery.left.rows import Kind
from airflow_provider_wiro.gallery.page import Card, CardState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_wiro.gallery.cards.media import MediaRules
    from airflow_provider_wiro.gallery.left.rows import Instance, Values

_UNREADABLE = "This line of the manifest can't be shown."
_MOST_DATA = 4


@dataclass(frozen=True)
class ManifestOwner:
    """
    The batch or the export whose manifest is read.

    :ivar inputs: of all items of the batch.
    """

    dag_id: str
    instance: Instance
    values: Values
    inputs: Inputs | None = None

    @classmethod
    def of(cls, dag_id: str, instance: Instance, values: Values) -> ManifestOwner:
        """Return the owner, with the inputs that Airflow has of it."""
        inputs = Inputs.rendered(values.rendered) if instance.kind is Kind.BATCH else None
        return cls(dag_id, instance, values, inputs)


def line_card(
    owner: ManifestOwner, place: str, line: Mapping[str, Any] | None, note: str, rules: MediaRules
) -> Card:
    """
    Return the card of a line.

    :param place: what names the line in the URLs of its media.
    :param line: None if it can't be shown.
    :param note: why not.
    """
    key = owner.instance.key
    log = log_page(owner.dag_id, key)
    if line is None:
        title = f"Item {int(place) + 1:,}" if place.isdecimal() else f"Line at byte {place[1:]}"
        return Card(
            id=place,
            title=title,
            state=CardState.NOT_RUN,
            task_id=key.task_id,
            map_index=key.map_index,
            error=note or _UNREADABLE,
            links={"log": log},
        )
    is_item = owner.instance.kind is Kind.BATCH
    result = read_run(line)
    inputs = _item_inputs(owner, line) if is_item else None
    error = text(line.get("error"), LONGEST_ERROR)
    landing = Landing(owner.dag_id, owner.instance, owner.values.rendered, place)
    return Card(
        id=place,
        title=_item_title(line, place) if is_item else f"Wiro task {result.wiro_task_id or '?'}",
        state=item_state(line.get("status")) if is_item else _task_state(result.state, error),
        task_id=key.task_id,
        map_index=key.map_index,
        model=result.model or (owner.inputs.model if owner.inputs else None) or _static_model(owner),
        prompt=inputs.prompt if inputs else None,
        parameters=(*_data(line), *(inputs.main if inputs else ())),
        seed=inputs.seed if inputs else None,
        wiro_task_id=result.wiro_task_id,
        text=result.text,
        finish_reason=result.finish_reason,
        error=error,
        cost_usd=result.cost_usd,
        elapsed_seconds=result.elapsed_seconds,
        media=landed_media(result.landed, landing, rules) or unlanded_media(result.outputs, rules),
        links=_links(owner, log, result.wiro_task_id),
        code=code_of(replace(inputs, label=text(line.get("id")))) if inputs else None,
    )


def _item_title(line: Mapping[str, Any], place: str) -> str:
    number = whole(line.get("item"))
    named = text(line.get("id"), LONGEST_TITLE)
    return named or f"Item {(int(place) if number is None and place.isdecimal() else number or 0) + 1:,}"


def _item_inputs(owner: ManifestOwner, line: Mapping[str, Any]) -> Inputs | None:
    """Return an item's inputs: by its line; in manifests of earlier versions by the batch's arguments."""
    found = mapping(line.get("input"))
    if not found and "input" not in line:
        found = _listed_item(owner, line)
    if owner.inputs is None and not found:
        return None
    own = Inputs.rendered({"parameters": found.get("parameters"), "files": found.get("files")})
    if own is None or not (found or owner.inputs):
        return None
    is_known = "input" in line or bool(found)
    base = owner.inputs or Inputs(_static_model(owner), is_whole=False)
    return replace(base.with_own(own), is_whole=base.is_whole and own.is_whole and is_known and not own.files)


def _listed_item(owner: ManifestOwner, line: Mapping[str, Any]) -> Mapping[str, Any]:
    number = whole(line.get("item"))
    listed = items(mapping(owner.values.rendered).get("inputs"), 100_000)
    if number is None or number >= len(listed):
        return {}
    item = mapping(listed[number])
    if item.keys() <= {"id", "parameters", "files", "data"} and item.keys() & {"parameters", "files"}:
        return item
    return {"parameters": item}


def _data(line: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = list(mapping(line.get("data")).items())[:_MOST_DATA]
    return tuple((shown(str(name), 100), shown(value)) for name, value in found)


def _task_state(state: str | None, error: str | None) -> CardState:
    if error is not None and state == "succeeded":
        return CardState.FAILED  # of its landing
    return run_state(state) or (CardState.FAILED if error else CardState.NOT_RUN)


def _static_model(owner: ManifestOwner) -> str | None:
    return text(owner.instance.task.arguments.get("model"))


def _links(owner: ManifestOwner, log: str, wiro_task_id: str | None) -> dict[str, str]:
    found = links_of(log, [owner.values])
    page = web_page(owner.values.xcoms.get("wiro_task_url"))
    if page is not None and wiro_task_id is not None:
        # The batch's own link is the model's page, to which an id is added as its operator does.
        found["wiro"] = f"{page.partition('#')[0]}#task-{quote(wiro_task_id, safe='')}"
    return found
