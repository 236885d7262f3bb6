"""The code that docs/guides/callbacks.md shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.airflow_home import ROOT

if TYPE_CHECKING:
    import pytest

GUIDE = ROOT / "docs" / "guides" / "callbacks.md"
SECRET = "made-up"


def block_of_the_guide(words: str) -> str:
    """Return the code block of the guide that has these words."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    [found] = [block for block in blocks if words in block]
    return found


def receiver(monkeypatch: pytest.MonkeyPatch, url: str) -> Any:
    """Return the guide's WSGI application, whose Airflow is at `url`."""
    monkeypatch.setenv("AIRFLOW_URL", url)
    monkeypatch.setenv("AIRFLOW_USER", "hints")
    monkeypatch.setenv("AIRFLOW_PASSWORD", "a-password")
    monkeypatch.setenv("WIRO_CALLBACK_SECRET", SECRET)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    names: dict[str, Any] = {}
    exec(block_of_the_guide("def application"), names)  # noqa: S102  the guide's own code
    return names["application"]
