"""
The export of a project's tasks: which have ended since the last time, and which run of the export has landed
which.

Entry: :class:`~airflow_provider_wiro.export.export_run.ExportRun`. The state
(:class:`~airflow_provider_wiro.export.state.ExportState`) is one small object beside the export, written only
under the condition that nobody else has written it meanwhile. Landing is not part of this: an operator
takes tasks here, lands them, and says what became of them. Pure: all but ``state_store``.

What holds, whatever crashes and however many runs there are at once: each wanted task that the list has
shown is in the state (open, pending, or claimed by a run) until one run commits it, and then it is in no
run's manifest but that one's. Clocks decide only when a dead run's claims are taken over; if one is wrong, a
task is landed twice, under the same keys, and still committed once.
"""
