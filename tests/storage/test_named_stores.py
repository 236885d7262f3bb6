"""A card, or another task's result, leads only to the stores that the DAG itself names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.storage.named_stores import LocalPlace, NamedStores, S3Place, StorePlace

if TYPE_CHECKING:
    from pathlib import Path

S3 = NamedStores("s3://cards_conn@cards/prefix", "aws_default")
GOOGLE = NamedStores("gs://google_cloud_default@cards/prefix", "aws_default")


@pytest.mark.parametrize(
    ("stores", "uri", "place"),
    [
        (S3, "s3://outputs/a/b.png", S3Place("aws_default", "outputs", "a/b.png")),
        (S3, "s3://outputs/a b+%20.png", S3Place("aws_default", "outputs", "a b+%20.png")),
        (S3, "s3://cards_conn@outputs/b.png", S3Place("cards_conn", "outputs", "b.png")),
        (S3, "s3://aws_default@outputs/b.png", S3Place("aws_default", "outputs", "b.png")),
        (GOOGLE, "s3://outputs/b.png", S3Place("aws_default", "outputs", "b.png")),
        (GOOGLE, "gs://google_cloud_default@b/c.png", StorePlace("gs://google_cloud_default@b/c.png")),
        (NamedStores("s3://cards/x", None), "s3://outputs/b.png", S3Place(None, "outputs", "b.png")),
    ],
)
def test_what_the_dag_names_is_read_by_its_connection(
    stores: NamedStores, uri: str, place: S3Place | StorePlace
) -> None:
    assert stores.place_of(uri) == place


@pytest.mark.parametrize(
    ("stores", "uri"),
    [
        (S3, "s3://other@outputs/b.png"),
        (S3, "gs://google_cloud_default@b/c.png"),
        (S3, "file:///etc/passwd"),
        (S3, "/etc/passwd"),
        (S3, "s3://outputs/a/../../b.png"),
        (S3, "s3://outputs/"),
        (S3, "s3:///b.png"),
        (S3, "https://outputs.test/b.png"),
        (S3, ""),
        (GOOGLE, "gs://other@b/c.png"),
        (GOOGLE, "gs://b/c.png"),
        (GOOGLE, "gs://google_cloud_default@b/../c.png"),
        (GOOGLE, "s3://google_cloud_default@outputs/b.png"),
    ],
)
def test_anything_else_is_refused(stores: NamedStores, uri: str) -> None:
    with pytest.raises(WiroUsageError):
        stores.place_of(uri)


def test_local_files_are_read_below_the_folder_alone_symbolic_links_resolved(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    (folder / "a").mkdir(parents=True)
    inside, outside = folder / "a" / "b.png", tmp_path / "c.png"
    inside.touch()
    outside.touch()
    (folder / "link.png").symlink_to(outside)
    (folder / "out").symlink_to(tmp_path)
    (tmp_path / "same").symlink_to(folder)
    stores = NamedStores(str(folder), "aws_default")
    assert stores.place_of(f"file://{inside}") == LocalPlace(inside.resolve())
    assert NamedStores(str(tmp_path / "same"), None).place_of(str(inside)) == LocalPlace(inside.resolve())
    for uri in (outside, folder / "link.png", folder / "out" / "c.png", folder, tmp_path / "results2" / "x"):
        with pytest.raises(WiroUsageError, match="is outside of the stores"):
            stores.place_of(f"file://{uri}")
