"""
Following many Wiro tasks at once: when each is polled, by which request, and who is notified.

Entry: :func:`~airflow_provider_wiro.watching.watcher.watch_task`, awaited for each task. All awaits of one
connection in one event loop share a watcher, its session, its requests and its WebSocket. What a person
reads about a task comes from :class:`~airflow_provider_wiro.watching.task_log.TaskLogger`.

Must not be relaxed, since the tasks are paid for:

* Task/Detail alone says that a task has ended. The task list and the WebSocket only say when to ask it.
* A task that somebody waits for is always either queued or in exactly one request, whatever fails.

Pure, without I/O and clock: ``scheduler``, ``watch``, ``intervals``, ``task_list``, ``task_log``.
"""
