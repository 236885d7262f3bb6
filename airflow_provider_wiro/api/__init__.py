"""
The Wiro API spoken without I/O, without a clock and without Airflow.

Functions and generators here say what to send, what an answer means and how long to wait; the hooks do it.
Nothing below this package imports an HTTP library, ``asyncio``, ``socket`` or ``time``.
"""
