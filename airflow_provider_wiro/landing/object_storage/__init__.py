"""
How does an output get into any store that ObjectStoragePath reaches? As one stream, without conditions.

Entry: ``transfer.ObjectStorageTransfer``. ``path_template`` is also used when DAG files are parsed.
"""
