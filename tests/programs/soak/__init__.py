"""Thousands of runs under constant random faults, hours of work in minutes: `make soak`."""

#: The exit code of a try that Airflow would repeat.
RETRY = 75
