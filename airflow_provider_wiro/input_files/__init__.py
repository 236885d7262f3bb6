"""
The files of a run: what a user may name as one, how it is read and sent, and how it is recognised afterwards.

Entry: ``resolve.resolve_files`` makes what a request sends of the operators' ``files``. ``sent_files``
compares it with the files of a task in Wiro's list, when a lost Run is searched for.

Pure: ``data_uris``, ``sent_files``.
"""
