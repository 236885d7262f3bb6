"""Filters: which tasks an export wants. ExportIdentity: which export it is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_wiro.api.model_slugs import plain_slug

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_provider_wiro.api.models import Task

_DIGITS = 16


class Verdict(StrEnum):
    """Whether a task that has ended is exported."""

    WANTED = "wanted"
    NOT_WANTED = "not_wanted"
    #: Wiro doesn't show whose it is. It may be another project's, and is not exported.
    UNATTRIBUTED = "unattributed"
    #: It has not ended, whatever the list has shown.
    NOT_ENDED = "not_ended"


@dataclass(frozen=True)
class Filters:
    """
    Which tasks are wanted.

    :ivar project_id: only this project's; None: all that the key sees.
    :ivar model: only this model's, in either form of its slug; None: every model's.
    :ivar succeeded_only: not those that failed or were cancelled.
    """

    project_id: str | None = None
    model: str | None = None
    succeeded_only: bool = True

    @cached_property
    def _slug(self) -> str | None:
        return None if self.model is None else plain_slug(self.model)

    def wants_listed(self, task: Task) -> bool | None:
        """
        Whether a task is of the wanted project and model, as the list shows it; None if it doesn't show that.

        What became of the task, only Detail says.
        """
        project = self._is_of_project(task)
        model = self._is_of_model(task)
        if project is False or model is False:
            return False
        return None if project is None or model is None else True

    def verdict(self, task: Task, *, is_unclear: bool, since: datetime | None = None) -> Verdict:
        """
        Return whether a task is exported.

        :param task: as Task/Detail shows it.
        :param is_unclear: the list has not shown its project and model.
        :param since: tasks that were created before are not.
        """
        if not task.is_terminal:
            return Verdict.NOT_ENDED
        project = self._is_of_project(task)
        model = self._is_of_model(task)
        if project is False or model is False or (self.succeeded_only and not task.has_succeeded):
            return Verdict.NOT_WANTED
        if since is not None and task.created_at is not None and task.created_at < since:
            return Verdict.NOT_WANTED
        if is_unclear and (project is None or model is None):
            return Verdict.UNATTRIBUTED
        return Verdict.WANTED

    def fails(self, task: Task) -> bool:
        """Whether a task that has ended is of the wanted project and model, and only has not succeeded."""
        is_other = self._is_of_project(task) is False or self._is_of_model(task) is False
        return not is_other and task.is_terminal and not task.has_succeeded

    def _is_of_project(self, task: Task) -> bool | None:
        if self.project_id is None:
            return True
        return None if task.project_id is None else task.project_id == self.project_id

    def _is_of_model(self, task: Task) -> bool | None:
        if self._slug is None:
            return True
        return None if task.model is None else plain_slug(task.model) == self._slug


@dataclass(frozen=True)
class ExportIdentity:
    """
    Which export a state belongs to: where from, what, and where to. A renamed DAG continues with it.

    :ivar address: Wiro's, with the port if it has one.
    :ivar destination: the folder into which everything is exported, as a URI without a connection.
    """

    address: str
    destination: str
    filters: Filters

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept in the state, for people who read that."""
        model = self.filters.model
        return {
            "address": self.address,
            "destination": self.destination,
            "project_id": self.filters.project_id,
            "model": None if model is None else plain_slug(model),
            "succeeded_only": self.filters.succeeded_only,
        }

    @property
    def digest(self) -> str:
        """A short name for files."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
