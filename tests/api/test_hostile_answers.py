"""Whatever a server or a proxy returns, every endpoint returns a value or raises a Wiro error."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_wiro.api import endpoints
from airflow_provider_wiro.api.flow import Send, call
from airflow_provider_wiro.api.parameters import FileContent
from airflow_provider_wiro.api.responses import ApiResponse
from airflow_provider_wiro.exceptions import WiroError
from tests.api.decoding.test_fields import JSON_VALUES
from tests.api.fake_transport import KEY, SECRET, TOKEN, FakeTransport, quick

if TYPE_CHECKING:
    from airflow_provider_wiro.api.endpoints import ApiCall

CALLS: list[ApiCall[Any]] = [
    endpoints.run_model("a/b", {}, {}),
    endpoints.get_task("2221"),
    endpoints.list_tasks(),
    endpoints.cancel_task("2221"),
    endpoints.kill_task("2221"),
    endpoints.delete_task_files(TOKEN),
    endpoints.upload_file(FileContent("a.txt", "text/plain", 1, lambda: io.BytesIO(b"a"))),
    endpoints.get_model("a/b"),
    endpoints.list_models(),
]

_ITEMS = st.lists(
    st.dictionaries(
        st.sampled_from(["id", "status", "url", "outputs", "parameters", "pexit", "createtime", "totalcost"]),
        JSON_VALUES,
    )
    | JSON_VALUES,
    max_size=2,
)
_ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "result": JSON_VALUES | st.just(True),
        "errors": JSON_VALUES | st.lists(st.dictionaries(st.sampled_from(["code", "message"]), JSON_VALUES)),
        "taskid": JSON_VALUES,
        "socketaccesstoken": JSON_VALUES,
        "tasklist": JSON_VALUES | _ITEMS,
        "tool": JSON_VALUES | _ITEMS,
        "list": JSON_VALUES | _ITEMS,
    },
)
_BODIES = (
    st.binary(max_size=300)
    | _ENVELOPES.map(lambda envelope: json.dumps(envelope).encode())
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | _ENVELOPES.map(lambda envelope: json.dumps(envelope).encode()[:-3])
)
_HEADERS = st.dictionaries(st.sampled_from(["retry-after", "content-type"]), st.text())
_STATUSES = st.sampled_from([200, 400, 401, 403, 404, 429, 500, 503]) | st.integers(100, 999)


@pytest.mark.parametrize("api_call", CALLS, ids=lambda api_call: api_call.path)
@quick
@given(status=_STATUSES, headers=_HEADERS, body=_BODIES)
@example(status=200, headers={}, body=b"[" * 20_000)
@example(status=500, headers={}, body=json.dumps({"errors": ["word " * 150] * 50}).encode())
@example(status=200, headers={}, body=b'{"result": true, "tasklist": [{"id": 1e999}]}')
@example(status=429, headers={"retry-after": "9" * 5000}, body=b"")
def test_any_response_raises_at_worst_a_wiro_error(
    api_call: ApiCall[Any], status: int, headers: dict[str, str], body: bytes
) -> None:
    transport = FakeTransport(ApiResponse(status, headers, body))
    message = ""
    try:
        transport.drive(call(api_call, transport.context))
    except WiroError as error:
        message = str(error)
    assert len(message.encode()) < 5000
    assert transport.elapsed <= 60


@pytest.mark.parametrize("api_call", CALLS, ids=lambda api_call: api_call.path)
@quick
@given(status=_STATUSES, before=st.binary(max_size=600), after=st.binary(max_size=20), form=st.integers(0, 3))
def test_no_message_repeats_a_secret_wherever_the_server_echoes_it(
    api_call: ApiCall[Any], status: int, before: bytes, after: bytes, form: int
) -> None:
    def echo(send: Send) -> ApiResponse:
        secrets = f"{KEY} {SECRET} {send.headers['x-signature']} {' '.join(send_secrets)}".encode()
        raw = before + secrets + after
        words = raw.decode("latin-1")
        envelopes = [{"code": form, "message": words}, words]
        if form < 2:
            return ApiResponse(
                status, {}, json.dumps({"result": False, "errors": [envelopes[form]]}).encode()
            )
        return ApiResponse(status, {}, raw if form == 2 else b"<html>" + raw)

    send_secrets = api_call.secrets
    transport = FakeTransport(echo)
    with pytest.raises(WiroError) as raised:
        transport.drive(call(api_call, transport.context, patience_seconds=0))

    message = f"{raised.value} {raised.value!r} {raised.value.__cause__}"
    for secret in (KEY, SECRET, transport.sends[0].headers["x-signature"], *send_secrets):
        assert secret not in message
