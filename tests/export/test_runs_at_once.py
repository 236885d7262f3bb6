"""However many runs of an export work at once, and wherever they die: one reports each task."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.fake_transport import NOON
from tests.export.simulation import Exports

BEFORE_ALL = NOON - timedelta(days=1)


def simulate(seed: int) -> Exports:
    """Three days of runs that die, are retried and overlap; then everything ends, and a last run."""
    random = Random(seed)
    exports = Exports(random)
    for _ in range(random.randrange(30)):
        exports.wiro.start()
    retried = []
    for day in range(3):
        for number in range(random.choice((1, 2, 3))):
            instance = f"day-{day}/{number}"
            skew = random.choice((0, 0, 0, -300, 1200))
            exports.start(instance, kill_chance=random.choice((0, 0.02, 0.1)), since=BEFORE_ALL, skew=skew)
            retried.append(instance)
        for _ in range(random.choice((5, 50, 500))):
            if exports.actors.are_at_work:
                exports.actors.run_one_step()
        if random.random() < 0.3:
            exports.silence()
        instance = random.choice(retried)
        exports.start(instance, kill_chance=random.choice((0, 0.05)), since=BEFORE_ALL)
    exports.finish()
    exports.wiro.calm_down()
    exports.wiro.change = lambda: None  # type: ignore[method-assign]
    exports.actors._between = lambda: None
    exports.trouble_chance = 0
    exports.silence()
    for last in ("last", "very last"):  # what one run leaves for a later one lands with that
        exports.start(last, kill_chance=0, since=BEFORE_ALL)
        exports.finish()
    return exports


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_each_task_that_ended_is_landed_and_reported_by_exactly_one_run(seed: int) -> None:
    exports = simulate(seed)
    wanted = exports.wiro.wanted
    reported = exports.manifests()
    assert {number for number, times in reported.items() if times > 1} == set()
    assert wanted - reported.keys() == set()
    assert reported.keys() - wanted - exports.wiro.vanished == set()
    assert exports.landed.keys() >= reported.keys()
    assert exports.deleted == reported.keys()
