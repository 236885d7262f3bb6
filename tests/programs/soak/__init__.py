"""Hours of work in minutes: thousands of runs while things go wrong all the time. Run it with `make soak`."""

#: The exit code of a try that Airflow would repeat.
RETRY = 75
