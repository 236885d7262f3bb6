"""
Noticing which tasks of a project end, no matter who started them: what event-driven DAGs are scheduled by.

Entry: :class:`~airflow_provider_wiro.watching.project.watcher.ProjectWatcher`. All event triggers of one
connection in one event loop share it: one look a minute serves all of them. Each trigger has its own
:class:`~airflow_provider_wiro.watching.project.progress.Progress`, from which it continues after a restart.

Must not be relaxed:

* Task/Detail alone says that a task has ended. The task list only says which tasks to ask it about.
* A task stays open in a trigger's progress until Airflow has stored its event.

Pure, without I/O and clock: ``ended_tasks``, ``progress``, ``watch``, ``schedule``.
"""
