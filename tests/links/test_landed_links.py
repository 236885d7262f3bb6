"""The buttons "First output", "In S3" and "Manifest": what is stored, and what they show."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_wiro.links import landed
from airflow_provider_wiro.links.consoles import Console
from airflow_provider_wiro.links.landed import (
    S3_LINKS,
    STORAGE_LINKS,
    Places,
    WiroFirstOutputLink,
    WiroManifestLink,
    WiroS3Link,
    begin_without_links,
    show_links,
)
from airflow_provider_wiro.links.output_urls import MOST_LOGGED, log_landed, log_outputs, shown_url
from airflow_provider_wiro.links.s3_console import console_of
from tests.operators.fakes import FakeLog, FakeTi

AWS = Console("https://s3.eu-west-1.amazonaws.com", "eu-west-1")
PLACES = Places("s3://media/wiro/7/0.png", "s3://media/wiro/7/", "s3://media/wiro/7/manifest.json")


class Operator:
    operator_extra_links: tuple[Any, ...] = S3_LINKS


class NoXCom:
    @staticmethod
    def get_value(*, key: str, ti_key: Any) -> Any:
        raise AssertionError(f"asked for {key}, which Airflow logs as an error where it is missing")


def link_of(kind: type, operator: Any) -> str:
    found: str = kind().get_link(operator, ti_key=FakeTi())
    return found


def test_what_is_stored_is_what_the_buttons_show(monkeypatch: pytest.MonkeyPatch) -> None:
    operator, ti = Operator(), FakeTi()
    begin_without_links(operator)  # type: ignore[arg-type]

    show_links(operator, {"ti": ti}, AWS, PLACES)  # type: ignore[arg-type]

    assert ti.xcoms == {
        "wiro_first_output_url": AWS.page("s3://media/wiro/7/0.png"),
        "wiro_s3_url": AWS.page("s3://media/wiro/7/"),
        "wiro_manifest_url": AWS.page("s3://media/wiro/7/manifest.json"),
    }
    monkeypatch.setattr(landed, "XCom", NoXCom)
    for link in S3_LINKS:
        assert link.get_link(operator, ti_key=ti) == ti.xcoms[link.xcom_key]  # type: ignore[arg-type]


def test_a_webserver_reads_what_the_worker_has_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stored:
        @staticmethod
        def get_value(*, key: str, ti_key: Any) -> Any:
            assert ti_key == "the task instance"
            return {"wiro_s3_url": "https://example.com/"}.get(key)

    monkeypatch.setattr(landed, "XCom", Stored)
    operator: Any = object()

    assert WiroS3Link().get_link(operator, ti_key="the task instance") == "https://example.com/"  # type: ignore[arg-type]
    assert WiroManifestLink().get_link(operator, ti_key="the task instance") == ""  # type: ignore[arg-type]


def test_a_try_that_stores_nothing_reads_no_missing_xcom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landed, "XCom", NoXCom)
    operator = Operator()

    begin_without_links(operator)  # type: ignore[arg-type]

    assert [link_of(type(link), operator) for link in S3_LINKS] == ["", "", ""]


def test_an_earlier_tries_links_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landed, "XCom", NoXCom)
    operator = Operator()
    show_links(operator, {"ti": FakeTi()}, AWS, PLACES)  # type: ignore[arg-type]

    begin_without_links(operator)  # type: ignore[arg-type]

    assert link_of(WiroFirstOutputLink, operator) == ""


def test_a_place_without_a_page_has_no_button() -> None:
    operator, ti = Operator(), FakeTi()

    show_links(operator, {"ti": ti}, Console("http://127.0.0.1:9000", "us-east-1"), PLACES)  # type: ignore[arg-type]
    show_links(operator, {"ti": ti}, AWS, Places(None, None, "/data/manifest.json"))  # type: ignore[arg-type]

    assert ti.xcoms == {}


def test_a_link_that_was_stored_is_not_stored_again() -> None:
    operator, ti = Operator(), FakeTi()
    show_links(operator, {"ti": ti}, AWS, Places(folder="s3://media/wiro/"))  # type: ignore[arg-type]
    ti.xcoms.clear()

    show_links(operator, {"ti": ti}, AWS, Places("s3://media/wiro/0.png", "s3://media/wiro/"))  # type: ignore[arg-type]

    assert list(ti.xcoms) == ["wiro_first_output_url"]
    assert link_of(WiroS3Link, operator) == AWS.page("s3://media/wiro/")


def test_no_link_fails_a_task_that_succeeded(caplog: pytest.LogCaptureFixture) -> None:
    class BrokenTi(FakeTi):
        def xcom_push(self, key: str, value: Any) -> None:
            raise ConnectionError("the API server is away")

    operator = Operator()

    show_links(operator, {"ti": BrokenTi()}, AWS, PLACES)  # type: ignore[arg-type]

    assert "The links to the outputs could not be stored in XCom." in caplog.text
    assert link_of(WiroS3Link, operator) == ""


def test_outputs_anywhere_have_a_button_that_does_not_say_s3() -> None:
    operator, ti = Operator(), FakeTi()
    operator.operator_extra_links = STORAGE_LINKS

    show_links(operator, {"ti": ti}, Console(), Places(folder="gs://media/wiro/"))  # type: ignore[arg-type]

    assert ti.xcoms == {"wiro_storage_url": "https://console.cloud.google.com/storage/browser/media/wiro/"}
    assert [link.name for link in STORAGE_LINKS] == ["First output", "In storage", "Manifest"]
    assert [link.name for link in S3_LINKS] == ["First output", "In S3", "Manifest"]
    links = (*S3_LINKS, *STORAGE_LINKS)
    assert len({link.xcom_key for link in links}) == len({type(link) for link in links}) == 4


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://cdn1.wiro.ai/a-b/0.png", "https://cdn1.wiro.ai/a-b/0.png"),
        ("http://127.0.0.1:8900/cdn/0.png", "http://127.0.0.1:8900/cdn/0.png"),
        ("https://cdn1.wiro.ai/zürich 1.png", "https://cdn1.wiro.ai/z%C3%BCrich%201.png"),
        ('https://cdn1.wiro.ai/"onclick="x', "https://cdn1.wiro.ai/%22onclick=%22x"),
        ("https://cdn1.wiro.ai/0.png?Expires=1&Signature=abcdef", None),
        ("https://cdn1.wiro.ai/0.png?X-Amz-Signature=abcdef", None),
        ("https://user:secret@cdn1.wiro.ai/0.png", None),
        ("javascript:alert(1)", None),
        ("data:image/png;base64,AAAA", None),
        ("https:///0.png", None),
        ("https://[broken/0.png", None),
        (None, None),
    ],
)
def test_only_a_web_address_without_a_secret_is_shown(url: str | None, shown: str | None) -> None:
    assert shown_url(url) == shown
    operator, ti = Operator(), FakeTi()
    show_links(operator, {"ti": ti}, AWS, Places(url))  # type: ignore[arg-type]
    assert ti.xcoms == ({} if shown is None else {"wiro_first_output_url": shown})


def test_where_outputs_landed_is_logged_with_their_pages() -> None:
    log = FakeLog()

    log_landed(log, AWS, ["s3://media/0.png"], 1)
    log_landed(log, Console("http://127.0.0.1:9000", None), ["s3://media/1.png"], 1)

    assert log.lines == [
        f"Output: s3://media/0.png {AWS.page('s3://media/0.png')}",
        "Output: s3://media/1.png",
    ]


def test_of_many_outputs_the_first_are_logged_and_the_others_counted() -> None:
    log = FakeLog()

    log_landed(log, AWS, [f"s3://media/{index}.png" for index in range(50)], 1200)

    assert len(log.lines) == MOST_LOGGED + 1
    assert log.lines[-1] == "1,180 further outputs are not logged one by one."


def test_a_signed_link_is_not_logged_and_the_log_says_so() -> None:
    log = FakeLog()

    log_outputs(
        log,
        [
            {"name": "0.png", "url": "https://cdn1.wiro.ai/0.png"},
            {"name": "1.png", "url": "https://cdn1.wiro.ai/1.png?Signature=do-not-show"},
            {"name": None, "url": None},
        ],
        3,
    )

    assert log.lines == [
        "Output: https://cdn1.wiro.ai/0.png",
        "Output: 1.png. Its link is not logged: it has a signature or another secret in it.",
        "Output: unnamed, which has no link.",
    ]
    assert "do-not-show" not in log


class Client:
    class meta:  # noqa: N801  as boto3 has it
        endpoint_url = "https://s3.eu-west-1.amazonaws.com"
        region_name = "eu-west-1"


def test_the_console_of_a_client_is_known_without_a_request() -> None:
    assert console_of(Client) == AWS
    assert console_of() == Console()


def test_a_bad_template_is_reported_and_makes_no_links(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__S3_CONSOLE_URL", "https://minio.example.com/")

    assert console_of(Client) == AWS

    assert "No links are made by [wiro] s3_console_url: it has no {bucket}." in caplog.text
    monkeypatch.setenv("AIRFLOW__WIRO__S3_CONSOLE_URL", "https://minio.example.com/{bucket}/{key}")
    assert console_of(Client).template == "https://minio.example.com/{bucket}/{key}"
