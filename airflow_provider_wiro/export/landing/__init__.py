"""
Lands the tasks of one chunk of an export: several tasks at once, by threads that they share.

Entry: :class:`~airflow_provider_wiro.export.landing.chunk_landing.ChunkLanding`. What became of a task is a
:class:`~airflow_provider_wiro.export.landing.landed_task.LandedTask`. Pure: ``landed_task`` and
``manifest_line``.

What must not be relaxed: only Task/Detail is believed; a task counts as landed when all of its outputs are in
the bucket, verified; what may pass never ends a task for good.
"""
