"""An object says where it comes from, in a form that S3 takes, and whatever its user says of it stays."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.landing.provenance import Provenance, tag_set, tagging_header, with_digest
from airflow_provider_wiro.landing.user_metadata import MAX_METADATA_BYTES, MAX_TAGS, user_tags

SHA256 = "a" * 64
ORIGIN = Provenance(
    "2221", "retroAIx/Retro-Cartoons", "nightly", "manual__2026-11-23T06:30:46+00:00", "to_s3", 3
)


def size_of(metadata: dict[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in metadata.items())


def test_metadata_names_the_wiro_task_the_output_the_model_and_the_airflow_task() -> None:
    assert ORIGIN.metadata("0json") == {
        "wiro-task-id": "2221",
        "wiro-output": "0json",
        "wiro-model": "retroAIx/Retro-Cartoons",
        "airflow-dag-id": "nightly",
        "airflow-run-id": "manual__2026-11-23T06:30:46+00:00",
        "airflow-task-id": "to_s3",
        "airflow-map-index": "3",
    }


def test_what_is_not_known_is_left_out() -> None:
    origin = Provenance.of(Task(id="2221", status="task_postprocess_end"), None, object())
    assert origin.metadata("0") == {"wiro-task-id": "2221", "wiro-output": "0"}


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://api.wiro.ai/v1", "api.wiro.ai"),
        ("https://API.wiro.ai:443/v1", "api.wiro.ai"),
        ("http://127.0.0.1:8900/v1", "127.0.0.1:8900"),
    ],
)
def test_the_host_of_the_api_is_part_of_the_identity(base_url: str, host: str) -> None:
    origin = Provenance.of(Task(id="2221", status="task_postprocess_end"), None, object(), base_url)
    identity = {"wiro-api": host, "wiro-task-id": "2221", "wiro-output": "0"}
    assert origin.identity("0") == origin.metadata("0") == identity


def test_a_long_host_gives_way_to_the_users_metadata() -> None:
    """Then the object is not known again by its metadata, and its bytes are compared."""
    origin = Provenance("2221", api=f"{'a' * 60}.example")
    assert "wiro-api" in origin.metadata("0", {"k": "v" * 1800})
    assert "wiro-api" not in origin.metadata("0", {"k": "v" * 1890})


def test_an_unmapped_task_instance_has_no_map_index() -> None:
    instance = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=2)
    origin = Provenance.of(Task(id="2221", status="x", model="wiro/b"), "wiro/B", instance)
    assert origin == Provenance("2221", "wiro/B", "d", "r", "t", None, 2)


def test_a_name_of_the_users_stays_but_for_the_identity() -> None:
    metadata = ORIGIN.metadata(
        "0", {"Wiro-Model": "mine", "airflow-dag-id": "mine", "wiro-task-id": "0", "team": "art"}
    )
    assert (metadata["Wiro-Model"], metadata["airflow-dag-id"], metadata["team"]) == ("mine", "mine", "art")
    assert "wiro-model" not in metadata
    assert metadata["wiro-task-id"] == "2221"


@pytest.mark.parametrize("name", ["gün doğdu 日本語 🎨", "a\r\nX-Evil: 1", "50% \ud800", "\x00"])
def test_metadata_is_printable_ascii_whatever_a_dag_is_called(name: str) -> None:
    metadata = Provenance("2221", name, name, name, name).metadata("0")
    assert len(metadata) == 6
    for value in metadata.values():
        assert value.isascii()
        assert value.isprintable()


@pytest.mark.parametrize("length", [0, 300, 1000, 1900, 2100])
def test_the_providers_metadata_gives_way_before_it_is_more_than_s3_takes(length: int) -> None:
    origin = Provenance("2221", "m" * 200, "d" * 250, "r" * 250, "t" * 250)
    metadata = origin.metadata("0", {"k": "v" * length})
    assert metadata["k"] == "v" * length
    assert (metadata["wiro-task-id"], metadata["wiro-output"]) == ("2221", "0")
    with_sha256 = size_of(metadata) + len("sha256") + 64
    assert with_sha256 <= MAX_METADATA_BYTES or len(metadata) == 3


def test_the_dag_is_named_however_long_what_is_for_people_is() -> None:
    """Who may see an object in the gallery goes by it."""
    wordy = Provenance("2221", "m" * 200, "nightly", label="ü" * 300, item_id="日" * 200, api="api.wiro.ai")
    assert wordy.metadata("0")["airflow-dag-id"] == "nightly"
    assert wordy.metadata("0", {"team": "v" * 1500})["airflow-dag-id"] == "nightly"


# -- tags


def test_tags_given_both_ways_are_merged_and_the_providers_give_way() -> None:
    tags = ORIGIN.tags(user_tags("team=art%20dept&kind=a%2Fb", {"kind": "draft", "wiro-model": "mine"}))
    assert tags["team"] == "art dept"
    assert tags["kind"] == "draft"
    assert tags["wiro-model"] == "mine"
    assert tags["wiro-task-id"] == "2221"
    assert tags["airflow-dag-id"] == "nightly"


@pytest.mark.parametrize("given", range(MAX_TAGS + 1))
def test_there_are_never_more_tags_than_s3_takes_and_the_users_are_all_there(given: int) -> None:
    own = {f"t{index}": "v" for index in range(given)}
    tags = with_digest(ORIGIN.tags(user_tags(None, own)), SHA256)
    assert own.items() <= tags.items()
    assert len(tags) <= MAX_TAGS
    assert ("sha256" in tags) == (given < MAX_TAGS)


def test_tags_have_only_what_s3_allows() -> None:
    tags = Provenance("2221", "a&b", "dag(1)", "r" * 300, "gün").tags({})
    assert tags["wiro-model"] == "a_b"
    assert tags["airflow-dag-id"] == "dag_1_"
    assert tags["airflow-run-id"] == "r" * 256
    assert tags["airflow-task-id"] == "gün"


def test_tags_are_written_as_boto3_takes_them() -> None:
    tags = {"a b": "c&d=e/ü+", "empty": ""}
    header = tagging_header(tags)
    assert header.isascii()
    assert parse_qs(header, keep_blank_values=True) == {"a b": ["c&d=e/ü+"], "empty": [""]}
    assert tag_set(tags)["TagSet"][0] == {"Key": "a b", "Value": "c&d=e/ü+"}


@pytest.mark.parametrize(
    ("tagging", "more"),
    [
        (None, {"k" * 129: "v"}),
        (None, {"k": "v" * 257}),
        (None, {"": "v"}),
        (None, {"aws:k": "v"}),
        (None, {"k": "v&w"}),
        (None, {"k": 1}),
        (None, {str(index): "v" for index in range(11)}),
        ("&".join(f"{index}=v" for index in range(11)), True),
        ({"k": "v"}, True),
    ],
)
def test_tags_that_s3_would_refuse_are_refused_here(tagging: object, more: object) -> None:
    with pytest.raises(WiroUsageError):
        user_tags(tagging, more)
