"""Actors: threads of which one works at a time, in an order that a seed decides. Any can be killed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


class Killed(BaseException):
    """The actor's process was killed. No handler of errors sees this."""


class Actors:
    """
    Runs actors a step at a time; each ends its step where it calls :meth:`step`.

    :param between: called before each step, while no actor works.
    """

    def __init__(self, random: Random, between: Callable[[], None]) -> None:
        self._random = random
        self._between = between
        self._actors: list[_Actor] = []
        self._current: _Actor | None = None

    def start(self, work: Callable[[], None], *, kill_chance: float) -> None:
        """
        Let an actor take part.

        :param kill_chance: of being killed, at each step.
        """
        self._actors.append(_Actor(work, kill_chance))

    def step(self) -> None:
        """End the current actor's step; raise Killed if it is killed at this point."""
        actor = self._current
        assert actor is not None
        actor.rest()

    @property
    def are_at_work(self) -> bool:
        return bool(self._actors)

    def run_one_step(self) -> None:
        """Let one of the actors work until its next step."""
        self._between()
        actor = self._random.choice(self._actors)
        self._current = actor
        actor.is_killed = self._random.random() < actor.kill_chance
        actor.work_on()
        if actor.has_ended:
            self._actors.remove(actor)
        if actor.error is not None:
            raise actor.error


class _Actor:
    def __init__(self, work: Callable[[], None], kill_chance: float) -> None:
        self.kill_chance = kill_chance
        self.is_killed = False
        self.has_ended = False
        self.error: BaseException | None = None
        self._work = work
        self._may_work = threading.Semaphore(0)
        self._rests = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def work_on(self) -> None:
        if not self._thread.is_alive():
            self._thread.start()
        self._may_work.release()
        self._rests.acquire()
        if self.has_ended:
            self._thread.join()

    def rest(self) -> None:
        self._rests.release()
        self._may_work.acquire()
        if self.is_killed:
            raise Killed

    def _run(self) -> None:
        self._may_work.acquire()
        try:
            self._work()
        except Killed:
            pass
        except BaseException as error:  # it is the test's, which runs in another thread
            self.error = error
        self.has_ended = True
        self._rests.release()
