"""Roles that may do little, stores of other makes, access points, one client a task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from botocore.httpsession import URLLib3Session

from tests.transfers import gateway as stores
from tests.transfers.fake_wiro import IN_PARTS, PNG, transfer
from tests.transfers.gateway import connect_s3, connections_read
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.gateway import Gateway
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect")

KEY = "wiro/2221/0-0.png"
BOTH = pytest.mark.parametrize("body", [PNG, IN_PARTS], ids=["single", "parts"])


# -- roles that may do little


@BOTH
def test_without_list_bucket_outputs_and_manifest_land_and_are_skipped_next_time(
    wiro: Wiro, s3: S3, store: Gateway, body: bytes
) -> None:
    store.rules.append(stores.denies_missing)
    wiro.shows(wiro.file(body))
    first = transfer(manifest=True)
    assert s3.get(KEY) == body
    assert json.loads(s3.get("wiro/2221/manifest.json"))["wiro_task_id"] == "2221"
    again = transfer(manifest=True)
    assert [file["skipped"] for file in (*first["files"], *again["files"])] == [False, True]
    assert again["files"][0]["sha256"] == first["files"][0]["sha256"]


@BOTH
def test_without_list_bucket_nothing_is_overwritten(wiro: Wiro, s3: S3, store: Gateway, body: bytes) -> None:
    s3.put(KEY, b"somebody's")
    store.rules.append(stores.denies_missing)
    wiro.shows(wiro.file(body))
    with pytest.raises(AirflowFailException, match="is there already"):
        transfer()
    assert s3.get(KEY) == b"somebody's"


@BOTH
def test_a_role_that_may_only_put_lands(wiro: Wiro, s3: S3, store: Gateway, body: bytes) -> None:
    store.rules.append(stores.denies_sight)
    wiro.shows(wiro.file(body))
    (file,) = transfer()["files"]
    assert s3.get(KEY) == body
    assert (file["size"], file["skipped"]) == (len(body), False)
    assert file["etag"] == s3.head(KEY)["ETag"].strip('"')


@BOTH
def test_a_role_that_may_only_put_overwrites_nothing_and_the_error_says_what_it_needs(
    wiro: Wiro, s3: S3, store: Gateway, body: bytes
) -> None:
    s3.put(KEY, b"somebody's")
    store.rules.append(stores.denies_sight)
    wiro.shows(wiro.file(body))
    with pytest.raises(
        AirflowFailException, match=r"is there already, and S3 denies HeadObject.*s3:GetObject"
    ):
        transfer()
    assert s3.get(KEY) == b"somebody's"
    assert s3.open_uploads == []


@BOTH
def test_a_manifest_that_may_not_be_read_is_not_overwritten(
    wiro: Wiro, s3: S3, store: Gateway, body: bytes
) -> None:
    s3.put("wiro/2221/manifest.json", b"somebody's")
    store.rules.append(stores.denies_sight)
    wiro.shows(wiro.file(body))
    with pytest.raises(AirflowFailException, match=r"manifest.json is there already, and S3 denies"):
        transfer(manifest=True)
    assert s3.get("wiro/2221/manifest.json") == b"somebody's"


@BOTH
def test_where_neither_sight_nor_condition_is_to_be_had_nothing_is_put(
    wiro: Wiro, s3: S3, store: Gateway, body: bytes
) -> None:
    store.rules += [stores.denies_missing, stores.knows_no_conditions]
    wiro.shows(wiro.file(body))
    with pytest.raises(AirflowFailException, match=r"nothing was put.*s3:ListBucket.*replace=True"):
        transfer()
    assert s3.keys == s3.open_uploads == []
    transfer(replace=True)
    assert s3.get(KEY) == body


# -- stores of other makes


@BOTH
@pytest.mark.parametrize("rule", [stores.knows_no_conditions, stores.knows_no_conditions_as_b2])
def test_a_store_without_conditional_puts_lands_and_skips(
    wiro: Wiro, s3: S3, store: Gateway, rule: Any, body: bytes
) -> None:
    store.rules.append(rule)
    wiro.shows(wiro.file(body))
    skipped = [transfer(manifest=True)["files"][0]["skipped"] for _ in range(2)]
    assert skipped == [False, True]
    assert s3.get(KEY) == body


@BOTH
@pytest.mark.parametrize("rule", [stores.knows_no_checksums, stores.knows_no_checksums_as_b2])
def test_a_store_that_knows_no_checksums_says_which_setting_helps_and_lands_with_it(
    wiro: Wiro, s3: S3, store: Gateway, monkeypatch: pytest.MonkeyPatch, rule: Any, body: bytes
) -> None:
    store.rules.append(rule)
    wiro.shows(wiro.file(body))
    with pytest.raises(AirflowFailException, match="request_checksum_calculation") as caught:
        transfer()
    assert f"s3://{BUCKET}/{KEY}" in str(caught.value)
    assert s3.keys == s3.open_uploads == []
    older = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    connect_s3(monkeypatch, endpoint_url=store.origin, config_kwargs=older)
    transfer(manifest=True)
    assert s3.get(KEY) == body


def test_path_style_addressing_is_the_connections(
    wiro: Wiro, s3: S3, store: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, endpoint_url=store.origin, config_kwargs={"s3": {"addressing_style": "path"}})
    wiro.shows(wiro.file(PNG))
    transfer()
    assert {request.path for request in store.of("PUT")} == {f"/{BUCKET}/{KEY}"}


# -- access points

POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/night"


@pytest.mark.parametrize("arn", [POINT, POINT.replace("accesspoint/", "accesspoint:")])
@pytest.mark.parametrize("is_url", [False, True])
@BOTH
def test_outputs_land_by_an_access_point(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, arn: str, is_url: bool, body: bytes
) -> None:
    """moto knows none: a request to the access point's host is sent on to its bucket."""
    hosts = set()
    real = URLLib3Session.send

    def send(self: Any, request: Any) -> Any:
        scheme_and_host, _, rest = request.url.partition(".amazonaws.com/")
        hosts.add(f"{scheme_and_host}.amazonaws.com")
        request.url = f"{s3.endpoint_url}/{BUCKET}/{rest}"
        return real(self, request)

    monkeypatch.setattr(URLLib3Session, "send", send)
    connect_s3(monkeypatch, region_name="eu-west-1")
    wiro.shows(wiro.file(body))
    where = {"s3_key": f"s3://{arn}/a/{{name}}"} if is_url else {"s3_bucket": arn, "s3_key": "a/{name}"}
    landed = transfer(**where, manifest=True)
    monkeypatch.undo()
    assert hosts == {"https://night-123456789012.s3-accesspoint.eu-west-1.amazonaws.com"}
    assert landed["files"][0]["uri"] == f"s3://{arn}/a/0.png"
    assert s3.get("a/0.png") == body
    assert "a/manifest.json" in s3.keys


# -- one client


@pytest.mark.parametrize("max_concurrency", [4, 16])
def test_the_connection_is_read_once(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, max_concurrency: int
) -> None:
    read = connections_read(monkeypatch)
    wiro.shows(wiro.file(PNG), wiro.file(IN_PARTS))
    transfer(manifest=True, s3_key="{index}-{name}", max_concurrency=max_concurrency)
    assert read == ["aws_default"]
