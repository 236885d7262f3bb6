"""A cache holds what fits, for as long as it says."""

from __future__ import annotations

from airflow_provider_wiro.gallery.ranged.timed_cache import TimedCache


def a_cache(room: int = 10) -> tuple[TimedCache[str], list[float]]:
    clock = [0.0]
    return TimedCache(5, room, lambda: clock[0]), clock


def test_a_value_is_there_until_its_time_is_over() -> None:
    cache, clock = a_cache()
    cache.put("a", "x")
    clock[0] = 4.9
    assert cache.get("a") == "x"
    clock[0] = 5
    assert cache.get("a") is None
    assert cache.used == 0


def test_what_was_used_the_longest_time_ago_makes_room() -> None:
    cache, _ = a_cache()
    cache.put("a", "x", 4)
    cache.put("b", "y", 4)
    cache.get("a")
    cache.put("c", "z", 4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ("x", None, "z")
    assert cache.used == 8


def test_what_never_fits_takes_no_others_place() -> None:
    cache, _ = a_cache()
    cache.put("a", "x", 10)
    cache.put("b", "y", 11)
    assert (cache.get("a"), cache.get("b"), cache.used) == ("x", None, 10)


def test_a_new_value_takes_the_place_of_the_old_one() -> None:
    cache, _ = a_cache()
    cache.put("a", "x", 9)
    cache.put("a", "y", 2)
    assert (cache.get("a"), cache.used) == ("y", 2)
    cache.forget("a")
    cache.forget("a")
    assert (cache.get("a"), cache.used) == (None, 0)
