"""
Reading a request's body: JSON, or multipart with files.

The curl samples of Wiro's reference announce `multipart/form-data` but send JSON text with `-d`. Such a
header names no boundary, unlike that of a real multipart body.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING

from aiohttp import BodyPartReader, web

from airflow_provider_wiro.emulator.envelope import ApiError, invalid_parameters
from airflow_provider_wiro.emulator.generation.inputs import ReceivedFile, RequestBody

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_TEXT_BYTES = 4 * 1024 * 1024


async def read_body(request: web.Request, directory: Path) -> RequestBody:
    """
    Read a request's body; files are written into `directory` as they arrive.

    :raises ApiError: if it can't be read or is too long.
    """
    if request.content_type == "multipart/form-data" and "boundary=" in request.headers["Content-Type"]:
        return await _read_multipart(request, directory)
    raw = await request.content.read(MAX_TEXT_BYTES + 1)
    while raw and len(raw) <= MAX_TEXT_BYTES and (more := await request.content.read(MAX_TEXT_BYTES)):
        raw += more
    if len(raw) > MAX_TEXT_BYTES:
        raise invalid_parameters(http_status=413)
    if not raw.strip():
        return RequestBody()
    try:
        fields = json.loads(raw)
    except ValueError as error:
        raise invalid_parameters(http_status=400) from error
    if not isinstance(fields, dict):
        raise invalid_parameters()
    return RequestBody(fields=fields)


async def _read_multipart(request: web.Request, directory: Path) -> RequestBody:
    body = RequestBody()
    try:
        reader = await request.multipart()
        async for part in reader:
            if not isinstance(part, BodyPartReader) or not part.name:
                raise invalid_parameters(http_status=400)
            if part.filename is not None:
                received = await _read_file(part, part.name, directory)
                # A browser's empty file input arrives as a part without name and without bytes.
                if received.size or received.name:
                    body.files.append(received)
                continue
            value = (await part.read(decode=False)).decode("utf-8", errors="replace")
            earlier = body.fields.get(part.name)
            if earlier is None:
                body.fields[part.name] = value
            else:
                body.fields[part.name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
    except ValueError as error:
        raise invalid_parameters(http_status=400) from error
    return body


async def _read_file(part: BodyPartReader, field_name: str, directory: Path) -> ReceivedFile:
    path = directory / secrets.token_hex(16)
    sha256, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while piece := await part.read_chunk(256 * 1024):
            size += len(piece)
            if size > MAX_FILE_BYTES:
                path.unlink()
                raise ApiError(0, "File size must be at most 100 MB", http_status=413)
            sha256.update(piece)
            file.write(piece)
    content_type = part.headers.get("Content-Type", "application/octet-stream")
    return ReceivedFile(field_name, part.filename or "", content_type, path, size, sha256.hexdigest())
