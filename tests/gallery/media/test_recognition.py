"""Only an object whose own metadata say that a transfer put it there for that very Wiro task is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from airflow_provider_wiro.gallery.media.disposition import content_disposition
from airflow_provider_wiro.gallery.media.recognition import why_not_recognised
from airflow_provider_wiro.gallery.media.shown_types import kind_of, sent_type
from airflow_provider_wiro.gallery.page import MediaKind
from airflow_provider_wiro.media_types.suffixes import OCTET_STREAM
from tests.gallery.media.outputs import an_output, metadata_of, put

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.gallery.media.media_server import MediaServer
    from tests.transfers.s3 import S3


@pytest.fixture(params=["streamed", "presigned"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", request.param)
    found: str = request.param
    return found


def status(media: MediaServer, **headers: str) -> int:
    return requests.get(f"{media.url}/it", headers=headers, timeout=30, allow_redirects=False).status_code


@pytest.mark.parametrize(
    ("metadata", "is_shown"),
    [
        (metadata_of(), True),
        (metadata_of(api=None), True),
        (metadata_of(task="2222"), False),
        (metadata_of(api="emulator.example"), False),
        ({}, False),
        ({"wiro-task-id": ""}, False),
        ({"wiro-task-id": "2221"}, False),
        ({"wiro-task-id": "2221", "airflow-dag-id": ""}, False),
        ({"wiro-task-id": "2221", "airflow-dag-id": "covers"}, True),
        ({"wiro_task_id": "2221"}, False),
        ({"x-wiro-task-id": "2221"}, False),
    ],
)
def test_an_object_is_shown_if_its_metadata_name_the_task(
    s3: S3, media: MediaServer, mode: str, metadata: Mapping[str, str], is_shown: bool
) -> None:
    put(s3.client, b"picture", metadata)
    media.outputs["it"] = an_output("image/png", "0.png", api="api.wiro.ai")
    shown = 302 if mode == "presigned" else 200
    assert status(media) == (shown if is_shown else 404)
    if not is_shown:  # in no way that a request may be made
        assert status(media, Range="bytes=0-") == status(media, Range="bytes=-5") == 404
        assert status(media, Range="bytes=99-") == 404
        assert requests.head(f"{media.url}/it", timeout=30).status_code == 404


def test_an_object_that_names_no_dag_is_for_nobody() -> None:
    """It could be any DAG's, and who writes XComs can name each Wiro task: ids are counted up."""
    of_any = {"wiro-task-id": "2221", "wiro-api": "api.wiro.ai"}
    assert why_not_recognised(an_output(), of_any, lambda _: True)
    assert why_not_recognised(an_output(dag_id=None), of_any, lambda _: True)
    assert why_not_recognised(an_output(dag_id=None), metadata_of(), lambda _: False)


def test_what_isnt_shown_says_nothing_of_the_object(s3: S3, media: MediaServer, mode: str) -> None:
    del mode
    put(s3.client, b"salaries", {"wiro-task-id": "7777", "secret": "s3cret"})
    media.outputs["it"] = an_output("image/png", "0.png")
    found = requests.get(f"{media.url}/it", timeout=30)
    assert "7777" not in found.text
    assert "cret" not in found.text
    assert "ETag" not in found.headers
    etag = s3.head(an_output().uri.removeprefix("s3://outputs/"))["ETag"]
    assert status(media, **{"If-None-Match": etag}) == 404


@pytest.mark.parametrize("dag_id", ["salaries", "sälaries", "a b%2F", "a" * 250])
def test_an_object_of_another_dag_is_for_those_who_may_see_that_one(
    s3: S3, media: MediaServer, mode: str, dag_id: str
) -> None:
    put(s3.client, b"picture", metadata_of(dag_id=dag_id))
    media.outputs["it"] = an_output("image/png", "0.png")
    asked: list[str] = []

    def refuse(other: str) -> bool:
        asked.append(other)
        return False

    media.may_see_dag = refuse
    assert status(media) == 404
    assert asked == [dag_id]
    media.may_see_dag = lambda other: other == dag_id
    assert status(media) == (302 if mode == "presigned" else 200)
    media.outputs["it"] = an_output("image/png", "0.png", dag_id=dag_id)
    media.may_see_dag = refuse
    assert status(media) != 404
    assert asked == [dag_id]


def test_an_answer_for_one_user_is_none_for_another(s3: S3, media: MediaServer, mode: str) -> None:
    del mode
    put(s3.client, b"picture", metadata_of(dag_id="salaries"))
    media.outputs["it"] = an_output("image/png", "0.png")
    media.may_see_dag = lambda _: True
    assert status(media) != 404
    media.may_see_dag = lambda _: False
    assert status(media) == 404


def test_a_result_without_a_task_is_no_task_of_an_object() -> None:
    assert why_not_recognised(an_output(wiro_task_id=""), {"wiro-task-id": ""}, lambda _: True)


# -- types and names


@pytest.mark.parametrize(
    ("content_type", "name", "kind"),
    [
        ("image/png", "0.png", MediaKind.IMAGE),
        ("IMAGE/JPG; x=y", "0", MediaKind.IMAGE),
        ("video/quicktime", "0.mov", MediaKind.VIDEO),
        ("audio/x-wav", "0.wav", MediaKind.AUDIO),
        ("audio/opus", "0.opus", MediaKind.AUDIO),
        (None, "0.webp", MediaKind.IMAGE),
        ("application/octet-stream", "0.mp4", MediaKind.VIDEO),
        ("image/svg+xml", "0.png", MediaKind.FILE),
        ("text/html", "0.mp4", MediaKind.FILE),
        ("application/pdf", "0.pdf", MediaKind.FILE),
        ("image/tiff", "0.tiff", MediaKind.FILE),
        ("raw", "", MediaKind.FILE),
        ("", "", MediaKind.FILE),
        ("image/", "0", MediaKind.FILE),
    ],
)
def test_only_known_pictures_films_and_tunes_are_shown(
    content_type: str | None, name: str, kind: MediaKind
) -> None:
    assert kind_of(content_type, name) is kind
    sent, is_shown = sent_type(content_type, name)
    assert is_shown is (kind is not MediaKind.FILE)
    assert sent.partition("/")[0] == kind.value if is_shown else sent == OCTET_STREAM


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("0.png", 'inline; filename="0.png"'),
        ('a"; filename="b.exe', 'inline; filename="a__ filename=_b.exe"'),
        ("a\r\nSet-Cookie: x", 'inline; filename="a__Set-Cookie_ x"'),
        ("../../etc/passwd", 'inline; filename="_.._etc_passwd"'),
        ("\u202egnp.exe", "inline; filename=\"_gnp.exe\"; filename*=UTF-8''%E2%80%AEgnp.exe"),
        ("\ud800.png", 'inline; filename="_.png"'),
        ("", "inline"),
        (" . ", "inline"),
    ],
)
def test_a_name_is_nothing_but_a_name(name: str, shown: str) -> None:
    found = content_disposition(name, is_shown=True)
    assert found == shown
    assert found.isascii()
    assert found.isprintable()


def test_a_long_name_keeps_its_suffix() -> None:
    found = content_disposition("x" * 10_000 + ".png", is_shown=False)
    assert found.startswith("attachment")
    assert found.endswith('.png"')
    assert len(found) < 300
