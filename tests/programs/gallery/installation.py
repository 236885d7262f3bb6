"""One Airflow with all that the gallery needs: Wiro's emulator, an S3 store, and two API servers."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs.faults.wiro import Wiro
from tests.programs.gallery.access import GUEST
from tests.programs.system.airflow_stack import USERNAME, AirflowStack
from tests.programs.system.seaweedfs import SeaweedFS, running_seaweedfs
from tests.programs.system.servers import HOST, Server, answers, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BUCKET = "wiro-outputs"
#: The models' own times are for people.
SPEED = 40
BASE_PATH = "/airflow"


class Installation:
    """
    A running Airflow, and what belongs to it.

    :ivar hostile: another Wiro, which gives its outputs hostile names.
    :ivar url: of the API server, whose media are presigned.
    :ivar other: a second API server on the same database: below a path, and its media are streamed.
    """

    def __init__(self, home: Path, wiro: Wiro, hostile: Wiro, s3: SeaweedFS, python: Path) -> None:
        self.home = home
        self.wiro = wiro
        self.hostile = hostile
        self.s3 = s3
        environment = {
            "AIRFLOW_CONN_WIRO_DEFAULT": wiro.airflow_connection(),
            "AIRFLOW_CONN_WIRO_HOSTILE": hostile.airflow_connection(),
            "AIRFLOW_CONN_AWS_DEFAULT": s3.airflow_connection(),
            "AIRFLOW__CORE__AUTH_MANAGER": "tests.programs.gallery.access.OneDagClosed",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USERNAME}:admin,{GUEST}:viewer",
            "PYTHONPATH": str(ROOT),
        }
        self.stack = AirflowStack(home / "airflow", HERE / "dags", environment=environment, python=python)
        self.url = self.stack.url
        port = free_port()
        self.other_url = f"http://{HOST}:{port}{BASE_PATH}"
        self.other = Server(
            f"Airflow api-server below {BASE_PATH}",
            [str(python), "-m", "airflow", "api-server"],
            log=self.stack.home / "processes" / "other-api-server.log",
            is_ready=lambda: answers(f"{self.other_url}/api/v2/version"),
            environment=self.stack.environment
            | {
                "AIRFLOW__API__PORT": str(port),
                "AIRFLOW__API__BASE_URL": self.other_url,
                "AIRFLOW__WIRO__GALLERY_MEDIA": "streamed",
            },
        )

    @property
    def passwords(self) -> dict[str, str]:
        """The login of each user."""
        file = self.stack.home / "simple_auth_manager_passwords.json.generated"
        found: dict[str, str] = json.loads(file.read_text())
        return found


@contextlib.contextmanager
def installed(home: Path, python: Path, say: Callable[[str], None]) -> Iterator[Installation]:
    """Start everything but the second API server, and stop everything at the end."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with contextlib.ExitStack() as cleanup:
        wiro = cleanup.enter_context(Wiro(log=home / "emulator.log", speed=SPEED))
        hostile = cleanup.enter_context(Wiro(log=home / "hostile-emulator.log", speed=SPEED))
        s3 = cleanup.enter_context(running_seaweedfs(home / "s3", log=home / "seaweedfs.log", bucket=BUCKET))
        installation = Installation(home, wiro, hostile, s3, python)
        cleanup.enter_context(installation.stack.running(say))
        # Nothing of it is needed any more, and to end by themselves takes them a quarter of a minute.
        for server in (wiro, hostile, s3, *installation.stack.servers, installation.other):
            cleanup.callback(server.kill)
        yield installation
