"""
How does an output get into S3? With conditional puts, parts in parallel, and no upload left open.

Entry: ``destination.open_destination`` (settings to an open bucket), then ``transfer.S3Transfer``. Below it,
``uploads`` puts objects, ``existing_objects`` recognises those that are there, and ``incomplete_uploads``
removes what a dead try left. ``argument_checks`` is also used when DAG files are parsed.
"""
