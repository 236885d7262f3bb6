"""When to reconnect the WebSocket, which tasks' messages arrive, and whether a connection delivers at all."""

from __future__ import annotations

import pytest

from airflow_provider_wiro.watching.websocket.health import ConnectionHealth, PushedTask, ReconnectBackoff


class TestReconnecting:
    def test_pauses_double_to_a_minute_and_then_connecting_is_suspended(self) -> None:
        backoff = ReconnectBackoff()
        now, pauses = 100.0, []
        for _ in range(9):
            assert not backoff.is_suspended(now)
            backoff.on_failure(now, random=1.0)
            pauses.append(backoff.wait_seconds(now))
            now += pauses[-1]
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 600, 600]

    def test_after_a_suspension_one_try_is_made(self) -> None:
        backoff = ReconnectBackoff()
        backoff.suspend(0.0, random=1.0)
        assert backoff.is_suspended(599.0)
        assert not backoff.is_suspended(600.0)
        assert backoff.wait_seconds(600.0) == 0

    def test_chance_takes_up_to_half_of_a_pause(self) -> None:
        backoff = ReconnectBackoff()
        backoff.on_failure(0.0, random=0.0)
        assert backoff.wait_seconds(0.0) == 0.5

    @pytest.mark.parametrize(
        ("lasted", "has_delivered", "failures"),
        [(9.0, True, 5), (10.0, True, 1), (59.0, False, 5), (60.0, False, 1)],
    )
    def test_only_a_good_connection_makes_the_pauses_short_again(
        self, lasted: float, has_delivered: bool, failures: int
    ) -> None:
        backoff = ReconnectBackoff()
        for now in range(0, 400, 100):
            backoff.on_failure(now, random=1.0)
        assert backoff.failures == 4
        backoff.on_break(500.0, random=1.0, lasted_seconds=lasted, has_delivered=has_delivered)
        assert backoff.failures == failures


class TestPushedTask:
    def test_it_is_reliable_from_its_first_message_until_a_change_was_missed(self) -> None:
        task = PushedTask("token", registered_at=0.0)
        assert not task.is_reliable
        task.on_message(1.0)
        assert task.is_reliable
        assert task.has_missed(since=5.0)
        assert not task.is_reliable
        task.on_message(6.0)
        assert task.is_reliable

    @pytest.mark.parametrize("message_at", [3.0, 10.0, 12.0])
    def test_a_message_about_the_time_of_the_change_is_no_miss(self, message_at: float) -> None:
        task = PushedTask("token", registered_at=0.0)
        task.on_message(message_at)
        assert not task.has_missed(since=5.0)
        assert task.is_reliable

    @pytest.mark.parametrize("registered_at", [5.0, None])
    def test_a_change_that_may_be_older_than_the_registration_is_no_miss(
        self, registered_at: float | None
    ) -> None:
        assert not PushedTask("token", registered_at).has_missed(since=5.0)


class TestConnectionHealth:
    def test_three_misses_without_any_message_show_that_a_connection_is_dead(self) -> None:
        health = ConnectionHealth()
        assert [health.is_dead(since=float(moment)) for moment in (5, 6, 7)] == [False, False, True]

    def test_misses_beside_other_messages_say_nothing_about_the_connection(self) -> None:
        health = ConnectionHealth()
        health.on_frame(4.0)
        assert not any(health.is_dead(since=5.0) for _ in range(100))

    def test_any_message_breaks_a_row_of_misses(self) -> None:
        health = ConnectionHealth()
        for moment in range(0, 1000, 100):
            assert not health.is_dead(since=moment + 10.0)
            assert not health.is_dead(since=moment + 20.0)
            health.on_frame(moment + 30.0)
        assert health.has_delivered
