"""
What was spent, from Wiro's own books: the costs that its task list shows.

:func:`~airflow_provider_wiro.spend.reading.read_spend` is the entry: it walks the list once and adds up.
Everything here is pure: flows, which a hook runs.
"""
