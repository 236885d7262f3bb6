"""Which of a user's upload arguments (boto3's ``ExtraArgs``) other calls for the same object need as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FOR_PARTS = frozenset(
    {
        "ChecksumAlgorithm",
        "ExpectedBucketOwner",
        "RequestPayer",
        "SSECustomerAlgorithm",
        "SSECustomerKey",
        "SSECustomerKeyMD5",
    }
)
#: To read an object, and to complete an upload in parts.
FOR_READING = FOR_PARTS - {"ChecksumAlgorithm"}
#: To list, delete, abort and tag.
FOR_MANAGING = frozenset({"ExpectedBucketOwner", "RequestPayer"})


def only(arguments: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return those of the arguments that have one of these names."""
    return {name: value for name, value in arguments.items() if name in names}
