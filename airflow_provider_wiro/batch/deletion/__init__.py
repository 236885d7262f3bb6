"""
Deletes Wiro's copies of items' files once they are safe in S3, and the items' results in the journal.

Entry: :class:`~airflow_provider_wiro.batch.deletion.deleter.FileDeleter`. The journal keeps which deletions
are still to be done, so that a later try does what a crash has left.
"""
