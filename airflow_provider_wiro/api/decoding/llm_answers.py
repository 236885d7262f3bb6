"""
An LLM's answer, read from the ``content`` of an output in any of its shapes.

``segments`` is Wiro's authoritative form: the parts of the answer in their order. Everything else
(``answer``, ``raw``, ``message``, a plain text) repeats it and can be missing. Nothing here raises.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_wiro.api.decoding.fields import json_object, text, whole_number

#: Wiro's word for the content type of an LLM's answer.
RAW = "raw"
#: Finish reasons of an answer that is incomplete although the run succeeded, with their meaning.
CUT_SHORT: Mapping[str, str] = {
    "length": "it was truncated at the model's limit of output tokens",
    "content_filter": "a content filter withheld part of it, or all",
    "error": "the model broke off with an error",
}
_USAGE = ("input_tokens", "output_tokens", "total_tokens")
#: Fields of Wiro's form of an answer; without any of them the JSON is the answer itself (structured output).
_FIELDS = frozenset(
    {
        "prompt",
        "raw",
        "thinking",
        "answer",
        "segments",
        "finishreason",
        "finish_reason",
        "usage",
        "message",
        "content",
    }
)
#: Outputs of these types are files, even while their link is missing and they have other content.
_MEDIA = ("image/", "video/", "audio/")
_THINK_START, _THINK_END = "<think>", "</think>"

#: A JSON object, or plain text.
Content = Mapping[str, Any] | str


def content_of(item: Mapping[str, Any], *, content_type: str, has_url: bool) -> Content | None:
    """
    Return the content of an output as Wiro sends it, None if the output is a file.

    An output that has a URL, or will get one, is a file whatever else it has: the only copy is there.

    :param item: the output; its ``content`` may be null, an object, a list, JSON text or plain text.
    :return: empty for an answer of which Wiro shows only the type; JSON that isn't in Wiro's form is the
        answer itself, as text.
    """
    kind = content_type.lower()
    if has_url or kind.startswith(_MEDIA):
        return None
    found = item.get("content")
    if isinstance(found, str) and found.strip():
        shown = json_object(found)
        return shown if shown is not None and _FIELDS & shown.keys() else text(found)
    if isinstance(found, Mapping) and (found or kind == RAW):
        return found
    if isinstance(found, list) and found:
        return _content_of_list(found)
    return {} if kind == RAW else None


def _content_of_list(found: list[Any]) -> Content:
    """Return a list of segments or of texts in Wiro's form of an answer; any other list as JSON text."""
    if _answer_segments(found):
        return {"segments": found}
    return {"answer": found} if all(isinstance(part, str) for part in found) else _dumped(found)


def answer_parts(content: Content) -> list[str]:
    """
    Return the texts of an answer, in their order; none if the content has none.

    The first of these that has a text: the segments of type ``answer``, ``answer``, ``raw`` without
    the model's thoughts, ``message``, ``content``, or the content itself if it is plain text.
    """
    if isinstance(content, str):
        return [content]
    found = (
        _answer_segments(content.get("segments")),
        _texts(content.get("answer")),
        _texts(_without_thoughts(text(content.get("raw")))),
        _texts(content.get("message")),
        _texts(content.get("content")),
    )
    return next(filter(None, found), [])


def answer_text(contents: Sequence[Content], printed: str) -> str:
    """
    Return answers as one text.

    :param printed: the model's printed output, which repeats the answer: used where no content has a text.
    """
    found = "\n\n".join(part for content in contents for part in answer_parts(content))
    return (
        found or printed or "\n\n".join(_dumped(content) for content in contents if _is_json_itself(content))
    )


def shows_nothing(content: Content | None, printed: str) -> bool:
    """Whether an output is an answer without any text, in its content and in the model's printed output."""
    return content is not None and not content and not printed.strip()


def _is_json_itself(content: Content) -> bool:
    return isinstance(content, Mapping) and bool(content) and not _FIELDS & content.keys()


def _dumped(value: object) -> str:
    try:
        return text(json.dumps(value, ensure_ascii=False))
    except RecursionError:  # nested more deeply than can be written
        return ""


def finish_reason(contents: Sequence[Content]) -> str | None:
    """
    Return why a model stopped, in Wiro's word; None if unknown. An incomplete answer's reason comes first.
    """
    found = [
        reason
        for content in contents
        if isinstance(content, Mapping)
        for reason in [text(content.get("finishreason") or content.get("finish_reason")).strip()]
        if reason
    ]
    return next((reason for reason in found if is_cut_short(reason)), found[0] if found else None)


def is_cut_short(reason: str | None) -> bool:
    """Whether an answer that ended for this reason is incomplete."""
    return reason is not None and reason.lower() in CUT_SHORT


def usage(contents: Sequence[Content]) -> dict[str, int | None] | None:
    """
    Return ``{"input_tokens", "output_tokens", "total_tokens"}``, each None if unknown; None if all are.

    They include details such as cached tokens, and don't determine the bill.
    """
    counted: dict[str, int | None] = dict.fromkeys(_USAGE)
    for content in contents:
        found = json_object(content.get("usage") if isinstance(content, Mapping) else None) or {}
        for name in _USAGE:
            count = whole_number(found.get(name))
            if count is not None:
                counted[name] = (counted[name] or 0) + count
    return counted if any(count is not None for count in counted.values()) else None


def _answer_segments(segments: object) -> list[str]:
    return _texts(
        [
            segment.get("text")
            for segment in (segments if isinstance(segments, list) else ())
            if isinstance(segment, Mapping) and text(segment.get("type")).lower() == "answer"
        ]
    )


def _texts(value: object) -> list[str]:
    """Return the texts in a text or a list of texts, without empty ones; of an object, its text."""
    found = [_text_in(part) for part in (value if isinstance(value, list) else [value])]
    return [part for part in found if part]


def _text_in(part: object) -> str:
    if isinstance(part, Mapping):
        return text(part.get("text")) or text(part.get("content"))
    return text(part)


def _without_thoughts(raw: str) -> str:
    """
    Return a text without its ``<think>…</think>`` parts, also without an unfinished one at its end.
    """
    if _THINK_START not in raw and _THINK_END not in raw:
        return raw
    kept: list[str] = []
    # Some models leave out the first tag, since their output starts with their thoughts.
    first_end, first_start = raw.find(_THINK_END), raw.find(_THINK_START)
    position = first_end + len(_THINK_END) if first_end >= 0 and not 0 <= first_start < first_end else 0
    while True:
        start = raw.find(_THINK_START, position)
        kept.append(raw[position:] if start < 0 else raw[position:start])
        end = raw.find(_THINK_END, start) if start >= 0 else -1
        if end < 0:
            return "".join(kept).strip()
        position = end + len(_THINK_END)
