"""
Keeps secrets, and the control characters of foreign text, out of logs, XComs, records and manifests.

Entry: ``secret_values`` finds the secrets among a run's parameters, so that Airflow can mask them;
``masking`` masks them in what is stored; ``loggers.PlainLogs`` and ``loggers.plain_logger`` escape what is
logged. ``names`` and ``patterns`` define what a secret looks like.

Pure: all but ``loggers``.
"""
