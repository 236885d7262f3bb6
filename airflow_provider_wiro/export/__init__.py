"""
The export of a project's tasks: which have ended since the last time, and which run of the export has landed
which.

Entry: :class:`~airflow_provider_wiro.export.execution.ProjectExport`, which an operator runs. It takes tasks
from an :class:`~airflow_provider_wiro.export.export_run.ExportRun`, lands them (``landing``), and says there
what became of them. The state (:class:`~airflow_provider_wiro.export.state.ExportState`) is one small object
beside the export, written only under the condition that nobody else has written it meanwhile.

What holds, whatever crashes and however many runs there are at once: each wanted task that the list has
shown is in the state (open, pending, or claimed by a run) until one run commits it, and then it is in no
run's manifest but that one's. Clocks decide only when a dead run's claims are taken over; if one is wrong, a
task is landed twice, under the same keys, and still committed once.

Pure: ``dated_keys``, ``packed_ids``, ``runs``, ``state``, ``state_json``, ``summary``, ``tasks``,
``wanted``.
"""
