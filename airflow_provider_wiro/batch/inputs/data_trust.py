"""
What items may name that come as data: from a file, from another task, by mapping.

A file of inputs is often written by someone who may not read the worker's disk, use its connections, or
spend from its projects. So such an item may name URLs and objects that the operator's own connection reads,
and nothing else, unless the DAG allows it. Items that the DAG file lists are trusted like the DAG file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.input_files.resolve import flattened
from airflow_provider_wiro.input_files.stored_file import with_connection
from airflow_provider_wiro.storage.location import parse_location

#: Parameters of every model that say who is billed and who gets the result.
_OF_THE_RUN = frozenset({"callbackurl", "projectid"})
_S3_SCHEMES = frozenset({"s3", "s3a", "s3n"})
_WEB_SCHEMES = ("http://", "https://", "data:")
_QUOTED = 200


@dataclass(frozen=True)
class DataTrust:
    """
    What an item that comes as data may name.

    :ivar aws_conn_id: the operator's own S3 connection, by which it may name objects in S3.
    :ivar local_paths: absolute local folders; files in these and below may be named.
    :ivar connections: ids of further connections that object-storage URIs may name.
    :ivar parameters: of ``callbackUrl`` and ``projectid``, those that an item may set.
    """

    aws_conn_id: str | None = "aws_default"
    local_paths: Sequence[str] = ()
    connections: Sequence[str] = ()
    parameters: Sequence[str] = ()

    def check(self, parameters: Mapping[str, Any], files: Mapping[str, Any]) -> None:
        """
        Refuse an item that names more than it may.

        :param parameters: of the item itself.
        :param files: of the item itself: file parameter → source or sources.
        :raises WiroUsageError: it does; says what, and which argument would allow it.
        """
        allowed = set(map(_plain, self.parameters))
        for name in parameters:
            if _plain(name) in _OF_THE_RUN - allowed:
                raise WiroUsageError(
                    f"Parameter {name!r} says who is billed or who gets the result, and data may not set it. "
                    f"Remove it, or list it in allowed_item_parameters. For all items the operator has "
                    "project_id and callback_url."
                )
        for name, given in files.items():
            # A file for `callback` or `callbackUrl` is sent in fields of both names.
            field = _plain(name).removesuffix("url")
            if {field, f"{field}url"} & (_OF_THE_RUN - allowed):
                raise WiroUsageError(
                    f"File parameter {name!r:.100} would say who is billed or who gets the result, and data "
                    "may not set it. Remove it, or list it in allowed_item_parameters."
                )
            for source in flattened(given):
                self._check_source(source, f"File parameter {name!r:.100}")

    def _check_source(self, source: Any, where: str) -> None:
        if isinstance(source, Mapping):  # what another task returned of a file, or of several
            for value in source.values():
                if isinstance(value, Mapping | list | tuple):
                    for nested in flattened(value):
                        if isinstance(nested, Mapping):
                            self._check_source(nested, where)
            for place in (source.get("uri"), source.get("url")):
                if isinstance(place, str) and place.strip():
                    self._check_place(place, where)
        elif isinstance(source, str | os.PathLike):
            self._check_place(with_connection(source), where)

    def _check_place(self, place: str, where: str) -> None:
        place = place.strip()
        if place.lower().startswith(_WEB_SCHEMES):  # fetched by Wiro, or the bytes themselves
            return
        location = parse_location(place, "a file")
        if location.is_local:
            self._check_local(location.path, where)
            return
        is_own = location.scheme in _S3_SCHEMES and location.conn_id in {None, self.aws_conn_id}
        if is_own or location.conn_id in self.connections:
            return
        named = "no connection" if location.conn_id is None else f"connection {location.conn_id!r:.100}"
        own = "" if self.aws_conn_id is None else f" (s3://{self.aws_conn_id}@bucket/key)"
        raise WiroUsageError(
            f"{where} names {named} in {place[:_QUOTED]!r}. Data may name objects in S3 by the operator's "
            f"own aws_conn_id{own}; name another connection in the URI and list it in allowed_connections."
        )

    def _check_local(self, path: str, where: str) -> None:
        real = os.path.realpath(path)
        for folder in map(os.path.realpath, self.local_paths):
            if real.startswith(folder.rstrip("/") + "/"):
                return
        below = f"only below {', '.join(self.local_paths)}" if self.local_paths else "none by default"
        raise WiroUsageError(
            f"{where} names the local file {path[:_QUOTED]!r}. Data names URLs and object-storage URIs; "
            f"local files {below}. Put it into an object store, or its folder into allowed_local_paths."
        )


def _plain(name: object) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())
