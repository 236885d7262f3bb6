"""
The Wiro API spoken without I/O, without a clock and without Airflow.

Functions and generators here decide what to send, what a response means and how long to wait; the hooks do
it. All modules are pure: none imports an HTTP library, ``asyncio``, ``socket`` or ``time``. The entries are
``operations`` (what takes several calls) and ``endpoints`` (single calls), both run by ``flow``, which signs
them (``signing``) and repeats them where that is safe (``retry``).
"""
