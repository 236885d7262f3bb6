"""Every Airflow that is promised to work: a lock file for each, the command that runs them, a proof."""
