"""The batch's own objects in S3: put like the outputs, tried before the first Run, and free of links."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from botocore.awsrequest import AWSResponse
from botocore.httpsession import URLLib3Session

from airflow_provider_wiro.batch.journal import location
from airflow_provider_wiro.batch.results.location import manifest_uri
from airflow_provider_wiro.emulator import Fault
from airflow_provider_wiro.exceptions import WiroRecordError, WiroUsageError
from airflow_provider_wiro.storage.s3.put_object import OwnObjects
from tests.batch.batch_work import prompts
from tests.transfers.s3 import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.batch.batch_work import BatchWork
    from tests.transfers.s3 import S3

DISCARD = location._discard
ENCRYPTED = "x-amz-server-side-encryption"
OWNER = "x-amz-expected-bucket-owner"
STATE = f"s3://aws_default@{BUCKET}/state"
MANIFEST = f"s3://aws_default@{BUCKET}/out/manifest.jsonl"


class Body(io.BytesIO):
    def stream(self, *_: object) -> Iterator[bytes]:
        yield self.getvalue()


class Gate:
    """What stands before S3: notes each request, and refuses some as AWS does."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.status, self.code = 403, "AccessDenied"
        self.refuses: Callable[[str, Any], bool] = lambda operation, request: False

    def __call__(self, request: Any, event_name: str, **_: Any) -> Any:
        operation = event_name.rpartition(".")[2]
        self.requests.append((operation, request))
        if not self.refuses(operation, request):
            return None
        body = f"<Error><Code>{self.code}</Code><Message>No.</Message></Error>".encode()
        return AWSResponse(request.url, self.status, {}, Body(b"" if request.method == "HEAD" else body))

    def heads(self, *operations: str) -> list[dict[str, str]]:
        """Return the headers of all requests of these operations, their names in lower case."""
        return [
            {str(name).lower(): _text(value) for name, value in request.headers.items()}
            for operation, request in self.requests
            if operation in operations
        ]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.fixture
def gate(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Gate:
    found = Gate()
    get_client_type = S3Hook.get_client_type

    def guarded(hook: S3Hook, *arguments: Any, **how: Any) -> Any:
        client = get_client_type(hook, *arguments, **how)
        client.meta.events.register("before-send.s3", found)
        return client

    monkeypatch.setattr(S3Hook, "get_client_type", guarded)
    return found


def puts_unencrypted(operation: str, request: Any) -> bool:
    names = {str(name).lower() for name in request.headers}
    return operation in {"PutObject", "CreateMultipartUpload"} and ENCRYPTED not in names


@pytest.mark.parametrize(
    "settings",
    [
        {"s3_bucket": BUCKET, "manifest_uri": None},
        {"manifest_uri": MANIFEST},
        {"state_path": STATE},
    ],
    ids=["outputs", "manifest", "journal"],
)
def test_a_bucket_that_demands_encryption_is_found_out_before_the_first_run(
    work: BatchWork, s3: S3, gate: Gate, settings: dict[str, Any]
) -> None:
    gate.refuses = puts_unencrypted

    with pytest.raises(AirflowFailException, match=r"s3:PutObject .* encrypt=True") as failure:
        work.run(prompts(2), **settings)

    assert "AccessDenied" in str(failure.value)
    assert BUCKET in str(failure.value)
    assert len(str(failure.value)) < 700
    assert work.wiro.counts.requests["Run"] == 0
    assert s3.keys == s3.open_uploads == []


def test_with_encrypt_everything_that_the_batch_puts_is_encrypted(
    work: BatchWork, s3: S3, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "_discard", DISCARD)
    gate.refuses = puts_unencrypted

    summary = work.run(prompts(3), s3_bucket=BUCKET, state_path=STATE, manifest_uri=None, encrypt=True)

    assert summary["succeeded"] == 3
    puts = gate.heads("PutObject", "CreateMultipartUpload")
    assert len(puts) > 6
    assert {head[ENCRYPTED] for head in puts} == {"AES256"}
    assert s3.open_uploads == []


def test_the_owner_of_the_bucket_is_named_in_every_call(work: BatchWork, s3: S3, gate: Gate) -> None:
    summary = work.run(
        prompts(2),
        s3_bucket=BUCKET,
        state_path=STATE,
        manifest_uri=None,
        extra_args={"ExpectedBucketOwner": "123456789012", "StorageClass": "GLACIER"},
        acl_policy="bucket-owner-full-control",
    )

    assert summary["succeeded"] == 2
    calls = {operation for operation, _ in gate.requests}
    assert {"HeadBucket", "ListObjectsV2", "GetObject", "PutObject", "DeleteObject"} <= calls
    assert {head.get(OWNER) for head in gate.heads(*calls)} == {"123456789012"}
    assert {head["x-amz-acl"] for head in gate.heads("PutObject")} == {"bucket-owner-full-control"}
    frozen = [
        request.url.rpartition(f"{BUCKET}/")[2]
        for (operation, request) in gate.requests
        if operation == "PutObject"
        and "x-amz-storage-class" in {str(name).lower() for name in request.headers}
    ]
    assert len(frozen) == 2, "outputs, and nothing that is read again"


def test_what_is_said_of_one_bucket_is_not_said_of_another() -> None:
    own = OwnObjects(
        {
            "ACL": "private",
            "ExpectedBucketOwner": "1",
            "ServerSideEncryption": "AES256",
            "Metadata": {"a": "b"},
        },
        bucket="outputs",
    )

    assert own.to_put("elsewhere", is_result=True) == {"ServerSideEncryption": "AES256"}
    assert set(own.to_put("outputs", is_result=True)) == {
        "ACL",
        "ExpectedBucketOwner",
        "ServerSideEncryption",
    }
    assert own.to_manage("elsewhere") == {}


def test_retention_holds_for_the_manifest_and_not_for_each_rewritten_segment() -> None:
    own = OwnObjects({"ObjectLockMode": "COMPLIANCE"}, bucket="b")

    assert own.to_put("b", is_result=True) == {"ObjectLockMode": "COMPLIANCE"}
    assert own.to_put("b", is_result=False) == {}


def test_each_put_has_a_checksum_where_boto3_adds_none(
    work: BatchWork, s3: S3, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 demands one for each put into a bucket with Object Lock."""
    fields = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    fields["extra"]["config_kwargs"] = {"request_checksum_calculation": "when_required"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))

    assert work.run(prompts(1), state_path=STATE, manifest_uri=MANIFEST)["succeeded"] == 1

    puts = gate.heads("PutObject")
    assert len(puts) > 4
    assert all("content-md5" in head for head in puts)


def flip_puts(monkeypatch: pytest.MonkeyPatch, *, only_first: bool) -> set[str]:
    """Flip a bit of all puts, or of the first one of each object, behind all that boto3 does."""
    fields = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
    fields["extra"]["config_kwargs"] = {"request_checksum_calculation": "when_required"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(fields))
    flipped: set[str] = set()
    real = URLLib3Session.send

    def send(session: Any, request: Any) -> Any:
        if request.method == "PUT" and not (only_first and request.url in flipped):
            flipped.add(request.url)
            body = request.body if isinstance(request.body, bytes | bytearray) else request.body.read()
            request.body = bytes(body[:-7]) + bytes([body[-7] ^ 1]) + bytes(body[-6:])
        return real(session, request)

    monkeypatch.setattr(URLLib3Session, "send", send)
    return flipped


def test_what_s3_took_with_a_flipped_bit_is_put_again(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Journal, results and manifest: else what was paid for can't be read, or reads as something else."""
    flipped = flip_puts(monkeypatch, only_first=True)
    assert work.run(prompts(2), state_path=STATE, manifest_uri=MANIFEST)["succeeded"] == 2
    lines = [json.loads(line) for line in s3.get("out/manifest.jsonl").splitlines()]
    assert [line["status"] for line in lines] == ["succeeded", "succeeded"]
    assert len([line for line in caplog.messages if "S3 took other bytes" in line]) == len(flipped) > 3


def test_a_store_that_takes_other_bytes_each_time_is_found_out_before_the_first_run(
    work: BatchWork, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip_puts(monkeypatch, only_first=False)
    with pytest.raises(WiroRecordError, match="S3 took other bytes than were sent"):
        work.run(prompts(2), manifest_uri=MANIFEST)
    assert work.wiro.counts.requests["Run"] == 0


def test_a_store_that_knows_no_checksums_is_refused_with_the_setting_that_helps(
    work: BatchWork, s3: S3, gate: Gate
) -> None:
    gate.status, gate.code = 501, "NotImplemented"
    gate.refuses = lambda operation, request: operation == "PutObject"
    with pytest.raises(AirflowFailException, match="request_checksum_calculation"):
        work.run(prompts(2), manifest_uri=MANIFEST)
    assert work.wiro.counts.requests["Run"] == 0


def test_a_role_that_may_not_delete_or_list_runs_a_batch(
    work: BatchWork, s3: S3, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "_discard", DISCARD)
    denied = {"DeleteObject", "ListObjectsV2", "HeadBucket", "AbortMultipartUpload"}
    gate.refuses = lambda operation, request: operation in denied

    summary = work.run(prompts(3), s3_bucket=BUCKET, state_path=STATE, manifest_uri=MANIFEST)

    assert summary["succeeded"] == 3
    assert len([key for key in s3.keys if "/probe-" in key]) == 1
    work.retry()
    assert work.run(prompts(3), s3_bucket=BUCKET, state_path=STATE, manifest_uri=MANIFEST) == summary
    assert work.started_once(prompts(3))


def test_a_role_that_may_not_read_results_is_refused_before_the_first_run(
    work: BatchWork, s3: S3, gate: Gate
) -> None:
    gate.refuses = lambda operation, request: operation == "GetObject"

    with pytest.raises(AirflowFailException, match="s3:GetObject"):
        work.run(prompts(2), manifest_uri=MANIFEST)

    assert work.wiro.counts.requests["Run"] == 0


@pytest.mark.parametrize(
    "settings", [{"s3_bucket": "nowhere"}, {"manifest_uri": "s3://aws_default@nowhere/m.jsonl"}]
)
def test_a_bucket_that_is_not_there_is_one_permanent_error(
    work: BatchWork, s3: S3, settings: dict[str, Any]
) -> None:
    with pytest.raises(AirflowFailException, match=r"nowhere.*[Cc]orrect (s3_bucket|the bucket)"):
        work.run(prompts(2), **{"manifest_uri": None, **settings})

    assert work.wiro.counts.requests["Run"] == 0


def test_wrong_credentials_are_told_from_missing_permissions(work: BatchWork, s3: S3, gate: Gate) -> None:
    gate.code = "SignatureDoesNotMatch"
    gate.refuses = lambda operation, request: True

    with pytest.raises(AirflowFailException, match=r"SignatureDoesNotMatch.* Check login .*password"):
        work.run(prompts(2), s3_bucket=BUCKET, manifest_uri=None)


def test_a_store_without_uploads_in_parts_is_tried_by_its_results_alone(
    work: BatchWork, s3: S3, gate: Gate
) -> None:
    gate.status, gate.code = 501, "NotImplemented"
    gate.refuses = lambda operation, request: operation == "CreateMultipartUpload"

    assert work.run(prompts(1), s3_bucket=BUCKET, manifest_uri=None)["succeeded"] == 1


def test_a_batch_that_has_begun_is_followed_though_its_bucket_refuses_now(
    work: BatchWork, s3: S3, gate: Gate
) -> None:
    inputs = prompts(2)
    deferred = work.defer(inputs, s3_bucket=BUCKET)
    gate.requests.clear()

    assert work.resume(deferred, inputs, s3_bucket=BUCKET)["succeeded"] == 2
    assert not gate.heads("HeadBucket"), "what is tried once is not tried at each resume"


@pytest.mark.parametrize("manifest", ["{folder}/a-file/manifest.jsonl", "{folder}/a-folder"])
def test_a_local_place_that_cannot_take_results_is_refused_before_the_first_run(
    work: BatchWork, manifest: str
) -> None:
    (work.folder / "a-file").write_text("")
    (work.folder / "a-folder").mkdir()

    with pytest.raises(AirflowFailException, match=r"Nothing was submitted"):
        work.run(prompts(2), manifest_uri=manifest.format(folder=work.folder))

    assert work.wiro.counts.requests["Run"] == 0


def test_links_are_kept_nowhere_unless_they_are_asked_for(work: BatchWork) -> None:
    """Whoever reads a link can fetch the file. A retry has them from Wiro again, where it lands outputs."""
    inputs = prompts(3)
    work.wiro.inject(Fault("exit_code", skip=2, times=1))
    with pytest.raises(AirflowException):
        work.run(inputs, max_active=1, max_item_retries=0)

    assert [output["name"] for line in work.manifest[:2] for output in line["outputs"]] == ["0.png"] * 2
    assert list(work.folder.glob("manifest.jsonl.parts/*/*"))
    kept = "".join(path.read_text() for path in work.folder.rglob("*") if path.is_file())
    assert "http" not in kept
    work.retry()

    work.run(inputs, include_links=True)
    urls = [output["url"] for line in work.manifest for output in line["outputs"]]
    assert urls[:2] == [None, None], "those of results that were kept without stay without"
    assert urls[2].startswith("http")


@pytest.mark.parametrize("key", ["x/{name}", "x/{index}", "s3://outputs/x/{name}"])
def test_keys_in_which_items_would_meet_are_refused_before_the_first_run(
    work: BatchWork, s3: S3, key: str
) -> None:
    bucket = None if key.startswith("s3:") else BUCKET
    with pytest.raises(WiroUsageError, match=r"Expected \{item\} or \{wiro_task_id\} in s3_key"):
        work.run(prompts(2), s3_bucket=bucket, s3_key=key)
    assert work.wiro.counts.requests["Run"] == 0

    assert work.run(prompts(1), s3_bucket=bucket, s3_key=key)["total_bytes"] > 0


def test_a_key_without_a_bucket_lands_nothing_silently_no_more(work: BatchWork, s3: S3) -> None:
    with pytest.raises(AirflowFailException, match="No bucket: give s3_bucket"):
        work.run(prompts(2), s3_key="x/{item}-{name}")

    assert work.wiro.counts.requests["Run"] == 0


def test_manifests_have_readable_keys_and_the_type_of_json_lines(work: BatchWork, s3: S3) -> None:
    work.ti.run_id = "manual__2026-11-27T03:00:00+00:00"

    summary = work.run(prompts(1), s3_bucket=BUCKET, manifest_uri=None)

    key = "wiro/batches/dag/manual__2026-11-27T03:00:00+00:00/generate.jsonl"
    assert summary["manifest_uri"] == f"s3://aws_default@{BUCKET}/{key}"
    assert s3.head(key)["ContentType"] == "application/x-ndjson"
    assert json.loads(s3.get(key))["item"] == 0


@pytest.mark.parametrize("run_id", ["..", "a/b", "a?b", "a#b", "a%3Ab", "x" * 250])
def test_a_run_id_stays_one_part_of_a_key_and_its_own(work: BatchWork, run_id: str) -> None:
    def key(name: str) -> str:
        work.ti.run_id = name
        return manifest_uri(work.context, None, bucket="b", aws_conn_id=None, state_path=None)

    found = key(run_id)

    assert found.count("/") == key("plain").count("/")
    assert not set("?#") & set(found)
    assert "/../" not in found
    assert found not in {key("a:b"), key("a+b"), key("x" * 249)}


def test_no_items_is_worth_a_warning(work: BatchWork) -> None:
    assert work.run([])["total"] == 0
    assert "`inputs` has no items" in work.log
