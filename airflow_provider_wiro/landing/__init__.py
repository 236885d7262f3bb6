"""
How does a finished task get into storage? Whole, verified and recognisable, with memory that doesn't grow.

Entry: :class:`~airflow_provider_wiro.landing.s3.transfer.S3Transfer` and
:class:`~airflow_provider_wiro.landing.object_storage.transfer.ObjectStorageTransfer`, which the operators and
the batch run and stop. They start with ``result.finished_task``, plan with ``plan``, and write what has
landed with ``manifest``.

What must not be relaxed, since people delete Wiro's copies afterwards: an object is reported only when all
its bytes were counted, hashed and confirmed by the store; nothing that fails a check stays; nothing of
another writer is overwritten unless ``replace`` says so; two outputs never get the same key.

Pure: ``content_type``, ``deletion``, ``json_text``, ``key_separation``, ``manifest``
(but ManifestFile), ``plan``, ``provenance``, ``shared_inputs``, ``user_metadata``.
"""
