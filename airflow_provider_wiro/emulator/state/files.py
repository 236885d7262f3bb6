"""The files that the CDN serves, each under a key that can't be guessed, and the folders."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.emulator.media.png import encode_png
from airflow_provider_wiro.emulator.media.poster import draw_poster
from airflow_provider_wiro.emulator.state.contents import MemoryContent

if TYPE_CHECKING:
    from airflow_provider_wiro.emulator.state.contents import Content

SAMPLE_INPUTS = "sampleinputs"


@dataclass(slots=True, kw_only=True)
class StoredFile:
    """A file. Moments are Unix seconds."""

    name: str
    content_type: str
    content: Content
    parent_id: str
    added: float
    expires: float
    appears: float = 0.0
    """Before this moment the CDN responds with a 404."""
    is_upload: bool = False
    """Whether it came by `File/Upload`."""
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    access_key: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def url(self, cdn_url: str) -> str:
        """Return the address of the file; no other credential is needed."""
        return f"{cdn_url}/{self.access_key}/{self.name}"

    def to_json(self, cdn_url: str) -> dict[str, Any]:
        """Return the file as `outputs` and `File/Upload` describe it; numbers are text."""
        return {
            "id": self.id,
            "name": self.name,
            "contenttype": self.content_type,
            "parentid": self.parent_id,
            "size": str(self.content.size),
            "addedtime": str(int(self.added)),
            "modifiedtime": str(int(self.added)),
            "expiretime": str(int(self.expires)),
            "accesskey": self.access_key,
            "foldercount": "0",
            "filecount": "0",
            "ispublic": "0",
            "url": self.url(cdn_url),
        }


@dataclass(slots=True)
class FileStore:
    """All files and folders, by access key and id."""

    lifetime_seconds: float
    _files: dict[str, StoredFile] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        content_type: str,
        content: Content,
        *,
        parent_id: str,
        now: float,
        appears: float = 0.0,
        is_upload: bool = False,
    ) -> StoredFile:
        """Store a file under a new key; its link works for `lifetime_seconds`."""
        stored = StoredFile(
            name=name,
            content_type=content_type,
            content=content,
            parent_id=parent_id,
            added=now,
            expires=now + self.lifetime_seconds,
            appears=appears,
            is_upload=is_upload,
        )
        self._files[stored.access_key] = stored
        return stored

    def add_sample_input(self, now: float) -> None:
        """Store the picture below `/sampleinputs/`, which every run may read and no call removes."""
        self._files[SAMPLE_INPUTS] = StoredFile(
            name="robot.png",
            content_type="image/png",
            content=MemoryContent(encode_png(draw_poster(64, 64, "a robot", "sample input"))),
            parent_id=SAMPLE_INPUTS,
            access_key=SAMPLE_INPUTS,
            added=now,
            expires=math.inf,
        )

    def find(self, access_key: str) -> StoredFile | None:
        """Return the file behind a key, expired or not."""
        return self._files.get(access_key)

    def find_by_url(self, url: str, cdn_url: str) -> StoredFile | None:
        """Return the file at a URL of this CDN."""
        key = url.removeprefix(f"{cdn_url}/").split("/")[0]
        return self._files.get(key) if url.startswith(f"{cdn_url}/") else None

    def remove(self, access_key: str) -> None:
        """Remove a file; an unknown key is no error."""
        self._files.pop(access_key, None)

    def add_folder(self, name: str) -> str:
        """Create a folder and return its id."""
        folder_id = secrets.token_hex(16)
        self._folders[folder_id] = name
        return folder_id

    def has_folder(self, folder_id: str) -> bool:
        """Return whether a folder of this id exists."""
        return folder_id in self._folders
