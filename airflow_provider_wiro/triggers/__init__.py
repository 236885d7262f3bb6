"""
Airflow's triggers: waiting for Wiro tasks in the triggerer, without a worker slot.

Entry: :mod:`~airflow_provider_wiro.triggers.deferral`, by which an operator or a sensor defers and reads the
event it is resumed with. The triggers themselves are ``wiro.WiroTaskTrigger``, ``wiro.WiroPauseTrigger`` and
``wiro_batch.WiroBatchTrigger``: Airflow stores their class paths and arguments as plain text in its database.
``wiro_events.WiroTaskEndedTrigger`` defers nothing: it fires the events of Airflow's ``AssetWatcher``.

Must not be relaxed:

* A trigger's arguments and its event hold no secret.
* A cancelled trigger stops Wiro tasks only if a user has ended the Airflow task: Airflow cancels a trigger in
  the same way when it only moves to another triggerer (``cancellation.is_abandoned``).

Pure: ``packed_tasks``.
"""
