"""The Wiro task that an XCom of an operator names, before its result is there. Pure."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

#: Before the id in the fragment of a Wiro task's page, see ``links/wiro.py``.
_MARK = "task-"
_LONGEST = 100


def wiro_task_id_in(key: str, value: object) -> str | None:
    """
    Return the id of the Wiro task; None if the value names none.

    :param key: ``wiro_task_id``, or ``wiro_task_url`` of its page.
    """
    if not isinstance(value, str):
        return None
    found = value if key == "wiro_task_id" else _in_page(value)
    return found if 0 < len(found) <= _LONGEST and found.isprintable() else None


def _in_page(url: str) -> str:
    try:
        fragment = urlsplit(url).fragment
    except ValueError:
        return ""
    return unquote(fragment.removeprefix(_MARK)) if fragment.startswith(_MARK) else ""
