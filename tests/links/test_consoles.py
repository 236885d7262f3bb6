"""The consoles' pages: each store's own, by region; whatever an object is called, and none where unsure."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from airflow_provider_wiro.links.consoles import Console, common_folder, template_folder, template_problem

AWS = Console("https://s3.eu-west-1.amazonaws.com", "eu-west-1")


def test_an_object_and_a_folder_in_aws() -> None:
    assert AWS.page("s3://media/wiro/7/0.png") == (
        "https://eu-west-1.console.aws.amazon.com/s3/object/media?region=eu-west-1&prefix=wiro/7/0.png"
    )
    assert AWS.page("s3://media/wiro/7/") == (
        "https://eu-west-1.console.aws.amazon.com/s3/buckets/media?region=eu-west-1&prefix=wiro/7/"
    )
    assert AWS.page("s3://media/") == (
        "https://eu-west-1.console.aws.amazon.com/s3/buckets/media?region=eu-west-1"
    )


@pytest.mark.parametrize(
    ("endpoint", "region", "console"),
    [
        ("https://s3.amazonaws.com", "us-east-1", "us-east-1.console.aws.amazon.com"),
        ("https://s3.dualstack.eu-north-1.amazonaws.com", "eu-north-1", "eu-north-1.console.aws.amazon.com"),
        (
            "https://bucket.vpce-1-2.s3.us-east-2.vpce.amazonaws.com",
            "us-east-2",
            "us-east-2.console.aws.amazon.com",
        ),
        ("https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        (
            "https://s3.us-gov-west-1.amazonaws.com",
            "us-gov-west-1",
            "us-gov-west-1.console.amazonaws-us-gov.com",
        ),
        ("https://s3.amazonaws.com", "aws-global", "console.aws.amazon.com"),
        ("https://s3.amazonaws.com", "x.evil.example/", "console.aws.amazon.com"),
        ("https://s3.amazonaws.com", None, "console.aws.amazon.com"),
    ],
)
def test_each_partition_of_aws_has_its_own_console(endpoint: str, region: str | None, console: str) -> None:
    page = Console(endpoint, region).page("s3://media/a.png")

    assert page is not None
    assert urlsplit(page).netloc == console
    assert urlsplit(page).path == "/s3/object/media"


def test_an_access_point_has_the_region_of_its_arn() -> None:
    for form in ("accesspoint/mine", "accesspoint:mine"):
        page = AWS.page(f"s3://arn:aws-cn:s3:cn-north-1:123456789012:{form}/wiro/0.png")
        assert page == ("https://cn-north-1.console.amazonaws.cn/s3/ap/123456789012/mine?region=cn-north-1")


def test_a_directory_bucket_is_shown_with_the_folder_of_an_object() -> None:
    assert AWS.page("s3://media--euw1-az1--x-s3/wiro/7/0.png") == (
        "https://eu-west-1.console.aws.amazon.com/s3/buckets/media--euw1-az1--x-s3"
        "?region=eu-west-1&bucketType=directory&prefix=wiro/7/"
    )


@pytest.mark.parametrize(
    ("endpoint", "page"),
    [
        (
            "https://storage.googleapis.com",
            "https://console.cloud.google.com/storage/browser/_details/media/wiro/7/0.png",
        ),
        (
            f"https://{'0af' * 10}12.r2.cloudflarestorage.com",
            f"https://dash.cloudflare.com/{'0af' * 10}12/r2/default/buckets/media?prefix=wiro/7/",
        ),
        (
            f"https://{'0af' * 10}12.eu.r2.cloudflarestorage.com",
            f"https://dash.cloudflare.com/{'0af' * 10}12/r2/eu/buckets/media?prefix=wiro/7/",
        ),
        (
            "https://fra1.digitaloceanspaces.com",
            "https://cloud.digitalocean.com/spaces/media?path=wiro/7/",
        ),
        (
            "https://s3.fr-par.scw.cloud",
            "https://console.scaleway.com/object-storage/buckets/fr-par/media/files/wiro/7/",
        ),
        (
            "https://s3.eu-central-1.wasabisys.com",
            "https://console.wasabisys.com/file_manager/media?region=eu-central-1",
        ),
        ("https://s3.wasabisys.com", "https://console.wasabisys.com/file_manager/media"),
    ],
)
def test_other_stores_whose_consoles_are_known(endpoint: str, page: str) -> None:
    assert Console(endpoint, "us-east-1").page("s3://media/wiro/7/0.png") == page


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:9000",
        "https://s3.us-west-004.backblazeb2.com",
        "https://amazonaws.com.evil.example",
        "https://notamazonaws.com",
        "https://s3.fr-par.scw.cloud.evil.example",
        "",
    ],
)
def test_a_store_whose_console_is_not_known_has_no_page_but_by_the_template(endpoint: str) -> None:
    template = "https://minio.example.com/browser/{bucket}/{key}"

    assert Console(endpoint, "us-east-1").page("s3://media/wiro/0.png") is None
    assert Console(endpoint, "us-east-1", template).page("s3://media/wiro/ü 0.png") == (
        "https://minio.example.com/browser/media/wiro/%C3%BC%200.png"
    )


def test_a_store_that_is_not_known_at_all_has_no_page_in_s3() -> None:
    assert Console(template="https://minio.example.com/{bucket}").page("s3://media/0.png") is None


def test_a_template_does_not_replace_what_is_known() -> None:
    console = Console("https://s3.eu-west-1.amazonaws.com", "eu-west-1", "https://x.example/{bucket}")

    assert console.page("s3://media/0.png") == AWS.page("s3://media/0.png")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("https://x.example/{bucket}/{key}", None),
        ("http://x.example:9001/browser/{bucket}?path={key}", None),
        ("https://x.example/", "it has no {bucket}"),
        ("https://x.example/{bucket}/{name}", "no other placeholder"),
        ("https://x.example/{bucket.__class__}", "no other placeholder"),
        ("https://x.example/{bucket!r}", "no other placeholder"),
        ("https://x.example/{}", "no other placeholder"),
        ("https://x.example/{bucket", "its braces don't match"),
        ("javascript:alert({bucket})", "no http"),
        ("https://{bucket}.example/{key}", "in its host"),
        ("ftp://x.example/{bucket}", "no http"),
    ],
)
def test_a_template_that_cant_be_right_makes_no_links(template: str, problem: str | None) -> None:
    found = template_problem(template)

    assert (found is None) == (problem is None)
    assert problem is None or problem in (found or "")
    page = Console("http://127.0.0.1:9000", None, template).page("s3://media/0.png")
    assert (page is None) == (problem is not None)


@pytest.mark.parametrize("uri", ["file:///data/0.png", "/data/0.png", "abfs://c@account/0.png", "s3://", ""])
def test_what_has_no_page(uri: str) -> None:
    assert AWS.page(uri) is None


def test_a_connection_in_a_uri_is_not_shown() -> None:
    assert AWS.page("s3://aws_prod@media/0.png") == AWS.page("s3://media/0.png")
    assert Console().page("gs://google_cloud_default@media/a/0.png") == (
        "https://console.cloud.google.com/storage/browser/_details/media/a/0.png"
    )
    assert Console().page("gs://media/a/") == "https://console.cloud.google.com/storage/browser/media/a/"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:4443/storage/v1/",
        "https://storage.apis.example/",
        "https://googleapis.com.evil.example",
    ],
)
def test_a_store_that_speaks_googles_api_elsewhere_is_not_shown_as_googles(endpoint: str) -> None:
    template = "https://console.example.com/{bucket}/{key}"

    assert Console(endpoint).page("gs://media/a/0.png") is None
    assert Console(endpoint, None, template).page("gs://media/a/0.png") == (
        "https://console.example.com/media/a/0.png"
    )


def test_googles_regional_and_private_endpoints_are_googles() -> None:
    for host in ("storage", "storage.me-central2.rep", "storage-xyz.p", "private"):
        endpoint = f"https://{host}.googleapis.com/storage/v1/"
        assert Console(endpoint).page("gs://media/a/0.png") == Console().page("gs://media/a/0.png")


@pytest.mark.parametrize("alias", ["ap-abc123-s3alias", "ol-abc123--ol-s3", "ap--use1-az4--xa-s3"])
def test_an_access_points_alias_has_no_page_that_a_bucket_has(alias: str) -> None:
    assert AWS.page(f"s3://{alias}/wiro/0.png") is None


HOSTILE = [
    "a&region=evil",
    "a#fragment",
    "a?x=1",
    "a%2f..%2f",
    "<script>alert(1)</script>",
    '" onclick="x',
    "zürich 日本.png",
    "a\\b",
    "\ud800",
    "line\nbreak",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "endpoint",
    [
        "https://s3.eu-west-1.amazonaws.com",
        "https://storage.googleapis.com",
        f"https://{'0' * 32}.r2.cloudflarestorage.com",
        "https://fra1.digitaloceanspaces.com",
        "https://s3.fr-par.scw.cloud",
        "http://127.0.0.1:9000",
    ],
)
def test_a_hostile_name_stays_in_its_place(name: str, endpoint: str) -> None:
    console = Console(endpoint, "eu-west-1", "https://minio.example.com/browser/{bucket}?path={key}")
    for key in (name, f"{name}/"):
        page, harmless = console.page(f"s3://media/wiro/{key}"), console.page("s3://media/wiro/x/")

        assert page is not None
        assert harmless is not None
        assert page.isascii()
        assert not set(page) & set(" <>\"'\\\n#")
        assert urlsplit(page).netloc == urlsplit(harmless).netloc
        assert list(parse_qs(urlsplit(page).query)) == list(parse_qs(urlsplit(harmless).query))
        shown = unquote(page, errors="replace")
        assert name.encode("utf-8", "replace").decode() in shown or not key.endswith("/")


def test_the_folder_that_objects_share() -> None:
    assert common_folder([]) is None
    assert common_folder(["s3://media/wiro/7/0.png"]) == "s3://media/wiro/7/"
    assert common_folder(["s3://media/wiro/7/0.png", "s3://media/wiro/71/0.png"]) == "s3://media/wiro/"
    assert common_folder(["s3://media/a/0.png", "s3://media/b/0.png"]) == "s3://media/"
    assert common_folder(["s3://media/0.png"]) == "s3://media/"


def test_the_folder_of_a_key_template() -> None:
    assert template_folder("media", "wiro/{wiro_task_id}/{name}") == "s3://media/wiro/"
    assert template_folder("media", "wiro/shot-{id}.png") == "s3://media/wiro/"
    assert template_folder("media", "{name}") == "s3://media/"
    assert template_folder("media", "wiro/fixed.png") == "s3://media/wiro/"
