"""
Where do files, keys and records live that outlive a worker? Locations, object keys, folders, private files.

Entry: ``location.parse_location`` (what a path or URI names), ``object_keys`` (keys from untrusted names),
``open_folder.open_folder`` (a durable folder anywhere), ``object_files.open_object`` (one file in a store).
What only some stores can do is in ``s3`` and ``object_stores``.

Pure: ``digests``, ``location`` (but symbolic links), ``object_keys``, ``timestamps``.
"""
