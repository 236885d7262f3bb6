"""
Media types by a file's suffix, and suffixes by a media type.

Python's ``mimetypes`` differs between versions and reads the machine's ``/etc/mime.types``: two workers could
send the same file with different types. Hence this table.
"""

from __future__ import annotations

from pathlib import PurePosixPath

OCTET_STREAM = "application/octet-stream"

OFFICE = "application/vnd.openxmlformats-officedocument"

#: A media type, then its suffixes, the usual one first.
_SUFFIXES: dict[str, tuple[str, ...]] = {
    kind: tuple(suffixes.split())
    for kind, suffixes in (
        ("image/png", "png"),
        ("image/apng", "apng"),
        ("image/jpeg", "jpg jpeg jpe jfif"),
        ("image/webp", "webp"),
        ("image/gif", "gif"),
        ("image/bmp", "bmp dib"),
        ("image/tiff", "tiff tif"),
        ("image/avif", "avif"),
        ("image/heic", "heic"),
        ("image/heif", "heif"),
        ("image/svg+xml", "svg"),
        ("image/jxl", "jxl"),
        ("image/vnd.microsoft.icon", "ico"),
        ("image/vnd.adobe.photoshop", "psd"),
        ("image/x-exr", "exr"),
        ("image/vnd.radiance", "hdr"),
        ("image/x-tga", "tga"),
        ("image/x-adobe-dng", "dng"),
        ("image/x-portable-anymap", "pnm"),
        ("image/x-portable-bitmap", "pbm"),
        ("image/x-portable-graymap", "pgm"),
        ("image/x-portable-pixmap", "ppm"),
        ("audio/mpeg", "mp3 mp2 mpga"),
        ("audio/wav", "wav"),
        ("audio/mp4", "m4a m4b"),
        ("audio/aac", "aac"),
        ("audio/ogg", "ogg oga"),
        ("audio/opus", "opus"),
        ("audio/flac", "flac"),
        ("audio/webm", "weba"),
        ("audio/aiff", "aiff aif aifc"),
        ("audio/amr", "amr"),
        ("audio/midi", "mid midi"),
        ("audio/x-ms-wma", "wma"),
        ("audio/x-matroska", "mka"),
        ("video/mp4", "mp4 m4v"),
        ("video/quicktime", "mov qt"),
        ("video/webm", "webm"),
        ("video/x-matroska", "mkv"),
        ("video/x-msvideo", "avi"),
        ("video/mpeg", "mpg mpeg m1v"),
        ("video/ogg", "ogv"),
        ("video/3gpp", "3gp"),
        ("video/3gpp2", "3g2"),
        ("video/x-flv", "flv"),
        ("video/x-ms-wmv", "wmv"),
        ("application/pdf", "pdf"),
        (f"{OFFICE}.wordprocessingml.document", "docx"),
        (f"{OFFICE}.spreadsheetml.sheet", "xlsx"),
        (f"{OFFICE}.presentationml.presentation", "pptx"),
        ("application/msword", "doc"),
        ("application/vnd.ms-excel", "xls"),
        ("application/vnd.ms-powerpoint", "ppt"),
        ("application/vnd.oasis.opendocument.text", "odt"),
        ("application/vnd.oasis.opendocument.spreadsheet", "ods"),
        ("application/vnd.oasis.opendocument.presentation", "odp"),
        ("application/epub+zip", "epub"),
        ("application/rtf", "rtf"),
        ("application/postscript", "ps eps ai"),
        ("application/x-tex", "tex"),
        ("message/rfc822", "eml"),
        ("text/plain", "txt text log"),
        ("text/markdown", "md markdown"),
        ("text/csv", "csv"),
        ("text/tab-separated-values", "tsv"),
        ("text/html", "html htm"),
        ("text/css", "css"),
        ("text/javascript", "js mjs"),
        ("text/x-python", "py"),
        ("application/x-sh", "sh"),
        ("text/vtt", "vtt"),
        ("application/x-subrip", "srt"),
        ("application/json", "json"),
        ("application/x-ndjson", "jsonl ndjson"),
        ("application/xml", "xml"),
        ("application/yaml", "yaml yml"),
        ("application/vnd.apache.parquet", "parquet"),
        ("model/gltf-binary", "glb"),
        ("model/gltf+json", "gltf"),
        ("model/obj", "obj"),
        ("model/mtl", "mtl"),
        ("model/stl", "stl"),
        ("model/3mf", "3mf"),
        ("model/vnd.usdz+zip", "usdz"),
        ("application/zip", "zip"),
        ("application/gzip", "gz tgz"),
        ("application/x-hdf5", "h5"),
        ("application/vnd.apple.mpegurl", "m3u8"),
        ("application/x-tar", "tar"),
        ("application/x-7z-compressed", "7z"),
        # Suffixes that say what the file is, without a registered type.
        (OCTET_STREAM, "bin safetensors ckpt pt pth onnx gguf npy npz fbx ply splat spz blend usd usda usdc"),
    )
}
_TYPES = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}

#: Other names of the same types.
_OTHER_NAMES = {
    other: kind
    for kind, others in (
        ("image/png", "image/x-png"),
        ("image/apng", "image/vnd.mozilla.apng"),
        ("image/jpeg", "image/jpg image/pjpeg"),
        ("image/bmp", "image/x-ms-bmp image/x-bmp"),
        ("image/vnd.microsoft.icon", "image/x-icon"),
        ("audio/mpeg", "audio/mp3 audio/x-mp3 audio/mpeg3 audio/x-mpeg"),
        ("audio/wav", "audio/x-wav audio/wave audio/vnd.wave"),
        ("audio/mp4", "audio/x-m4a audio/m4a"),
        ("audio/aac", "audio/x-aac audio/aacp"),
        ("audio/flac", "audio/x-flac"),
        ("audio/aiff", "audio/x-aiff"),
        ("audio/ogg", "audio/vorbis application/ogg"),
        ("video/mp4", "video/x-m4v application/mp4"),
        ("video/x-matroska", "application/x-matroska"),
        ("video/x-msvideo", "video/avi video/msvideo video/vnd.avi"),
        ("application/pdf", "application/x-pdf"),
        ("application/zip", "application/x-zip-compressed application/x-zip"),
        ("application/gzip", "application/x-gzip"),
        ("application/json", "text/json"),
        ("application/x-ndjson", "application/jsonl application/jsonlines"),
        ("application/xml", "text/xml"),
        ("application/yaml", "application/x-yaml text/yaml"),
        ("text/markdown", "text/x-markdown"),
        ("text/javascript", "application/javascript"),
        ("model/stl", "application/sla application/vnd.ms-pki.stl model/x.stl-binary model/x.stl-ascii"),
        ("model/obj", "application/x-tgif"),
        ("model/vnd.usdz+zip", "model/usd"),
    )
    for other in others.split()
}
#: Types that say nothing about the file.
_SAYS_NOTHING = frozenset({OCTET_STREAM, "binary/octet-stream", ""})

#: The longest suffix outside of the table: ``.kra`` is one, the end of ``v1.5`` or of a sentence is not.
_LONGEST_SUFFIX = 8


def plain_type(content_type: str | None) -> str:
    """Return a media type in its usual spelling, without parameters such as ``charset``."""
    plain = (content_type or "").partition(";")[0].strip().lower()
    return _OTHER_NAMES.get(plain, plain)


def says_nothing(content_type: str | None) -> bool:
    """Whether a media type says nothing about the file."""
    return plain_type(content_type) in _SAYS_NOTHING


def is_media(content_type: str | None) -> bool:
    """Whether a media type is that of a picture, a sound or a film."""
    return plain_type(content_type).startswith(("image/", "audio/", "video/"))


def type_of_name(name: str) -> str | None:
    """Return the media type of a file's suffix, None where the table doesn't have it."""
    return _TYPES.get(_suffix(name))


def suffix_of_type(content_type: str | None) -> str:
    """Return the usual suffix of a media type with its dot, empty where there is none."""
    if says_nothing(content_type):
        return ""
    suffixes = _SUFFIXES.get(plain_type(content_type))
    return f".{suffixes[0]}" if suffixes else ""


def has_known_suffix(name: str) -> bool:
    """Whether a file's name ends in a suffix that the table knows."""
    return _suffix(name) in _TYPES


def has_suffix(name: str) -> bool:
    """Whether a file's name has a suffix, known or not: letters and digits, not digits alone."""
    suffix = _suffix(name)
    return suffix in _TYPES or (
        0 < len(suffix) <= _LONGEST_SUFFIX
        and suffix.isascii()
        and suffix.isalnum()
        and not suffix.isdecimal()
    )


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.removeprefix(".").lower()
