"""
Splits a user's ``files`` argument into single sources, and classifies them.

A source is a local path, an object-storage URI or path, an http(s) or ``data:`` URL, or a dict that an
operator returned for one file: with its ``url`` (an upload, an output of a run) or its ``uri`` (a file in a
transfer's result). Nothing is opened here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from airflow_provider_wiro.api.decoding.llm_answers import RAW
from airflow_provider_wiro.api.parameters import shown_url
from airflow_provider_wiro.exceptions import WiroUsageError
from airflow_provider_wiro.input_files.data_uris import is_data_uri, shown_data_uri
from airflow_provider_wiro.input_files.stored_file import with_connection

#: A local path, an object-storage URI or path, an http(s) or data: URL.
FileSource = str | os.PathLike[str]
#: How many characters of a source a message quotes.
_QUOTED = 200

#: Schemes of no object store: files of this machine, and URLs that Wiro fetches itself.
_NO_STORES = frozenset({"file", "local", "http", "https"})

#: For messages: what a source can be.
EXPECTED = "a path, an object-storage URI, an http(s) or data: URL, or what another task returned"


def flattened(given: Any) -> Iterator[Any]:
    """
    Yield the single sources in a user's argument; never raises.

    Lists can be nested, as a mapped task's output is. A run summary stands for its outputs that are files, a
    transfer's result for the files it has written; without any, the summary or result itself is yielded.
    """
    if isinstance(given, Sequence) and not isinstance(given, str | bytes | bytearray | os.PathLike):
        for item in given:
            yield from flattened(item)
    elif isinstance(given, Mapping):
        yield from _of_result(given)
    else:
        yield given


def _of_result(given: Mapping[str, Any]) -> Iterator[Any]:
    landed, outputs = given.get("files"), given.get("outputs")
    # Transferred files stay; the links of a run's outputs expire.
    if isinstance(landed, Sequence) and not isinstance(landed, str) and landed:
        yield from map(_landed, flattened(landed))
        return
    listed = outputs if isinstance(outputs, Sequence) and not isinstance(outputs, str) else ()
    found = [one for one in listed if isinstance(one, Mapping) and not _is_answer(one)]
    for one in found:
        yield {**one, "wiro_task_id": given.get("wiro_task_id")}
    if not found:
        yield given


def _landed(source: Any) -> Any:
    """Return a source from another task's result, in a form that opens no file of this machine."""
    if isinstance(source, str) and not (is_web_url(source) or is_data_uri(source)):
        return {"uri": source}
    return {"uri": os.fspath(source)} if is_local_path(source) and not isinstance(source, str) else source


def _is_answer(output: Mapping[str, Any]) -> bool:
    """Whether an output is an LLM's answer: text in the summary, and no file."""
    has_file = output.get("url") or output.get("uri")
    return not has_file and str(output.get("content_type") or RAW).lower() == RAW


def sources_of(files: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """Return file parameter → its sources, unopened; parameters without any are left out."""
    if not isinstance(files, Mapping):
        return {}
    found = {
        str(name): [source for source in flattened(given) if source is not None]
        for name, given in files.items()
    }
    return {name: sources for name, sources in found.items() if sources}


def count_files(files: Mapping[str, Any] | None) -> dict[str, int]:
    """
    Return file parameter → how many files and URLs it is given, without opening any.

    :raises WiroUsageError: ``files`` is no dict.
    """
    check_is_mapping(files)
    return {name: len(sources) for name, sources in sources_of(files).items()}


def check_is_mapping(files: object) -> None:
    """
    Raise unless a user's ``files`` argument is a dict, or None.

    :raises WiroUsageError: it is something else.
    """
    if files is not None and not isinstance(files, Mapping):
        raise WiroUsageError(
            f"Expected `files` as a dict of file parameter to file, found {type(files).__name__}."
        )


def output_identity(source: Mapping[str, Any]) -> str:
    """
    Return the identity of a run's output, whatever its link is now: task and index. Empty if not known.

    Wiro can sign a link again each time it shows it, and a retry must still recognise its run.
    """
    task, index = source.get("wiro_task_id"), source.get("index")
    is_known = isinstance(task, str | int) and str(task).strip() and isinstance(index, int)
    return f"wiro task {str(task).strip()} output {index}" if is_known and source.get("url") else ""


def reference_of(source: Any) -> str:
    """Return a name of a source, to compare runs whose files can't be opened; never shown."""
    if isinstance(source, Mapping):
        if is_landed(source):
            return str(source["uri"])
        return output_identity(source) or str(source.get("url"))
    return with_connection(source)


def is_landed(source: Mapping[str, Any]) -> bool:
    """Whether a file of another task's result is in an object store: a transfer's, or a reused run's."""
    return "uri" in source and ("url" not in source or (not source["url"] and bool(source["uri"])))


def is_web_url(source: Any) -> bool:
    """Whether a source is an http(s) URL, which Wiro fetches itself."""
    return isinstance(source, str) and source.strip().lower().startswith(("http://", "https://"))


def is_local_path(source: Any) -> bool:
    """Whether a source is a plain path on this machine; ``file://`` is one of Airflow's stores."""
    if isinstance(source, str):
        return "://" not in source and not is_data_uri(source)
    return isinstance(source, os.PathLike) and not hasattr(source, "protocol")


def object_uri_of(source: Mapping[str, Any]) -> str:
    """
    Return the URI of a file that a transfer has written.

    :raises WiroUsageError: it isn't in an object store: another task's result can't name a file of this
        machine.
    """
    uri = source.get("uri")
    scheme, separator, _ = uri.strip().partition("://") if isinstance(uri, str) else ("", "", "")
    if not separator or scheme.lower() in _NO_STORES:
        raise WiroUsageError(
            f"Expected the `uri` of a file in an object store, found {shown(uri)}. Give a file of this "
            "machine as text, by its path."
        )
    return str(uri).strip()


def shown(source: Any) -> str:
    """Return a source for a message: without query and bytes, at most 200 characters."""
    if is_data_uri(source):
        return shown_data_uri(source)
    if is_web_url(source):
        return repr(shown_url(source))
    if isinstance(source, Mapping):
        names = ", ".join(repr(name)[:40] for name in islice(source, 4))
        return f"a dict of {names}" if names else "an empty dict"
    text = with_connection(source) if isinstance(source, str | os.PathLike) else type(source).__name__
    return repr(text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…")
