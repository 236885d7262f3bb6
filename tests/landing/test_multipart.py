"""The digest of an object whose parts several threads add."""

from __future__ import annotations

import hashlib
import threading

from airflow_provider_wiro.landing.multipart import OrderedDigest


def test_a_digest_is_that_of_the_whole_in_whatever_order_parts_are_added() -> None:
    parts = [bytearray(bytes([number]) * 100_000) for number in range(12)]
    digest = OrderedDigest()
    arrive = [3, 0, 1, 2, 7, 6, 5, 4, 11, 10, 9, 8]
    threads = [threading.Thread(target=digest.add, args=(number, parts[number])) for number in arrive]
    for thread in threads:
        thread.start()
    for number in range(12):
        digest.wait(number, lambda: None)
    for thread in threads:
        thread.join()
    assert digest.hexdigest() == hashlib.sha256(b"".join(parts)).hexdigest()
