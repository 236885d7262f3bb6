"""
State files: where records and journals are kept as files, for which DAG run, and for how long.

:func:`~airflow_provider_wiro.state_files.folder.find_state_folder` is the entry: the folder that ``[wiro]
state_path`` names. ``dag_run`` and ``task_try`` say which of its files belong to a try, ``try_trace`` whether
earlier tries used the same folder, ``retention`` when a file is removed. ``results_place`` says where the
results of a task instance go, and ``record_errors`` translates what a store raises. Pure: ``task_try``.
"""
