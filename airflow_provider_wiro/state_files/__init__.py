"""Where records and journals are kept as files, for which DAG run, and for how long."""
