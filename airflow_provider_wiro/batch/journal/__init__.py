"""
What happened to a batch's items, kept outside of the worker: a write-ahead log that one process may write.

Entry: :class:`~airflow_provider_wiro.batch.journal.segmented.SegmentedJournal` keeps entries; a batch opens
its journal with :func:`~airflow_provider_wiro.batch.journal.location.open_journal`, replays it with
:func:`~airflow_provider_wiro.batch.journal.replay.replay`, and writes it through
:class:`~airflow_provider_wiro.batch.journal.recorder.BatchRecorder`. Nothing here is pure.

Invariants that must not be relaxed, since each Run costs money:

1. Write ahead: the intent to send a Run is durable before the Run is sent. A crash at any moment leaves at
   most the question whether that Run was sent, never a Run that no entry names.
2. One writer: to read a journal is to fence all earlier processes. Their later appends fail, and they may
   send nothing more. The reader fences before it reads, so it knows every entry whose append succeeded.
3. Damage is an error: an entry that can't be read is never skipped, and a journal that can't be read is never
   taken for an empty one. Both would run items again that were paid for.

A journal is a key-value store with segments of entries, and one pointer to the segments that count::

    pointer "head"  {"owner": c, "segments": [[a, 2], [b, 1], [c, all]], "copied": …}
    epoch a         a-000001  a-000002  a-000003    an earlier process's, of which two segments count
    epoch b         b-000001                        the one's after it
    epoch c         c-000001  c-000002              this process's: b's last segment copied, then its own

Each process has an epoch of its own, a random name, and writes only segments of its epoch. It rewrites the
last one, longer, until that is full. Most stores can't append and have no conditional write, so after each
write it reads the pointer: only while that is still its own do its entries count.
"""
