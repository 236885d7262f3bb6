"""Presigned: a short-lived URL of one object, which a real S3 server takes, and only for what it was made."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pytest
import requests
from botocore.awsrequest import AWSResponse

from airflow_provider_wiro.gallery.media import origin_of, presigned, respond
from airflow_provider_wiro.gallery.media.stored import stored_output
from airflow_provider_wiro.gallery.ranged import s3_clients
from tests.gallery.media.outputs import KEY, an_output, put
from tests.transfers.gateway import connect_s3, connections_read
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.gallery.media.media_server import MediaServer
    from tests.programs.system.seaweedfs import SeaweedFS
    from tests.transfers.gateway import Gateway
    from tests.transfers.s3 import S3
    from tests.transfers.seaweedfs_bucket import Bucket

BODY = bytes(range(256)) * 40


@pytest.fixture
def location(bucket: Bucket, media: MediaServer) -> str:
    """The presigned URL of a film, as a browser gets it."""
    put(bucket.client, BODY)
    media.outputs["film"] = an_output()
    return redirected(media)


def redirected(media: MediaServer, **headers: str) -> str:
    found = requests.get(f"{media.url}/film", headers=headers, timeout=30, allow_redirects=False)
    assert (found.status_code, found.content) == (302, b"")
    assert found.headers["Cache-Control"] == "private, no-store"
    return found.headers["Location"]


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_browser_gets_the_object_with_a_type_of_our_table_and_not_its_own(location: str) -> None:
    found = requests.get(location, timeout=30)
    assert (found.status_code, found.content) == (200, BODY)
    assert found.headers["Content-Type"] == "video/mp4"
    assert found.headers["Content-Disposition"].startswith("inline; filename=")


def test_a_film_is_sought_in_by_ranges(location: str) -> None:
    found = requests.get(location, headers={"Range": "bytes=100-199"}, timeout=30)
    assert (found.status_code, found.content) == (206, BODY[100:200])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "POST"])
def test_the_url_is_for_reading_alone(location: str, bucket: Bucket, method: str) -> None:
    assert requests.request(method, location, data=b"x", timeout=30).status_code in {400, 403, 405, 411, 501}
    assert bucket.client.get_object(Bucket=BUCKET, Key=KEY)["Body"].read() == BODY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("video%2Fmp4", "text%2Fhtml"),
        ("X-Amz-Expires=900", "X-Amz-Expires=90000"),
        ("/0-film", "/1-film"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        ("inline", "attachment"),
    ],
)
def test_a_url_that_was_changed_is_refused(location: str, bucket: Bucket, old: str, new: str) -> None:
    put(bucket.client, b"another", key=KEY.replace("/0-film", "/1-film"))
    assert old in location
    assert requests.get(location.replace(old, new), timeout=30).status_code == 403


def test_a_url_is_refused_once_its_time_is_over(
    bucket: Bucket, media: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket.client, BODY)
    media.outputs["film"] = an_output()
    monkeypatch.setattr(presigned, "SECONDS", 1)
    url = redirected(media)
    deadline = time.monotonic() + 15
    while requests.get(url, timeout=30).status_code != 403:
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_the_url_is_signed_with_version_4_and_lives_for_fifteen_minutes(location: str) -> None:
    found = query(location)
    assert (found["X-Amz-Algorithm"], found["X-Amz-Expires"]) == ("AWS4-HMAC-SHA256", "900")
    assert found["X-Amz-SignedHeaders"] == "host"


def test_what_a_browser_could_run_is_only_saved(bucket: Bucket, media: MediaServer) -> None:
    put(bucket.client, b"<svg onload='alert(1)'/>", ContentType="image/svg+xml")
    media.outputs["film"] = an_output("image/svg+xml", '"><script>.svg')
    found = requests.get(redirected(media), timeout=30)
    assert found.headers["Content-Type"] == "application/octet-stream"
    assert found.headers["Content-Disposition"] == 'attachment; filename="___script_.svg"'


def test_head_is_answered_without_a_url(bucket: Bucket, media: MediaServer) -> None:
    put(bucket.client, BODY)
    media.outputs["film"] = an_output()
    found = requests.head(f"{media.url}/film", timeout=30, allow_redirects=False)
    assert (found.status_code, found.headers["Content-Length"]) == (200, str(len(BODY)))


def test_the_origin_for_the_pages_policy_is_that_of_the_url(location: str) -> None:
    parts = urlsplit(location)
    assert origin_of(f"s3://{BUCKET}/any/key.png", "aws_default") == f"{parts.scheme}://{parts.netloc}"


def test_there_is_no_origin_but_airflows_own_where_bytes_are_streamed(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    del bucket
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", "streamed")
    assert origin_of(f"s3://{BUCKET}/any/key.png", "aws_default") is None
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", "presigned")
    for uri in ("gs://bucket/0.png", "file:///x/0.png", "s3://", "", "s3://outputs/a/../b"):
        assert origin_of(uri, "aws_default") is None
    assert origin_of(f"s3://{BUCKET}/any/key.png", "no_such_connection") is None


def test_jumps_in_a_film_ask_the_store_once(s3: S3, store: Gateway, media: MediaServer) -> None:
    put(s3.client, BODY)
    media.outputs["film"] = an_output()
    for start in range(10):
        redirected(media, Range=f"bytes={start}-")
    assert [request.method for request in store.requests] == ["HEAD"]


# -- connections


def presigned_by(uri: str = f"s3://{BUCKET}/{KEY}", conn_id: str = "aws_default") -> str:
    output = an_output(uri=uri, aws_conn_id=conn_id)
    stored: Any = stored_output(output)
    return presigned.presigned_url(stored, output)


@pytest.mark.parametrize(
    ("extra", "host", "path"),
    [
        ({"region_name": "eu-central-1"}, "outputs.s3.eu-central-1.amazonaws.com", "/wiro/"),
        ({"region_name": "us-east-1"}, "outputs.s3.amazonaws.com", "/wiro/"),
        ({"region_name": "us-gov-west-1"}, "outputs.s3.us-gov-west-1.amazonaws.com", "/wiro/"),
        ({"region_name": "cn-north-1"}, "outputs.s3.cn-north-1.amazonaws.com.cn", "/wiro/"),
        (
            {"region_name": "eu-west-1", "config_kwargs": {"s3": {"addressing_style": "path"}}},
            "outputs.s3.eu-west-1.amazonaws.com",
            "/wiro/",
        ),
        ({"endpoint_url": "https://minio.example:9000"}, "minio.example:9000", "/outputs/wiro/"),
        (
            {
                "endpoint_url": "https://store.example",
                "config_kwargs": {"s3": {"addressing_style": "virtual"}},
            },
            "outputs.store.example",
            "/wiro/",
        ),
        (
            {"service_config": {"s3": {"endpoint_url": "https://only-s3.example"}}},
            "only-s3.example",
            "/outputs/wiro/",
        ),
    ],
)
def test_the_url_has_the_address_of_the_connection(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], host: str, path: str
) -> None:
    connect_s3(monkeypatch, **extra)
    url = urlsplit(presigned_by())
    assert (url.netloc, url.path[: len(path)]) == (host, path)
    assert query(urlunsplit(url))["X-Amz-Credential"].split("/")[2] == extra.get("region_name", "us-east-1")


def test_a_session_token_is_in_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    connect_s3(monkeypatch, aws_session_token="TOKEN")
    assert query(presigned_by())["X-Amz-Security-Token"] == "TOKEN"


def test_an_assumed_roles_credentials_sign(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    role = "arn:aws:iam::123456789012:role/wiro-gallery"
    endpoints = {"sts": {"endpoint_url": s3.endpoint_url}}
    connect_s3(monkeypatch, service_config=endpoints, role_arn=role)
    found = query(presigned_by())
    assert found["X-Amz-Credential"].startswith("ASIA")
    assert found["X-Amz-Security-Token"]


def test_a_bucket_in_another_region_is_signed_for_its_own_region(monkeypatch: pytest.MonkeyPatch) -> None:
    connect_s3(monkeypatch, region_name="us-east-1")
    asked: list[str] = []

    class Body(io.BytesIO):
        def stream(self, *_: Any, **__: Any) -> Any:
            yield self.read()

    def send(request: Any, **_: Any) -> AWSResponse:
        asked.append(request.url)
        if "eu-central-1" not in request.url:
            return AWSResponse(request.url, 400, {"x-amz-bucket-region": "eu-central-1"}, Body())
        named = {
            f"x-amz-meta-{name}": value
            for name, value in {"wiro-task-id": "2221", "airflow-dag-id": "covers"}.items()
        }
        return AWSResponse(request.url, 200, {"content-length": "5", "etag": '"x"', **named}, Body())

    s3_clients.s3_client("aws_default").meta.events.register("before-send.s3", send)
    answer = respond(an_output(), {}, "GET")
    url = answer.headers["location"]
    assert urlsplit(url).netloc == "outputs.s3.eu-central-1.amazonaws.com"
    assert query(url)["X-Amz-Credential"].split("/")[2] == "eu-central-1"
    assert len(asked) == 2


def test_a_changed_connection_is_seen_after_a_minute_and_read_once_until_then(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    del s3
    clock = [0.0]
    monkeypatch.setattr(s3_clients._clients, "_clock", lambda: clock[0])
    connect_s3(monkeypatch, endpoint_url="https://old.example")
    read = connections_read(monkeypatch)
    assert {urlsplit(presigned_by()).netloc for _ in range(20)} == {"old.example"}
    assert read == ["aws_default"]
    connect_s3(monkeypatch, endpoint_url="https://new.example")
    clock[0] = s3_clients.KEPT_SECONDS
    assert urlsplit(presigned_by()).netloc == "new.example"


def test_the_connection_in_a_uri_is_never_used(s3: S3, media: MediaServer, monkeypatch: Any) -> None:
    fields = {
        "conn_type": "aws",
        "login": "THEIRS",
        "password": "b",
        "extra": {"endpoint_url": s3.endpoint_url},
    }
    monkeypatch.setenv("AIRFLOW_CONN_THEIRS", json.dumps(fields))
    put(s3.client, BODY)
    media.outputs["film"] = an_output(uri=f"s3://theirs@{BUCKET}/{KEY}")
    url = redirected(media)
    assert query(url)["X-Amz-Credential"].startswith("a/")
    assert urlsplit(url).path.startswith(f"/{BUCKET}/")


def test_a_wrong_option_is_said_and_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WIRO__GALLERY_MEDIA", "somehow")
    with pytest.raises(Exception, match="gallery_media is 'somehow'"):
        respond(an_output(), {}, "GET")


def test_neither_keys_nor_signatures_are_logged(
    bucket: Bucket,
    seaweedfs: SeaweedFS,
    media: MediaServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(bucket.client, BODY)
    media.outputs["film"] = an_output()
    caplog.set_level("INFO")
    signature = query(redirected(media))["X-Amz-Signature"]
    connect_s3(monkeypatch, keys=(seaweedfs.access_key, "wrong"), endpoint_url=seaweedfs.endpoint)
    s3_clients._clients.clear()
    media.outputs["film"] = an_output(uri=f"s3://{BUCKET}/other")
    answer = requests.get(f"{media.url}/film", timeout=30, allow_redirects=False)
    assert answer.status_code == 502
    for secret in (seaweedfs.access_key, seaweedfs.secret_key, signature):
        assert secret not in caplog.text + answer.text
