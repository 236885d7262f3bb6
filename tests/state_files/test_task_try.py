"""Whose a record is, from what Airflow says of a try: a DAG run that was created again, a retry, a Clear."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.state_files.task_try import (
    TaskTry,
    WrittenBy,
    is_of_deleted_dag_run,
    was_cleared_since,
)

STARTED = 1795420800.0


@pytest.mark.parametrize(
    ("written", "now", "is_deleted"),
    [
        # `airflow dags test DAG DATE` twice: on 2.11 all else that Airflow says is the same as before.
        (WrittenBy(1, 0, 0), TaskTry(1, 0, 0, is_beginning=True), True),
        # The same, where the first was retried.
        (WrittenBy(2, 2, 0), TaskTry(1, 2, 0, is_beginning=True), True),
        # One that a scheduler started again, without a retry and with one.
        (WrittenBy(1, 0, 0, STARTED), TaskTry(1, 0, 0, STARTED + 60, is_beginning=True), True),
        (WrittenBy(2, 2, 0, STARTED), TaskTry(1, 2, 0, STARTED + 60, is_beginning=True), True),
        # A worker that was frozen before it read the record, which its retry has written.
        (WrittenBy(2, 2, 0, STARTED), TaskTry(1, 2, 0, STARTED, is_beginning=True), False),
        (WrittenBy(2, 2), TaskTry(1), False),
        # A part of a try after a deferral finds its own record.
        (WrittenBy(1, 0, 0, STARTED), TaskTry(1, 0, 0, STARTED), False),
        # A retry, and one of another task that was cleared in between.
        (WrittenBy(1, 2, 0, STARTED), TaskTry(2, 2, 0, STARTED, is_beginning=True), False),
        (WrittenBy(1, 2, 0, STARTED), TaskTry(2, 2, 1, STARTED + 60, is_beginning=True), False),
        # Created again; its first try never came as far as to look at the record.
        (WrittenBy(1, 2, 0, STARTED), TaskTry(2, 2, 0, STARTED + 60, is_beginning=True), True),
        # A database that keeps whole seconds.
        (WrittenBy(1, 2, 0, STARTED + 0.7), TaskTry(2, 2, 0, STARTED, is_beginning=True), False),
        # A record of the version before, and an Airflow that doesn't say it.
        (WrittenBy(1, 2), TaskTry(2, 2, 0, STARTED, is_beginning=True), False),
        (WrittenBy(1, 2, 0, STARTED), TaskTry(2, 2, is_beginning=True), False),
    ],
)
def test_a_record_of_a_deleted_dag_run_is_distinguished_from_a_retrys(
    written: WrittenBy, now: TaskTry, is_deleted: bool
) -> None:
    assert is_of_deleted_dag_run(written, now) is is_deleted


@pytest.mark.parametrize(
    ("written", "now", "max_tries", "is_cleared"),
    [
        # A retry, also of a task that another task's Clear came in between of.
        (WrittenBy(1, 2, 0), TaskTry(2, 2, 0), 2, False),
        (WrittenBy(1, 2, 0), TaskTry(2, 2, 1), 2, False),
        # A Clear, and the retry of what it began.
        (WrittenBy(1, 2, 0), TaskTry(2, 2, 1), 3, True),
        (WrittenBy(2, 3, 1), TaskTry(3, 2, 1), 3, False),
        # `retries` was lowered from 1 to 0, or from 2 to 1, and then the task cleared.
        (WrittenBy(1, 1, 0), TaskTry(2, 0, 1), 1, True),
        (WrittenBy(1, 2, 0), TaskTry(2, 1, 1), 2, True),
        (WrittenBy(1, 2, 0), TaskTry(3, 1, 1), 2, True),
        (WrittenBy(2, 2, 1), TaskTry(3, 1, 1), 2, False),
        # `retries` was lowered, and nothing cleared.
        (WrittenBy(1, 1, 0), TaskTry(2, 0, 0), 1, False),
        (WrittenBy(1, 3, 0), TaskTry(2, 0, 1), 3, False),
        # `retries` was raised, and nothing cleared.
        (WrittenBy(1, 1, 0), TaskTry(2, 5, 0), 1, False),
        # Not said, or a record of the version before.
        (WrittenBy(1, 1), TaskTry(2, 0, 1), 1, False),
        (WrittenBy(1, 1, 0), TaskTry(2), 1, False),
    ],
)
def test_a_clear_is_distinguished_from_a_retry(
    written: WrittenBy, now: TaskTry, max_tries: int, is_cleared: bool
) -> None:
    assert was_cleared_since(written, now, max_tries) is is_cleared
