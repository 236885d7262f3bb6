"""
Runs DAGs inside pytest: with a temporary AIRFLOW_HOME and Airflow's own `dag.test()`.

`dag.test()` runs deferrals (the trigger inline) and retries, on every supported Airflow. It can't show kills,
masking or the triggerer's capacity; `tests.programs.system` is there for those.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

ROOT = Path(__file__).resolve().parents[1]
_MIGRATE_TIMEOUT_SECONDS = 180


def isolate_airflow() -> Path:
    """
    Point this process and its children at a fresh AIRFLOW_HOME below .cache/ and return it.

    Airflow reads its configuration when it is first imported, so this must come before. Whatever the
    machine's environment says about Airflow, its connections or AWS is removed: tests set their own.
    """
    for name in list(os.environ):
        if name.startswith(("AIRFLOW", "_AIRFLOW", "AWS_")):
            del os.environ[name]
    runs = ROOT / ".cache" / "tests"
    runs.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="airflow-", dir=runs))
    dags = home / "dags"
    dags.mkdir()
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # Never read from the cloud's metadata address: a test that forgets its keys must fail, not hang.
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return home


@dataclass(frozen=True)
class FinishedRun:
    """The result of a DAG run. Tasks are named `task_id`, mapped ones `task_id[index]`."""

    run_id: str
    state: str
    task_states: dict[str, str]
    tries: dict[str, int]
    # By task, then by key.
    xcoms: dict[str, dict[str, Any]] = field(default_factory=dict)

    def returned(self, task: str) -> Any:
        """Return what a task returned; KeyError when it returned nothing."""
        return self.xcoms[task]["return_value"]


@dataclass(frozen=True)
class AirflowHome:
    """A migrated AIRFLOW_HOME of this process."""

    path: Path

    @property
    def dags(self) -> Path:
        return self.path / "dags"

    def migrate(self) -> None:
        """Create the database, in a process of its own, since the migrations warn."""
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_MIGRATE_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"airflow db migrate failed:\n{done.stdout[-4000:]}")

    def run_dag(
        self, path: Path, dag_id: str, conf: dict[str, Any] | None = None, date: datetime | None = None
    ) -> FinishedRun:
        """
        Run one DAG of the file `path` to its end and return its result.

        With a date, a DAG run of that date is deleted and created again, as by `airflow dags test DAG DATE`.

        The file is copied into an otherwise empty DAGs folder: Airflow 3 runs only DAGs that it finds there,
        and parses the whole folder for each run.
        """
        for old in self.dags.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        shutil.copy(path, self.dags)
        bag = _dag_bag(self.dags)
        if dag_id not in bag.dags:
            raise LookupError(f"{path} has no DAG {dag_id}; Airflow says: {bag.import_errors or 'nothing'}")
        if version("apache-airflow").startswith("2."):
            bag.sync_to_db()  # there an asset, or an alias, has to be known before it has an event
        _share_in_process_api()
        test = bag.dags[dag_id].test
        dated = {}
        if date is not None and "logical_date" in inspect.signature(test).parameters:
            dated = {"logical_date": date}
        elif date is not None:  # Airflow 2, which deletes a DAG run only if it knows the tables of users
            importlib.import_module("airflow.providers.fab.auth_manager.models")
            dated = {"execution_date": date}
        run = test(run_conf=conf, **dated)
        return self._read(dag_id, run.run_id, str(getattr(run.state, "value", run.state)))

    def _read(self, dag_id: str, run_id: str, state: str) -> FinishedRun:
        # Plain SQL, because the classes over these two tables moved with nearly every version.
        from airflow import settings
        from sqlalchemy import text

        which = {"dag_id": dag_id, "run_id": run_id}
        with settings.Session() as session:  # type: ignore[misc]
            tasks = session.execute(
                text(
                    "SELECT task_id, map_index, state, try_number FROM task_instance"
                    " WHERE dag_id = :dag_id AND run_id = :run_id"
                ),
                which,
            ).all()
            entries = session.execute(
                text(
                    "SELECT task_id, map_index, key, value FROM xcom"
                    " WHERE dag_id = :dag_id AND run_id = :run_id"
                ),
                which,
            ).all()
        xcoms: dict[str, dict[str, Any]] = {}
        for task_id, map_index, key, value in entries:
            xcoms.setdefault(_task(task_id, map_index), {})[key] = _decode(value)
        return FinishedRun(
            run_id=run_id,
            state=state,
            task_states={_task(task_id, index): state for task_id, index, state, _ in tasks},
            tries={_task(task_id, index): tries for task_id, index, _, tries in tasks},
            xcoms=xcoms,
        )


def _share_in_process_api() -> None:
    """Let all tasks of this process talk to one API: below 3.3 `dag.test()` builds one each, for 1 to 4 s."""
    try:
        from airflow.sdk.execution_time import supervisor
    except ImportError:  # Airflow 2 has none.
        return
    if not hasattr(supervisor.in_process_api_server, "cache_clear"):
        supervisor.in_process_api_server = functools.cache(supervisor.in_process_api_server)


def _dag_bag(folder: Path) -> Any:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow < 3.2
        from airflow.models.dagbag import DagBag  # type: ignore[no-redef]
    return DagBag(dag_folder=folder)


def _task(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _decode(value: Any) -> Any:
    """
    Decode a JSON-safe XCom as the database holds it: JSON, or (by Airflow version) JSON once more inside
    text.
    """
    if not isinstance(value, str | bytes):
        return value  # SQLite gives back a number as one
    decoded = json.loads(value)
    is_nested = isinstance(decoded, str) and decoded.startswith(("{", "[", '"'))
    return json.loads(decoded) if is_nested else decoded
