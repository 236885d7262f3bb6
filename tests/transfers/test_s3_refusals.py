"""Each refusal of S3's is one error that a person on call understands; what may pass is tried again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_wiro.exceptions import WiroOutputUnavailableError, WiroUsageError
from airflow_provider_wiro.storage.s3.refusals import S3Access
from tests.transfers import gateway as stores
from tests.transfers.fake_wiro import BIG, PNG, transfer
from tests.transfers.gateway import connect_s3
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from tests.transfers.fake_wiro import Wiro
    from tests.transfers.gateway import Gateway
    from tests.transfers.s3 import S3

pytestmark = pytest.mark.usefixtures("connect", "no_pauses_of_boto3")

KEY = "wiro/2221/0-0.png"
URI = f"s3://{BUCKET}/{KEY}"
CONNECTION = "connection 'aws_default'"


@pytest.fixture
def no_pauses_of_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def message_of(error: BaseException) -> str:
    """Return a permanent error's message, which fits into a few lines of a log."""
    text = str(error)
    assert len(text) < 700
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "AccessDenied", "needs s3:PutObject there"),
        (403, "InvalidAccessKeyId", "access key id"),
        (403, "SignatureDoesNotMatch", "secret access key"),
        (400, "InvalidToken", "aws_session_token"),
        (400, "InvalidArgument", "Correct extra_args"),
        (400, "AccessControlListNotSupported", "leave out acl_policy"),
        (400, "InvalidStorageClass", "StorageClass"),
        (400, "EntityTooLarge", "part_size"),
        (400, "KeyTooLongError", "s3_key"),
        (400, "KMS.DisabledException", "SSEKMSKeyId"),
        (400, "KMS.NotFoundException", "SSEKMSKeyId"),
        (404, "NoSuchBucket", "create it"),
        (400, "InvalidBucketName", "Correct the bucket"),
        (403, "QuotaExceeded", "S3 says: some words"),
        (501, "NotImplemented", "docs/guides/s3-setup.md"),
    ],
)
@pytest.mark.parametrize("body", [PNG, BIG], ids=["single", "parts"])
def test_a_refusal_is_permanent_and_names_object_connection_and_what_to_do(
    wiro: Wiro, s3: S3, store: Gateway, status: int, code: str, said: str, body: bytes
) -> None:
    store.rules.append(stores.refuses("PUT" if body is PNG else "POST", status, code, "some words"))
    wiro.shows(wiro.file(body))
    with pytest.raises(AirflowFailException) as caught:
        transfer(replace=True)
    message = message_of(caught.value)
    assert code in message
    assert URI in message
    assert CONNECTION in message
    assert said in message
    assert s3.keys == s3.open_uploads == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (503, "SlowDown"),
        (503, "ServiceUnavailable"),
        (400, "RequestTimeout"),
        (400, "ExpiredToken"),
        (403, "RequestTimeTooSkewed"),
        (409, "OperationAborted"),
        (429, "TooManyRequestsException"),
        (400, "BadDigest"),
    ],
)
def test_what_may_pass_is_tried_again(wiro: Wiro, s3: S3, store: Gateway, status: int, code: str) -> None:
    store.rules.append(stores.refuses("PUT", status, code, "some words"))
    wiro.shows(wiro.file(PNG))
    with pytest.raises(WiroOutputUnavailableError) as caught:
        transfer(replace=True)
    assert URI in message_of(caught.value)
    assert CONNECTION in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "more"),
    [
        (301, "PermanentRedirect", {"x-amz-bucket-region": "eu-west-1"}),
        (400, "AuthorizationHeaderMalformed", {"x-amz-bucket-region": "eu-west-1"}),
        (400, "IllegalLocationConstraintException", {"x-amz-bucket-region": "eu-west-1"}),
    ],
)
def test_a_wrong_region_names_the_right_one(
    wiro: Wiro, s3: S3, store: Gateway, status: int, code: str, more: dict[str, str]
) -> None:
    words = "the region 'us-east-1' is wrong; expecting 'eu-west-1'"
    store.rules.append(stores.refuses("PUT", status, code, words, more))
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match=r"region_name.*'eu-west-1'"):
        transfer(replace=True)


def test_the_permission_that_s3_names_is_the_one_that_is_shown(wiro: Wiro, s3: S3, store: Gateway) -> None:
    words = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:GenerateDataKey on resource: k"
    store.rules.append(stores.refuses("PUT", 403, "AccessDenied", words))
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match="needs kms:GenerateDataKey there"):
        transfer()


def test_an_explicit_deny_is_said(wiro: Wiro, s3: S3, store: Gateway) -> None:
    words = (
        "User: arn:aws:iam::1:user/x is not authorized to perform: s3:PutObject on resource: "
        '"arn:aws:s3:::outputs/k" with an explicit deny in a resource-based policy'
    )
    store.rules.append(stores.refuses("PUT", 403, "AccessDenied", words))
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match=r"denies it explicitly.*encrypt=True"):
        transfer()


def test_all_permissions_that_the_arguments_need_are_named(wiro: Wiro, s3: S3, store: Gateway) -> None:
    store.rules.append(stores.refuses("PUT", 403, "AccessDenied", "Access Denied"))
    wiro.shows(wiro.file(PNG))
    needed = "s3:PutObject, s3:PutObjectTagging, s3:PutObjectAcl, kms:GenerateDataKey and kms:Decrypt"
    with pytest.raises(AirflowFailException, match=needed):
        transfer(tags=True, acl_policy="private", extra_args={"ServerSideEncryption": "aws:kms"})


def test_no_bucket_of_that_name(wiro: Wiro, s3: S3) -> None:
    wiro.shows(wiro.file(PNG))
    with pytest.raises(
        AirflowFailException, match=r"NoSuchBucket.*s3://nowhere/wiro.*'aws_default'"
    ) as caught:
        transfer(s3_bucket="nowhere")
    message_of(caught.value)


def test_an_unknown_connection_is_refused_before_anything_is_asked(wiro: Wiro, s3: S3) -> None:
    with pytest.raises(AirflowFailException, match="found 'aws_typo': there is no such connection"):
        transfer(aws_conn_id="aws_typo")


def test_no_credentials_at_all(wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    extra = {"endpoint_url": s3.endpoint_url, "region_name": "us-east-1"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws", "extra": extra}))
    wiro.shows(wiro.file(PNG))
    with pytest.raises(
        AirflowFailException, match=r"no complete credentials for s3://outputs/.*'aws_default'"
    ):
        transfer()


def test_a_server_that_is_not_there_is_tried_again(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, endpoint_url="http://127.0.0.1:9", config_kwargs={"retries": {"max_attempts": 0}})
    wiro.shows(wiro.file(PNG))
    with pytest.raises(WiroOutputUnavailableError, match=r"Could not reach S3 for .*127\.0\.0\.1:9"):
        transfer()


@pytest.mark.parametrize("endpoint_url", ["localhost:9000", "minio"])
def test_an_endpoint_that_is_no_url(
    wiro: Wiro, s3: S3, monkeypatch: pytest.MonkeyPatch, endpoint_url: str
) -> None:
    connect_s3(monkeypatch, endpoint_url=endpoint_url)
    with pytest.raises(AirflowFailException, match=r"'aws_default'.*endpoint_url"):
        transfer()


def test_a_ca_bundle_that_is_not_there(wiro: Wiro, s3: S3) -> None:
    with pytest.raises(AirflowFailException, match="verify as the path of a CA bundle"):
        transfer(verify="/no/such/bundle.pem")


def test_what_s3_says_stays_on_one_short_line() -> None:
    from botocore.exceptions import ClientError

    facts: Any = {
        "Error": {"Code": "InvalidArgument", "Message": "bad\r\n[2026] INFO forged " + "x" * 5000},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    found = S3Access("b", None).explained(ClientError(facts, "PutObject"), "k")
    assert found is not None
    assert "bad [2026] INFO forged" in message_of(found)


def test_errors_of_others_are_left_alone() -> None:
    assert S3Access("b", None).explained(ZeroDivisionError(), "k") is None


# -- arguments, when the DAG is parsed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"s3_bucket": "s3://b"}, "Write s3_bucket='b'."),
        ({"s3_bucket": "s3://b/x/"}, "Write s3_bucket='b' and s3_key='x/'"),
        ({"s3_bucket": "gs://b"}, "for gs:// use WiroToObjectStorageOperator"),
        ({"s3_bucket": "b/folder"}, "s3_key: 'folder/{index}-{name}'"),
        ({"s3_bucket": "b-{model}"}, "Placeholders"),
        ({"s3_bucket": "my bucket"}, "letters, digits"),
        ({"s3_bucket": "https://b.s3.amazonaws.com"}, "endpoint_url"),
        ({"s3_bucket": "arn:aws:s3:::b"}, "give its name alone: 'b'"),
        ({"s3_bucket": "arn:aws:s3::123456789012:accesspoint/x.mrap"}, "Multi-Region"),
        ({"s3_bucket": "arn:aws:s3-object-lambda:eu-west-1:123456789012:accesspoint/x"}, "Object Lambda"),
        ({"s3_bucket": "arn:aws:s3-outposts:eu-west-1:123456789012:outpost/o/accesspoint/x"}, "Outposts"),
        ({"s3_key": "s3://arn:aws:s3::123456789012:accesspoint/x.mrap/{name}", "s3_bucket": None}, "SigV4A"),
        ({"s3_key": "gs://b/{name}"}, "for gs:// use WiroToObjectStorageOperator"),
        ({"s3_key": "s3a://b/{name}"}, "Write s3://b/{name}"),
        ({"s3_key": "a/{name"}, "without its closing brace"),
        ({"s3_key": "a/name}"}, "without its opening brace"),
        ({"s3_key": "a/{nmae}"}, "Unknown placeholder {nmae}"),
        ({"s3_key": "x/"}, "Write 'x/{index}-{name}'"),
        ({"s3_key": "s3://b/x/", "s3_bucket": None}, "Write 's3://b/x/{index}-{name}'"),
        ({"s3_key": "a\n/{name}"}, "control characters"),
        ({"s3_key": None}, "Expected s3_key as text"),
        ({"s3_key": ""}, "name an object"),
        ({"s3_key": "s3://b/{name}"}, "s3_bucket must not be given as well"),
        ({"part_size": 1024}, "5 MiB"),
        ({"part_size": "8 MiB"}, "found '8 MiB'"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"tags": {str(n): "v" for n in range(11)}}, "11 tags"),
        ({"tags": {"k" * 129: "v"}}, "too long"),
        ({"tags": {"k": "a&b"}}, "doesn't take the tag"),
        ({"tags": {"k": 5}}, "text to text"),
        ({"acl_policy": "public"}, "canned ACL"),
        ({"acl_policy": "private", "extra_args": {"ACL": "public-read"}}, "Leave one of them out"),
        ({"acl_policy": "private", "extra_args": {"GrantRead": "id=1"}}, "GrantRead"),
        ({"encrypt": "aws:kms"}, "SSE-KMS"),
        ({"encrypt": True, "extra_args": {"ServerSideEncryption": "aws:kms"}}, "another encryption"),
        ({"encrypt": True, "extra_args": {"SSECustomerKey": "x"}}, "another encryption"),
        ({"extra_args": "StorageClass=x"}, "extra_args as a dict"),
        ({"manifest": "s3://b/k"}, "manifest"),
        ({"manifest": "{name}"}, "manifest"),
    ],
)
def test_what_is_wrong_in_the_dag_file_is_refused_when_it_is_parsed(
    arguments: dict[str, Any], said: str
) -> None:
    from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

    with pytest.raises(WiroUsageError) as caught:
        WiroToS3Operator(task_id="land", wiro_task_id="1", **{"s3_bucket": BUCKET, **arguments})
    assert said in message_of(caught.value)


@pytest.mark.parametrize(
    ("name", "template", "value", "said"),
    [
        ("s3_bucket", "{{ params.b }}", "s3://b", "Write s3_bucket='b'."),
        ("s3_key", "{{ params.k }}", "x/", "Write 'x/{index}-{name}'"),
        ("s3_key", "{% if 1 %}a{% endif %}", "a/{name", "closing brace"),
        ("acl_policy", "{{ params.a }}", "public", "canned ACL"),
        ("tags", {"k": "{{ params.t }}"}, {"k": "a&b"}, "doesn't take the tag"),
        ("manifest", "{{ params.m }}", "{name}", "manifest"),
    ],
)
def test_what_a_template_makes_is_refused_before_anything_is_asked(
    wiro: Wiro, s3: S3, server: Any, name: str, template: Any, value: Any, said: str
) -> None:
    from airflow_provider_wiro.transfers.wiro_to_s3 import WiroToS3Operator

    arguments: dict[str, Any] = {"s3_bucket": BUCKET, name: template}
    operator = WiroToS3Operator(task_id="land", wiro_task_id="1", **arguments)
    setattr(operator, name, value)
    with pytest.raises(AirflowFailException) as caught:
        operator.execute({"ti": None})  # type: ignore[typeddict-item]
    assert said in message_of(caught.value)
    assert server.connections == 0


def test_an_object_that_may_not_be_read_for_comparison_names_the_permission(
    wiro: Wiro, s3: S3, store: Gateway
) -> None:
    s3.put(KEY, PNG)
    store.rules.append(stores.refuses("GET", 403, "AccessDenied", "Access Denied"))
    wiro.shows(wiro.file(PNG))
    with pytest.raises(AirflowFailException, match=r"GetObject.*needs s3:GetObject"):
        transfer()
