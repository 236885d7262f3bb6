"""What a bucket that leads nowhere means for the others of its connection: nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from airflow_provider_wiro.gallery.ranged import s3_object
from airflow_provider_wiro.gallery.ranged.s3_object import S3Object
from airflow_provider_wiro.gallery.ranged.store_calls import BusyError, StoreCalls

#: Each region has a host of its own, and this one none.
NOWHERE = "arn:aws:s3:mars-north-1:123456789012:accesspoint/nowhere"


def test_a_bucket_that_leads_nowhere_keeps_no_other_from_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write XComs could otherwise take the pictures of all DAGs with that connection away."""

    def head_object(**asked: Any) -> dict[str, Any]:
        if asked["Bucket"] == NOWHERE:
            raise EndpointConnectionError(endpoint_url="https://nowhere.s3-accesspoint.mars-north-1.example")
        return {"ContentLength": 7}

    monkeypatch.setattr(s3_object, "calls", StoreCalls(lambda: 0.0))
    monkeypatch.setattr(s3_object, "s3_client", lambda _: SimpleNamespace(head_object=head_object))
    with pytest.raises(s3_object.UnreadableObjectError, match="can't be read"):
        S3Object("aws_default", NOWHERE, "0.png").facts()
    with pytest.raises(BusyError):
        S3Object("aws_default", NOWHERE, "1.png").facts()

    assert S3Object("aws_default", "outputs", "0.png").facts().size == 7
