"""
Recovery: a run is submitted, and paid for, at most once, whatever dies or gets lost.

:class:`~airflow_provider_wiro.recovery.durable_run.DurableRun` is the entry for one run in one Airflow task;
a batch uses the same rules (``lost_runs``, ``strays``, ``baseline``) for each of its items.

What must not be relaxed, since each breach costs money:

1. An intent is recorded before a Run is sent, and the Wiro task's id after it. A Run without a recorded
   intent is never sent.
2. "The record can't be read" is never taken for "there is no record". A damaged record needs a person.
3. A Run whose response was lost is sent again only once it is certain that it started nothing: Wiro's task
   list shows no task that is, or may be, this run's, and Wiro can't be at work on the request any more.
4. Of the processes that can be alive for one Airflow task, only the one that the record names sends a Run.
5. In doubt the task fails, and says what to look at. It neither submits nor adopts.

Pure, without I/O, clock or Airflow: ``baseline``, ``fingerprint``, ``lost_run_digests``, ``lost_runs``,
``ownership``, ``resume``, ``run_record``, ``sending``, ``strays``.
"""
