"""
The web pages on which stores show a bucket, a folder or an object.

AWS and Google document theirs. Those of Cloudflare, DigitalOcean, Scaleway and Wasabi are the addresses that
their consoles have in the browser. Backblaze's names a bucket by an id that S3's API doesn't know, and
MinIO's console has an address of its own: for these and all others there is ``[wiro] s3_console_url``. No
page is better than a wrong one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Hosts of AWS's S3, with regional, dual-stack and VPC endpoints below them.
_AWS_HOSTS = ("amazonaws.com", "amazonaws.com.cn", "api.aws")
#: The console of each partition, by how its regions begin.
_AWS_CONSOLES = (
    ("cn-", "console.amazonaws.cn"),
    ("us-gov-", "console.amazonaws-us-gov.com"),
    ("", "console.aws.amazon.com"),
)
_REGION = re.compile(r"[a-z]{2,5}(?:-[a-z]+)+-\d{1,2}", re.ASCII)
_ACCESS_POINT = re.compile(
    r"arn:aws[a-z-]*:s3:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):accesspoint[/:](?P<name>[A-Za-z0-9-]+)",
    re.ASCII,
)
_DIRECTORY_BUCKET = "--x-s3"
#: Ends of the names that access points have in the place of a bucket's, of which the console has no page.
_ALIASES = ("-s3alias", "--ol-s3", "--xa-s3")
_GOOGLE_HOST = "storage.googleapis.com"
_GOOGLE_DOMAIN = ".googleapis.com"
_R2_HOST = re.compile(r"(?P<account>[0-9a-f]{32})(?:\.(?P<jurisdiction>[a-z]+))?\.r2\.cloudflarestorage\.com")
_SPACES_HOST = re.compile(r"[a-z0-9-]+\.digitaloceanspaces\.com")
_SCALEWAY_HOST = re.compile(r"s3\.(?P<region>[a-z0-9-]+)\.scw\.cloud")
_WASABI_HOST = re.compile(r"s3(?:\.(?P<region>[a-z0-9-]+))?\.wasabisys\.com")

_TEMPLATE_NAMES = frozenset({"bucket", "key"})
_WEB_ADDRESS = re.compile(r"https?://[^\s/?#@\\{}]+(?:[/?#]\S*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Console:
    """
    The console of the store that a client of S3, or of Google's store, talks to.

    :ivar endpoint_url: of the client; None if no client is known. Google's store is then Google's own.
    :ivar region: of the client. The console itself leads to the region of the bucket, if that is another.
    :ivar template: ``[wiro] s3_console_url``, for stores whose console isn't known; None if it isn't set.
    """

    endpoint_url: str | None = None
    region: str | None = None
    template: str | None = None

    def page(self, uri: str) -> str | None:
        """
        Return the page of an object, or of a folder, whose URI ends with a slash.

        :param uri: of S3 or Google's store, with or without a connection.
        :return: an http(s) URL; None if the store's page isn't known.
        """
        scheme, separator, rest = uri.partition("://")
        if not separator:
            return None
        bucket, key = _split(rest)
        if not bucket:
            return None
        if scheme in {"gs", "gcs"}:
            host = "" if self.endpoint_url is None else (urlsplit(self.endpoint_url).hostname or "").lower()
            is_google = self.endpoint_url is None or host.endswith(_GOOGLE_DOMAIN)
            return _google_page(bucket, key) if is_google else self._page_by_template(bucket, key)
        return self._s3_page(bucket, key) if scheme in {"s3", "s3a", "s3n"} else None

    def _s3_page(self, bucket: str, key: str) -> str | None:
        if self.endpoint_url is None:
            return None
        host = (urlsplit(self.endpoint_url).hostname or "").lower()
        if any(host == name or host.endswith(f".{name}") for name in _AWS_HOSTS):
            return self._aws_page(bucket, key)
        if host == _GOOGLE_HOST:
            return _google_page(bucket, key)
        name, folder = quoted(bucket, safe=""), quoted(_folder(key))
        if found := _R2_HOST.fullmatch(host):
            place = f"{found['account']}/r2/{found['jurisdiction'] or 'default'}"
            return (
                f"https://dash.cloudflare.com/{place}/buckets/{name}{f'?prefix={folder}' if folder else ''}"
            )
        if _SPACES_HOST.fullmatch(host):
            return f"https://cloud.digitalocean.com/spaces/{name}{f'?path={folder}' if folder else ''}"
        if found := _SCALEWAY_HOST.fullmatch(host):
            return (
                f"https://console.scaleway.com/object-storage/buckets/{found['region']}/{name}/files/{folder}"
            )
        if found := _WASABI_HOST.fullmatch(host):
            of_region = f"?region={found['region']}" if found["region"] else ""
            return f"https://console.wasabisys.com/file_manager/{name}{of_region}"
        return self._page_by_template(bucket, key)

    def _page_by_template(self, bucket: str, key: str) -> str | None:
        if self.template is None or template_problem(self.template) is not None:
            return None
        return self.template.format(bucket=quoted(bucket, safe=""), key=quoted(key))

    def _aws_page(self, bucket: str, key: str) -> str | None:
        if bucket.endswith(_ALIASES):
            return None
        region = self.region if self.region and _REGION.fullmatch(self.region) else None
        access_point = _ACCESS_POINT.fullmatch(bucket)
        if access_point is not None:
            region = access_point["region"]
        console = next(host for start, host in _AWS_CONSOLES if (region or "").startswith(start))
        base = f"https://{region}.{console}/s3" if region else f"https://{console}/s3"
        of_region = [f"region={region}"] if region else []
        if access_point is not None:  # the page has no folders
            return f"{base}/ap/{access_point['account']}/{access_point['name']}{_query(of_region)}"
        name = quoted(bucket, safe="")
        if bucket.endswith(_DIRECTORY_BUCKET):
            prefix = [f"prefix={folder}"] if (folder := quoted(_folder(key))) else []
            return f"{base}/buckets/{name}{_query([*of_region, 'bucketType=directory', *prefix])}"
        prefix = [f"prefix={quoted(key)}"] if key else []
        kind = "object" if key and not key.endswith("/") else "buckets"
        return f"{base}/{kind}/{name}{_query([*of_region, *prefix])}"


def template_problem(template: str) -> str | None:
    """Return what is wrong with a template of ``[wiro] s3_console_url``; None if it can be used."""
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        return f"its braces don't match ({error})"
    if names - _TEMPLATE_NAMES or any(
        spec or conversion for _, name, spec, conversion in Formatter().parse(template) if name is not None
    ):
        return "it may have {bucket} and {key} in it, and no other placeholder"
    if "bucket" not in names:
        return "it has no {bucket}"
    if _WEB_ADDRESS.fullmatch(template) is None:
        return "it is no http(s) URL, or {bucket} is in its host"
    return None


def common_folder(uris: Sequence[str]) -> str | None:
    """
    Return the URI of the folder that objects of one store share, with a slash at its end; None for none.

    It is the bucket, where they share nothing more.
    """
    if not uris:
        return None
    shared = _folder_names(uris[0])
    for uri in uris[1:]:
        names = _folder_names(uri)
        count = next(
            (at for at, pair in enumerate(zip(shared, names, strict=False)) if pair[0] != pair[1]),
            min(len(shared), len(names)),
        )
        shared = shared[:count]
    return f"{uris[0].partition('://')[0]}://{'/'.join(shared)}/" if shared else None


def template_folder(bucket: str, key_template: str) -> str:
    """Return the URI of the folder in which all objects of a key template are, with a slash at its end."""
    fixed = key_template.partition("{")[0]
    folder = fixed[: fixed.rfind("/") + 1]
    return f"s3://{bucket}/{folder}"


def quoted(text: str, *, safe: str = "/") -> str:
    """Return a name as a part of a URL."""
    return quote(text.encode("utf-8", "replace"), safe=safe)


def _split(rest: str) -> tuple[str, str]:
    """Return bucket, or access point, and key of a URI after its scheme, without its connection."""
    if access_point := re.match(rf"(?:[^/@]*@)?({_ACCESS_POINT.pattern})(?:/|\Z)", rest, re.ASCII):
        return access_point[1], rest[access_point.end() :]
    authority, _, key = rest.partition("/")
    return authority.rpartition("@")[2], key


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _folder_names(uri: str) -> list[str]:
    return uri.partition("://")[2].split("/")[:-1]


def _google_page(bucket: str, key: str) -> str:
    place = "_details/" if key and not key.endswith("/") else ""
    return f"https://console.cloud.google.com/storage/browser/{place}{quoted(bucket, safe='')}/{quoted(key)}"


def _query(pairs: Iterable[str]) -> str:
    joined = "&".join(pairs)
    return f"?{joined}" if joined else ""
