"""
What the items of a batch are, and what they may name.

Entry: :class:`~airflow_provider_wiro.batch.inputs.items.Inputs`.

Must not be relaxed: an item that the DAG file doesn't list itself may name only what the DAG allows.
"""
