"""
A run's input as it is sent to Wiro: model slugs, parameters, files.

Bad input is refused here, before anything is sent: what was found, what was expected, what to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, urlsplit

from airflow_provider_wiro.api.json_values import json_value
from airflow_provider_wiro.exceptions import WiroUsageError

if TYPE_CHECKING:
    from airflow_provider_wiro.api.catalog import ModelParameter

_SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE | re.ASCII)
# Not compiled here: `re` caches them at first use, and DAG files, which import this module, use few of them.
#: Spaces, control characters, and surrogates, which no encoding can send.
_NOT_IN_URLS = r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]"

#: Characters that end the line of a header, or that nobody types.
_NOT_IN_NAMES = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"

#: By Wiro's API reference: files of up to 100 MB.
MAX_FILE_BYTES = 100 * 1000 * 1000

FILE_KINDS = frozenset({"fileinput", "multifileinput", "combinefileinput"})
#: Kinds that take no file. Wiro's set of kinds is open: a parameter of any other kind may take one.
_NO_FILE_KINDS = frozenset(
    {"text", "textarea", "number", "numeric", "integer", "float", "range"}
    | {"select", "selectwithcover", "multiselect", "checkbox", "jsonschema"}
)


@dataclass(frozen=True)
class FileUrl:
    """
    A file that Wiro fetches itself.

    :ivar identity: identifies the file in a run's record if its link can be signed again: an output of
        another run. Empty: the URL identifies it. Never sent.
    """

    url: str
    identity: str = ""


@dataclass(frozen=True)
class FileContent:
    """
    A file whose bytes are sent.

    :ivar open: opens the file for an attempt, so that a repeated body never starts in the middle.
    :ivar size: bytes.
    :ivar identity: identifies the content in a run's record; never sent.
    """

    name: str
    content_type: str
    size: int
    open: Callable[[], BinaryIO]
    identity: str = ""


FileValue = FileUrl | FileContent
#: One field of a multipart form, in order.
FormField = tuple[str, str | FileContent]


@dataclass(frozen=True)
class Body:
    """
    A request's body: JSON text, or the fields of a multipart form when file contents are sent.

    Not shown by ``repr``: it may hold a task's token, or a callback URL with a password in it.
    """

    json: str | None = field(default=None, repr=False)
    form: tuple[FormField, ...] = field(default=(), repr=False)


def split_slug(model: object) -> tuple[str, str]:
    """
    Return owner and name of ``owner/model``, without the stray spaces that the catalogue has.

    :raises WiroUsageError: it is anything else: a URL, a third segment, ``..``, nothing.
    """
    segments = [segment.strip() for segment in model.strip().split("/")] if isinstance(model, str) else []
    if len(segments) != 2 or not all(_is_slug_segment(segment) for segment in segments):
        raise WiroUsageError(
            "Expected a model as `owner/model`, such as 'retroAIx/Retro-Cartoons', found "
            f"{described(model)}. {_slug_hint(model)}"
        )
    return segments[0], segments[1]


def _is_slug_segment(segment: str) -> bool:
    return (
        bool(segment)
        and segment not in {".", ".."}
        and len(segment) <= 200
        and segment.isprintable()
        and not set(segment) & set("\\?#:%{}")
    )


#: The page of a model; its last two segments are the model's names.
_MODEL_PAGE = r"(?i)\s*(?:https?://)?(?:www\.)?wiro\.ai/(?:[\w-]+/)*?(?:models/)?([^/?#\s]+)/([^/?#\s]+)/?(?:[?#].*)?\s*"


def _slug_hint(model: object) -> str:
    """Say what to write instead."""
    if isinstance(model, str) and (page := re.fullmatch(_MODEL_PAGE, model)):
        return f"Write '{page[1]}/{page[2]}'."
    if isinstance(model, str) and "{" in model:
        return "A template has two braces on each side, `{{ … }}`; inside an f-string four."
    if isinstance(model, list | tuple):
        return "One operator runs one model; for several, use one operator each or `.expand(model=[…])`."
    return "Copy the two names from the model's page at wiro.ai."


def described(value: object) -> str:
    """Return a value for an error message: its beginning, and its type unless it is text."""
    if value is None:
        return "None"
    if isinstance(value, str):
        return repr(value[:200])
    return f"{type(value).__name__} {str(value)[:100]!r}"


def slug_path(model: object) -> str:
    """Return the percent-encoded path segments of a model, such as ``wiro/Animated%20Logo``."""
    return "/".join(quote(segment, safe="") for segment in split_slug(model))


def run_body(
    parameters: Mapping[str, Any],
    files: Mapping[str, Sequence[FileValue]],
    known: Sequence[ModelParameter] = (),
) -> Body:
    """
    Return the body of a Run.

    :param parameters: the model's own parameters, sent as they are; None means "leave it out".
    :param files: file parameter → its files and URLs.
    :param known: the model's parameters from Tool/Detail, which show the kind of each file parameter. Without
        them, and where the kind isn't known, one value is sent as a ``fileinput`` and several as a
        ``multifileinput``.
    :raises WiroUsageError: a value can't be sent, or the model has no such file parameter.
    """
    values = clean_parameters(parameters)
    wanted = _by_parameter(files, known)
    if any(isinstance(value, FileContent) for _, _, given in wanted for value in given):
        file_fields = [
            field for parameter, kind, given in wanted for field in _fields(parameter, kind, given)
        ]
        for name, _ in file_fields:
            values.pop(name, None)
        values |= _missing_partners(values, known)
        plain = [(name, part) for name, value in values.items() for part in _form_values(value)]
        return Body(form=(*plain, *file_fields))
    for parameter, kind, given in wanted:
        fields = _fields(parameter, kind, given)
        # The one field that repeats is a combinefileinput's, which JSON sends as an array.
        values |= {parameter: [url for _, url in fields]} if kind == "combinefileinput" else dict(fields)
    return Body(json=json.dumps(values, ensure_ascii=False))


def clean_parameters(parameters: object) -> dict[str, Any]:
    """
    Return the parameters that are sent: names and values as given, None left out.

    A template renders a mapping as JSON text, so that is parsed, too. ``Decimal``, as databases return it,
    becomes a plain number; a sequence such as the output of mapped tasks becomes a list.

    :raises WiroUsageError: not a mapping of names to JSON values.
    """
    parameters = read_json(parameters)
    if not isinstance(parameters, Mapping):
        raise WiroUsageError(
            "Expected `parameters` as a dict of the model's parameters, or its JSON text, found "
            f"{described(parameters)}. If it comes from a template, end that with `| tojson`."
        )
    cleaned = {}
    for name, value in parameters.items():
        check_name(name, "parameter")
        if value is None:
            continue
        cleaned[name] = json_value(name, value)
    return cleaned


def check_name(name: object, what: str) -> None:
    """
    Raise unless a name can name a form field.

    :param what: the kind of name, for the message.
    :raises WiroUsageError: it is not text, is empty, or would break the field's header line.
    """
    if not isinstance(name, str) or not name.strip():
        raise WiroUsageError(f"Expected {what} names as non-empty text, found {repr(name)[:200]}.")
    if re.search(_NOT_IN_NAMES, name):
        raise WiroUsageError(
            f"The {what} name {name[:200]!r} can't be sent. Expected one without line breaks and other "
            "control characters."
        )


def read_json(parameters: object) -> object:
    """Parse JSON text of an object; return anything else unchanged."""
    if isinstance(parameters, str) and parameters.lstrip().startswith("{"):
        try:
            return json.loads(parameters)
        except (ValueError, RecursionError):
            return parameters
    return parameters


def _by_parameter(
    files: Mapping[str, Sequence[FileValue]], known: Sequence[ModelParameter]
) -> list[tuple[str, str, Sequence[FileValue]]]:
    """Return id, kind and files of each file parameter that has any."""
    kinds = {
        parameter.id: kind
        for parameter in known
        if (kind := parameter.kind.strip().lower()) not in _NO_FILE_KINDS
    }
    meant: dict[str, tuple[str, str, Sequence[FileValue]]] = {}
    for name, given in files.items():
        if not given:
            continue
        check_name(name, "file parameter")
        parameter = _parameter_id(name, kinds, is_model_known=bool(known))
        if parameter in meant:
            raise WiroUsageError(f"File parameter {parameter!r} is given twice, once as {parameter}Url.")
        kind = kinds.get(parameter, "")
        if kind not in FILE_KINDS:
            kind = "fileinput" if len(given) == 1 else "multifileinput"
        if kind == "fileinput" and len(given) > 1:
            raise WiroUsageError(
                f"File parameter {name!r} takes one file, found {len(given)}. Choose one; of another task's "
                "result: \"{{ ti.xcom_pull('TASK_ID')['outputs'][0]['url'] }}\"."
            )
        meant[parameter] = (parameter, kind, given)
    return list(meant.values())


def _parameter_id(name: str, kinds: Mapping[str, str], *, is_model_known: bool) -> str:
    """Return the id that a file parameter's name means: ``inputImageUrl`` means ``inputImage``."""
    without_url = name.removesuffix("Url") or name
    if not is_model_known:
        return without_url
    for candidate in (name, without_url):
        if candidate in kinds:
            return candidate
    listed = ", ".join(sorted(kinds)) or "none"
    raise WiroUsageError(f"The model has no file parameter {name!r}. Its file parameters: {listed}.")


def _fields(parameter: str, kind: str, given: Sequence[FileValue]) -> list[FormField]:
    """Return the form fields of one file parameter, by its kind (see Wiro's API reference)."""
    if kind == "combinefileinput":
        return [(parameter, value.url if isinstance(value, FileUrl) else value) for value in given]
    contents: list[FormField] = [(parameter, value) for value in given if isinstance(value, FileContent)]
    urls = [value.url for value in given if isinstance(value, FileUrl)]
    if kind != "fileinput" and any("," in url for url in urls):
        raise WiroUsageError(
            f"File parameter {parameter!r} takes several URLs separated by commas, so none may have a comma "
            "in it. Percent-encode it as %2C."
        )
    # Both fields are always there, as in the requests of Wiro's own clients; one of them may be empty.
    return [*(contents or [(parameter, "")]), (f"{parameter}Url", ",".join(urls))]


def _missing_partners(values: Mapping[str, Any], known: Sequence[ModelParameter]) -> dict[str, str]:
    """Return the empty fields that a form needs beside file URLs given in ``parameters``."""
    pairs = (
        (parameter.id, f"{parameter.id}Url")
        for parameter in known
        if parameter.kind in {"fileinput", "multifileinput"}
    )
    return {name: "" for pair in pairs for name in pair if name not in values and set(pair) & values.keys()}


def _form_values(value: Any) -> list[str]:
    """
    Return a value as the text of one form field, or of several equally named ones for a list.

    A list of objects, such as the ``messages`` of an LLM, is one field of JSON text; so is an empty list,
    which would otherwise not be sent at all.
    """
    is_list = isinstance(value, list | tuple)
    if is_list and value and not any(isinstance(item, Mapping | list | tuple) for item in value):
        return [_form_text(item) for item in value if item is not None]
    return [_form_text(value)]


def _form_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def check_web_url(url: str, what: str) -> str:
    """
    Return a stripped http(s) URL.

    :param what: the name of the argument, for the message.
    :raises WiroUsageError: anything else.
    """
    stripped = url.strip() if isinstance(url, str) else ""
    try:
        parts = urlsplit(stripped)
        valid = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and not re.search(_NOT_IN_URLS, stripped)
        )
        _ = parts.port
    except ValueError:
        valid = False
    if not valid:
        raise WiroUsageError(f"Expected an http(s) URL for {what}, found {shown_url(url)!r}.")
    return stripped


def shown_url(url: object) -> str:
    """
    Return a URL, even a malformed one, for a message: without user, password and query.

    The query of a presigned URL is a secret.
    """
    text = str(url)
    shown = re.split(r"[?#]", text, maxsplit=1)[0]
    scheme = _SCHEME.match(text)
    prefix = scheme[0] if scheme else ""
    if "@" in shown:
        shown = f"{prefix}…@{shown.rpartition('@')[2]}"
    elif "@" in text:  # half of a password with a "?" in it would be left
        shown = f"{prefix}…"
    return shown[:200]
