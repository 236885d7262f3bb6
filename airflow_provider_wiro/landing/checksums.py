"""Whether S3's answer to a put says that it has the very bytes that were put."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CHECKSUMS: Mapping[str, Callable[[bytes | bytearray], bytes]] = {
    "ChecksumCRC32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "ChecksumSHA256": lambda body: hashlib.sha256(body).digest(),
}


def confirms(answer: Mapping[str, Any], body: bytes | bytearray) -> bool:
    """
    Whether an answer names a checksum, and it is that of these bytes.

    :param answer: boto3's, to ``put_object``. False where it names none that we know: then one has to look.
    """
    shown = {name: answer[name] for name in _CHECKSUMS if answer.get(name)}
    return bool(shown) and all(
        value == b64encode(_CHECKSUMS[name](body)).decode() for name, value in shown.items()
    )
