"""Many runs in one Airflow task: each paid for at most once, with a memory that outlives the worker."""
