"""What a batch's log says of single items: what failed, and of which input; and not of thousands."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.batch.state.items import ItemState
from airflow_provider_wiro.redaction.parameters import secret_values
from airflow_provider_wiro.redaction.task_parameters import masked, without

if TYPE_CHECKING:
    from airflow_provider_wiro.batch.inputs.items import Inputs
    from airflow_provider_wiro.batch.journal.recorder import BatchRecorder
    from airflow_provider_wiro.redaction.loggers import Log

#: An item's input is shown in at most so many characters, and each text in it.
INPUT_CHARACTERS = 200
_TEXT_CHARACTERS = 80
#: How many failures, items that are run again, and warnings are logged one by one.
LOGGED_OF_A_KIND = 20
#: Of longer lists and deeper objects no more is looked at.
_MOST_ENTRIES = 20


def shown_input(given: Any) -> str:
    """
    Return an item's own input in a line, shortened and without secrets.

    :param given: as it stands among the inputs.
    """
    scrub = without(secret_values(given))
    text = json.dumps(_short(masked(_few(given), scrub)), ensure_ascii=False)
    plain = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    return plain if len(plain) <= INPUT_CHARACTERS else f"{plain[: INPUT_CHARACTERS - 1]}…"


def _few(value: Any) -> Any:
    """Return the beginning of an object or a list, which can have millions of entries."""
    if isinstance(value, dict):
        return {name: _few(part) for name, part in list(value.items())[:_MOST_ENTRIES]}
    if isinstance(value, list | tuple):
        return [_few(part) for part in value[:_MOST_ENTRIES]]
    return value


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_short(part) for part in value]
    if isinstance(value, str) and len(value) > _TEXT_CHARACTERS:
        return f"{value[: _TEXT_CHARACTERS - 1]}…"
    return value


def with_input(said: object, shown: str) -> str:
    """Return what is said of an item, followed by its input."""
    text = str(said).rstrip()
    end = "" if text.endswith((".", "!", "?", "…")) else "."
    return f"{text}{end} Input: {shown}"


class ItemLog:
    """
    Logs what happens to items: the first of each kind, since the manifest has all of them.

    A batch that was deferred goes on counting where it was.
    """

    def __init__(self, log: Log, inputs: Inputs, recorder: BatchRecorder) -> None:
        self._log = log
        self._inputs = inputs
        self._recorder = recorder
        state = recorder.state
        self._again = sum(state.failures(item) > 0 for item in range(state.total))
        self._warned = 0

    def failed(self, item: int, error: Exception) -> None:
        """Log that an item failed for good in this try; to be called before the ledger knows."""
        unkept = sum(result["status"] == "failed" for result in self._recorder.unkept)
        before = self._recorder.state.count(ItemState.FAILED) + unkept
        self._write(before, "%s failed: %s", item, error, kind="failures, all of which the manifest has,")

    def is_run_again(self, item: int, error: Exception) -> None:
        """Log that an item failed and is run, followed or landed again."""
        self._again += 1
        self._write(self._again - 1, "%s failed and is tried again: %s", item, error, kind="of these")

    def warn(self, item: int, warning: str) -> None:
        """Log what is to be known of an item that has succeeded."""
        self._warned += 1
        self._write(self._warned - 1, "%s: %s", item, warning, kind="warnings")

    def _write(self, before: int, message: str, item: int, said: object, *, kind: str) -> None:
        if before < LOGGED_OF_A_KIND:
            self._log.warning(message, self._inputs.name(item), with_input(said, self._inputs.shown(item)))
        elif before == LOGGED_OF_A_KIND:
            self._log.warning("Further %s are not logged one by one.", kind)
