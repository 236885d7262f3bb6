"""A network between boto3 and S3 that loses responses and refuses connections."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.endpoint
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

#: What a request looks like that is one of these operations.
_LOOKS: dict[str, Callable[[str, str], bool]] = {
    "PutObject": lambda method, url: method == "PUT" and "partNumber=" not in url and "tagging" not in url,
    "CreateMultipartUpload": lambda method, url: method == "POST" and url.endswith("?uploads"),
    "UploadPart": lambda method, url: method == "PUT" and "partNumber=" in url,
    "ListParts": lambda method, url: method == "GET" and "uploadId=" in url,
    "ListMultipartUploads": lambda method, url: method == "GET" and "?uploads" in url,
    "CompleteMultipartUpload": lambda method, url: method == "POST" and "uploadId=" in url,
    "AbortMultipartUpload": lambda method, url: method == "DELETE" and "uploadId=" in url,
}


class FakeNetwork:
    """
    The network between boto3 and S3, which loses responses; boto3 repeats such calls without a pause.

    :ivar lost: the operations whose requests reach S3 and whose responses are lost, and how many of them.
    :ivar closed: the operations whose requests don't even reach S3.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lost: dict[str, int] = {}
        self.closed: set[str] = set()
        real = URLLib3Session.send

        def send(session: Any, request: Any) -> Any:
            operation = next(
                (name for name, is_it in _LOOKS.items() if is_it(request.method, request.url)), ""
            )
            if operation in self.closed:
                raise ConnectionClosedError(endpoint_url=request.url)
            answer = real(session, request)
            if self.lost.get(operation, 0) > 0:
                self.lost[operation] -= 1
                raise ConnectionClosedError(endpoint_url=request.url)
            return answer

        monkeypatch.setattr(URLLib3Session, "send", send)
        monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda seconds: None))
