"""The "Wiro task" button on a task's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

from airflow_provider_wiro.redaction.loggers import plain_logger

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey

log = plain_logger(__name__)

XCOM_KEY = "wiro_task_url"
#: The host of the real API, whose website is another host.
_API_HOST = "api.wiro.ai"
#: An attribute of an operator that runs in this process.
_NOTHING_STORED = "_has_no_wiro_task_url"


class WiroTaskLink(BaseOperatorLink):
    """The link from an Airflow task to its Wiro task; it works while the task runs."""

    name = "Wiro task"

    @property
    def xcom_key(self) -> str:
        """The XCom key under which Airflow 3 reads the URL."""
        return XCOM_KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL that :func:`push_task_url` stored; empty before the task is submitted."""
        # Airflow 3 calls this in the worker at the end of each try, and logs an error for a missing XCom.
        if has_stored_nothing(operator):
            return ""
        return XCom.get_value(key=XCOM_KEY, ti_key=ti_key) or ""


def begin_without_url(operator: BaseOperator) -> None:
    """Note the start of a try, which has no URL before :func:`push_task_url`."""
    setattr(operator, _NOTHING_STORED, True)


def has_stored_nothing(operator: BaseOperator) -> bool:
    """Whether a try of the operator started in this process, and has submitted nothing so far."""
    return bool(getattr(operator, _NOTHING_STORED, False))


def push_task_url(
    operator: BaseOperator, context: Any, *, base_url: str, model: str | None, wiro_task_id: str | None
) -> None:
    """
    Store the URL, so that the button works from the submission on.

    :param wiro_task_id: None for many tasks of one model.
    """
    setattr(operator, _NOTHING_STORED, False)
    context["ti"].xcom_push(key=XCOM_KEY, value=task_url(base_url, model, wiro_task_id))


def show_task_url(
    operator: BaseOperator, context: Any, *, base_url: str, model: str | None, wiro_task_id: str
) -> None:
    """
    Store the URL of a task that is over. What can't be stored is logged: it is no reason to fail.
    """
    if "ti" not in context:
        return
    try:
        push_task_url(operator, context, base_url=base_url, model=model, wiro_task_id=wiro_task_id)
    except Exception:
        log.warning("The link to Wiro task %s could not be stored in XCom.", wiro_task_id, exc_info=True)


def task_url(base_url: str, model: str | None, wiro_task_id: str | None) -> str:
    """
    Return the URL of the web page that shows a task.

    Wiro documents no page for a single task, so the link leads to the model's page, with the id as fragment.
    Any other API host is an emulator, which lists its tasks on its front page.
    """
    from airflow_provider_wiro.api.parameters import split_slug  # here: DAG files are parsed all day long

    parts = urlsplit(base_url)
    fragment = "" if wiro_task_id is None else f"#task-{quote(wiro_task_id, safe='')}"
    if parts.hostname != _API_HOST:
        return f"{parts.scheme}://{parts.netloc}/{fragment}"
    if model is None:
        return f"https://wiro.ai/{fragment}"
    owner, name = (quote(segment, safe="") for segment in split_slug(model))
    return f"https://wiro.ai/models/{owner}/{name}{fragment}"
