"""Airflow's metrics say how many runs there were, what they cost and how long they took."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_provider_wiro.api.models import Task
from airflow_provider_wiro.metrics.run_metrics import RunMetrics
from tests import warm_python
from tests.operators.fakes import FakeLog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.metrics.recorder import StatsRecorder


NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
DONE = Task(
    id="1",
    status="task_postprocess_end",
    exit_code="0",
    elapsed_seconds=6.0,
    cost_usd="0.00351",
    created_at=NOON,
    started_at=NOON + timedelta(seconds=2),
)
TAGS = {"model": "retroAIx/Retro-Cartoons", "dag_id": "shop"}


def metrics(log: FakeLog | None = None, *, dag_id: str = "shop", model: str = TAGS["model"]) -> RunMetrics:
    return RunMetrics(dag_id, model, log or FakeLog())


def test_a_run_has_its_count_cost_and_times(stats: StatsRecorder) -> None:
    metrics().count(DONE)
    assert stats.counts == {
        "wiro.runs": [(1, {**TAGS, "state": "succeeded"})],
        "wiro.cost_usd": [(0.00351, TAGS)],
    }
    assert stats.times == {
        "wiro.run_seconds": [(timedelta(seconds=6), TAGS)],
        "wiro.queue_seconds": [(timedelta(seconds=2), TAGS)],
    }


@pytest.mark.parametrize(
    ("task", "state"),
    [
        (replace(DONE, exit_code="1", cost_usd="0"), "failed"),
        (replace(DONE, status="task_cancel", cost_usd=None), "cancelled"),
    ],
)
def test_what_is_not_billed_costs_nothing(stats: StatsRecorder, task: Task, state: str) -> None:
    metrics().count(task)
    assert stats.states == [state]
    assert set(stats.counts) == {"wiro.runs"}


def test_a_cost_that_is_not_known_yet_is_counted_as_that_and_added_later(stats: StatsRecorder) -> None:
    counted = metrics()
    counted.count(replace(DONE, cost_usd=None))
    assert (stats.total("wiro.unknown_costs"), stats.total("wiro.cost_usd")) == (1, 0)
    counted.count_late_cost("0.25")
    assert (stats.total("wiro.cost_usd"), stats.states) == (0.25, ["succeeded"])


def test_times_that_are_not_known_are_left_out(stats: StatsRecorder) -> None:
    metrics().count(replace(DONE, elapsed_seconds=None, started_at=None))
    metrics().count(replace(DONE, elapsed_seconds=1e30, created_at=None))
    assert stats.times == {}


def test_without_tags_model_and_dag_are_in_the_name(
    stats: StatsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "False")
    metrics(dag_id="a.b/c d", model="wiro/Animated Logo 2.0").count(DONE)
    assert {name for name in stats.counts if name.startswith("wiro.runs")} == {
        "wiro.runs",
        "wiro.runs.a_b_c_d.wiro_Animated_Logo_2_0.succeeded",
    }
    assert "wiro.cost_usd.a_b_c_d.wiro_Animated_Logo_2_0" in stats.counts
    assert "wiro.run_seconds.a_b_c_d.wiro_Animated_Logo_2_0" in stats.times


def test_tags_are_what_every_dialect_takes(stats: StatsRecorder) -> None:
    metrics(dag_id="a,b=c:d|é", model=" wiro/Animated Logo ").count(DONE)
    [(_, tags)] = stats.counts["wiro.runs"]
    assert (tags["dag_id"], tags["model"]) == ("a_b_c_d__", "wiro/Animated_Logo")


@pytest.mark.usefixtures("stats")
def test_a_name_stays_short_enough_for_statsd(stats: StatsRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "False")
    metrics(dag_id="d" * 250, model=f"{'o' * 200}/{'m' * 200}").count(DONE)
    assert max(map(len, [*stats.counts, *stats.times])) <= 200


def test_stats_that_fail_fail_no_run_and_are_named_once(stats: StatsRecorder) -> None:
    stats.fails, log = True, FakeLog()
    counted = metrics(log)
    counted.count(DONE)
    counted.count(DONE)
    assert log.lines == [
        "Airflow's metrics take none of this run: ConnectionError('the metrics server is gone')"
    ]


def test_where_airflow_sends_no_metrics_nothing_is_done(
    stats: StatsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "False")
    stats.fails, log = True, FakeLog()
    metrics(log).count(DONE)
    metrics(log).count_accepted()
    metrics(log).count_late_cost("1")
    assert log.lines == []


# Airflow's own Stats, and the packets that leave the machine.


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    """A statsd server's socket."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.settimeout(0.5)
        yield bound


SEND = "import runpy; runpy.run_module('tests.metrics.send_metrics', run_name='__main__', alter_sys=True)"


def packets(sink: socket.socket, dag_id: str, model: str, **options: str) -> tuple[list[str], str]:
    """Return the provider's packets of one counted run, and what its process printed."""
    pytest.importorskip("statsd", reason="in the group `dev`; Airflow's extra `statsd` brings it")
    environment = {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(sink.getsockname()[1]),
        **{f"AIRFLOW__METRICS__{name.upper()}": value for name, value in options.items()},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        done = warm_python.run(SEND, dag_id, model)
    assert done.returncode == 0, done.stderr
    found = []
    while True:
        try:
            found += sink.recv(65536).decode().splitlines()
        except TimeoutError:
            return [line for line in found if "wiro" in line], done.stdout + done.stderr


def test_a_statsd_server_gets_model_and_dag_in_the_name(sink: socket.socket) -> None:
    found, printed = packets(sink, "shop.night", "wiro/Animated Logo")
    path = "shop_night.wiro_Animated_Logo"
    assert sorted(found) == [
        "airflow.wiro.cost_usd." + path + ":0.00351|c",
        "airflow.wiro.cost_usd:0.00351|c",
        "airflow.wiro.queue_seconds." + path + ":2000.000000|ms",
        "airflow.wiro.queue_seconds:2000.000000|ms",
        "airflow.wiro.run_seconds." + path + ":6000.000000|ms",
        "airflow.wiro.run_seconds:6000.000000|ms",
        "airflow.wiro.runs." + path + ".succeeded:1|c",
        "airflow.wiro.runs:1|c",
    ]
    assert "nvalid" not in printed


def test_a_statsd_server_with_influxdb_tags_gets_tags(sink: socket.socket) -> None:
    found, printed = packets(sink, "shop.night", "wiro/Animated Logo", statsd_influxdb_enabled="True")
    tags = "model=wiro/Animated_Logo,dag_id=shop.night"
    assert sorted(found) == [
        f"airflow.wiro.cost_usd,{tags}:0.00351|c",
        f"airflow.wiro.queue_seconds,{tags}:2000.000000|ms",
        f"airflow.wiro.run_seconds,{tags}:6000.000000|ms",
        f"airflow.wiro.runs,{tags},state=succeeded:1|c",
    ]
    assert "nvalid" not in printed


def test_a_statsd_server_that_can_not_be_found_fails_nothing(sink: socket.socket) -> None:
    found, printed = packets(sink, "shop", "a/b", statsd_host="no-such-host.invalid")
    assert found == []
    assert "counted" in printed
