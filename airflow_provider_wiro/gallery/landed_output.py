"""An output that a task instance's result names, for the server of its bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LandedOutput:
    """
    Where an output is said to be. Whether it is there, and is the very output, its object has to say.

    :ivar uri: as the result has it, without a connection.
    :ivar name: its cleaned name.
    :ivar content_type: as the result has it; nothing to rely on.
    :ivar size: bytes; None if the result doesn't say it.
    :ivar wiro_task_id: the Wiro task that made it, which the object's own metadata have to name.
    :ivar aws_conn_id: the connection to read it with, from the task's own arguments: None is boto3's own way
        to credentials, as in the operators. Of ``gs://`` and ``abfs://``: the one in the operator's ``path``.
    :ivar sha256: of its bytes, in hex digits, if the result says it.
    :ivar dag_id: the DAG on whose page it is; another DAG's object is only for those who may see that one,
        and one that names no DAG is for nobody.
    :ivar api: the host of Wiro's API, as an object's ``wiro-api`` has it; None if it isn't known.
    """

    uri: str
    name: str
    content_type: str | None
    size: int | None
    wiro_task_id: str
    aws_conn_id: str | None
    sha256: str | None = None
    dag_id: str | None = None
    api: str | None = None
