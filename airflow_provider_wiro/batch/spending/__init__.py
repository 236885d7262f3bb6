"""
What a batch may spend: its estimate, and its budget over all tries of the Airflow task.

Entry: :class:`~airflow_provider_wiro.batch.spending.gate.SpendingGate`, which says what may be sent. The rule
itself is :class:`~airflow_provider_wiro.batch.spending.budget.Budget`, which is pure.

Must not be relaxed: a Run is sent only if the upper ends of all that may still be billed fit into the budget.
"""
