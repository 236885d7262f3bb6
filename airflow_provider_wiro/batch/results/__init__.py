"""
Where the results of items are kept: in shards while the batch runs, in one manifest when it is over.

Entry: :class:`~airflow_provider_wiro.batch.results.shards.ResultShards`.
"""
