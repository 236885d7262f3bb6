"""
Real servers on loopback: an Airflow, an S3 and the Wiro emulator, and what is shown and tested with them.

Nothing here knows the provider's inside: it starts processes, talks to them over HTTP and stops them again.
"""
