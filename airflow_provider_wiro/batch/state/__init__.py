"""
What is known of a batch's items: a state made of journal entries, live as well as replayed after a crash.

Entry: :class:`~airflow_provider_wiro.batch.state.batch_state.BatchState`. All modules are pure.
"""
