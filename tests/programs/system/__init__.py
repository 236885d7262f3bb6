"""
Real servers on loopback (an Airflow, an S3 and the Wiro emulator), and the demo that uses them.

Nothing here depends on the provider's code: it starts processes, talks to them over HTTP and stops them.
"""
