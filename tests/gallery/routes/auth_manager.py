"""Airflow's SimpleAuthManager, with users who may not see everything."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

#: User → what is denied: (DAG, or None for all; entity, or None for all).
DENIED: dict[str, tuple[str | None, DagAccessEntity | None]] = {
    "without_that_dag": ("pictures", None),
    "without_xcoms": (None, DagAccessEntity.XCOM),
    "without_task_instances": (None, DagAccessEntity.TASK_INSTANCE),
    "without_runs": (None, DagAccessEntity.RUN),
}
ROLES = {"admin": "admin", "viewer": "viewer", "without_a_role": None} | dict.fromkeys(DENIED, "viewer")


class RestrictingAuthManager(SimpleAuthManager):
    """Denies what :data:`DENIED` says, and remembers the team that it was asked about."""

    asked_teams: list[str | None] = []  # noqa: RUF012

    def is_authorized_dag(
        self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None
    ) -> bool:
        self.asked_teams.append(getattr(details, "team_name", None))
        if user.username in DENIED:
            dag_id, entity = DENIED[user.username]
            asked = details.id if details else None
            # Who may not see one DAG may not see all of them at once, either.
            if (dag_id in (None, asked) or asked is None) and entity in (None, access_entity):
                return False
        return super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )

    def token(self, name: str) -> str:
        """Return a token of a user, as Airflow makes it at a login."""
        return self.generate_jwt(SimpleAuthManagerUser(username=name, role=ROLES[name]))
