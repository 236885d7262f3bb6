"""An auth manager with which one user may not see one DAG; SimpleAuthManager itself knows roles only."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

#: Sees every DAG but that one.
GUEST = "guest"
CLOSED_DAG = "payroll_pictures"


class OneDagClosed(SimpleAuthManager):
    """Airflow's simple auth manager, but for `GUEST` there is no `CLOSED_DAG`."""

    def is_authorized_dag(
        self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None
    ) -> bool:
        if user.username == GUEST and details is not None and details.id == CLOSED_DAG:
            return False
        allowed: bool = super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )
        return allowed
