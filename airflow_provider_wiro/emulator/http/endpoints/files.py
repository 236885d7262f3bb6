"""Uploads and folders: `File/Upload` and `File/FolderCreate`."""

from __future__ import annotations

import mimetypes
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.envelope import (
    NOT_FOUND,
    VALIDATION,
    ApiError,
    files_required,
    parameter_required,
    success,
)
from airflow_provider_wiro.emulator.state.contents import DiskContent

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.generation.inputs import RequestBody
    from airflow_provider_wiro.emulator.state.world import World

_EXTENSIONS = frozenset(
    [
        "jpg",
        "jpeg",
        "png",
        "gif",
        "webp",
        "heic",
        "mp4",
        "webm",
        "mov",
        "mp3",
        "wav",
        "m4a",
        "pdf",
        "csv",
        "docx",
        "xlsx",
        "pptx",
        "txt",
        "md",
        "epub",
        "zip",
    ]
)
_FOLDER_NAME = re.compile(r"[A-Za-z0-9_-]+")
_ROOT_FOLDER = "root"


def upload(world: World, body: RequestBody) -> dict[str, Any]:
    """Store a file and return its address. A zip is stored as it is; Wiro would unpack it."""
    file = next((file for file in body.files if file.field == "file"), None)
    if file is None:
        raise files_required("file")
    extension = PurePosixPath(file.name).suffix.lstrip(".").lower()
    if extension not in _EXTENSIONS:
        raise ApiError(VALIDATION, f"File type [{extension}] is not supported")
    folder = body.text("folderid")
    if folder and not world.files.has_folder(folder):
        raise ApiError(NOT_FOUND, "folder-not-exist")
    guessed, _ = mimetypes.guess_type(file.name)
    stored = world.files.add(
        # The name becomes part of an address, so only its last part and plain letters remain.
        re.sub(r"[^A-Za-z0-9._-]", "_", PurePosixPath(file.name).name),
        guessed or file.content_type,
        DiskContent(file.path, file.sha256),
        parent_id=folder or _ROOT_FOLDER,
        now=world.now(),
        is_upload=True,
    )
    return success(list=[stored.to_json(world.cdn_url)])


def create_folder(world: World, body: RequestBody) -> dict[str, Any]:
    """Create a folder and return its id."""
    name, parent = body.text("name"), body.text("parentid")
    if not name:
        raise parameter_required("name")
    if not _FOLDER_NAME.fullmatch(name):
        raise ApiError(VALIDATION, "Folder name can only contain letters, numbers, hyphens and underscores")
    if parent and not world.files.has_folder(parent):
        raise ApiError(NOT_FOUND, "folder-not-exist")
    folder = {
        "id": world.files.add_folder(name),
        "name": name,
        "parentid": parent or _ROOT_FOLDER,
        "size": "0",
        "contenttype": "",
        "addedtime": str(int(world.now())),
    }
    return success(list=[folder])
