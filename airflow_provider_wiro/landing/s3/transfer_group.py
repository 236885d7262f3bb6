"""What the transfers of several tasks into one bucket have in common, where they run at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_wiro.landing.transfer import TransferGroup

if TYPE_CHECKING:
    from airflow_provider_wiro.landing.s3.uploads import S3Uploads


@dataclass(frozen=True)
class S3TransferGroup(TransferGroup):
    """
    A :class:`~airflow_provider_wiro.landing.transfer.TransferGroup` for S3.

    :ivar uploads: puts the objects of all tasks. What runs the group cleans up after them.
    """

    uploads: S3Uploads
