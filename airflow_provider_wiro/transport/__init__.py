"""
One HTTP request: sent, and its response read, within limits of time and size.

Entry: ``blocking.send`` with requests, ``asynchronous.send`` with aiohttp; both use a
``connection.WiroConnection``, which is the Airflow connection, checked.

What must not be relaxed: no error quotes a library's own text, which may hold URLs and secrets
(``safe_errors``); a response has a deadline as a whole, not only between two bytes (``deadline``).

Pure: ``public_address``.
"""
