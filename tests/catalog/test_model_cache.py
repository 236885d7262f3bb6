"""One description of a model for a machine and an hour, whatever happens to its file."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_wiro.api.catalog import Model, ModelParameter
from airflow_provider_wiro.catalog import model_cache
from airflow_provider_wiro.catalog.model_cache import Description, ModelCache, look_up, look_up_async
from airflow_provider_wiro.exceptions import WiroAuthenticationError, WiroUsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SLUG = "retroAIx/Retro-Cartoons"
MODEL = Model(
    SLUG,
    "retroaix/retro-cartoons",
    "Retro Cartoons",
    categories=("text-to-image",),
    parameters=(
        ModelParameter("prompt", "textarea", required=True, default="çizgi \ud800"),
        ModelParameter("samples", "number", default=4, options=("1", "4"), maximum=Decimal("8")),
    ),
    prices=({"inputs": {"samples": "4"}, "price": 0.03},),
    cps=Decimal("0.000585"),
)


@dataclass
class Machine:
    """One machine with a folder, a clock, and a Wiro that counts how often it is asked."""

    folder: Path
    time: float = 1_800_000_000.0
    asked: int = 0
    says: list[Description] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def cache(self, *account: str) -> ModelCache:
        return ModelCache(self.folder, account or ("https://api.wiro.ai/v1", "key", ""), lambda: self.time)

    def look_up(self, model: str = SLUG, *account: str) -> Description:
        return look_up(self.cache(*account).lookup(model), self.ask, self.waits.append)

    def ask(self) -> Description:
        self.asked += 1
        return self.says.pop(0) if self.says else Description(MODEL)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "models")


def test_within_an_hour_wiro_is_asked_once(machine: Machine) -> None:
    first = machine.look_up()
    machine.time += 3599
    assert machine.look_up() == first == Description(MODEL)
    assert machine.asked == 1

    machine.time += 2
    machine.look_up()
    assert machine.asked == 2


def test_what_is_kept_is_what_wiro_said(machine: Machine) -> None:
    machine.look_up()
    found = machine.look_up().model
    assert found is not None
    assert found == MODEL
    assert (type(found.cps), found.parameters[1].default) == (Decimal, 4)


@pytest.mark.parametrize("other", [("https://b/v1", "key", ""), ("https://api.wiro.ai/v1", "key2", "")])
def test_two_accounts_do_not_mix(machine: Machine, other: tuple[str, ...]) -> None:
    machine.look_up()
    machine.look_up(SLUG, *other)
    assert (machine.asked, len(machine.files)) == (2, 2)


def test_two_models_do_not_mix(machine: Machine) -> None:
    machine.look_up()
    machine.look_up("a/b")
    assert machine.asked == 2


def test_spaces_around_a_slug_do_not_matter(machine: Machine) -> None:
    machine.look_up()
    machine.look_up(f" {SLUG} ")
    assert machine.asked == 1


def test_what_is_no_slug_is_refused_and_not_asked_for(machine: Machine) -> None:
    with pytest.raises(WiroUsageError):
        machine.look_up("no-slash")
    assert machine.asked == 0


def test_only_this_user_can_read_the_files_and_they_hold_no_key(machine: Machine) -> None:
    machine.look_up(SLUG, "https://api.wiro.ai/v1", "key-4711", "project-8")
    [file] = machine.files
    assert (file.stat().st_mode & 0o777, machine.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "4711" not in file.name + file.read_text()
    assert "project-8" not in file.name + file.read_text()


def test_that_there_is_none_is_remembered_for_a_minute(machine: Machine) -> None:
    machine.says = [Description(None, "HTTP 502")]
    assert machine.look_up() == Description(None, "HTTP 502")
    machine.time += 59
    assert machine.look_up() == Description(None, "HTTP 502")
    assert machine.asked == 1

    machine.time += 2
    assert machine.look_up() == Description(MODEL)


def test_bad_credentials_are_remembered_by_nobody(machine: Machine) -> None:
    def refuse() -> Description:
        raise WiroAuthenticationError("no")

    with pytest.raises(WiroAuthenticationError):
        look_up(machine.cache().lookup(SLUG), refuse, machine.waits.append)
    assert machine.look_up() == Description(MODEL)


def _rewrite(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def _replaced_by_link(path: Path) -> None:
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


def _replaced_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _replaced_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_bytes(b"[" * 100_000),
        lambda path: path.write_text("7"),
        lambda path: path.write_text("{}"),
        lambda path: path.write_bytes(path.read_bytes() + b" " * 5_000_000),
        lambda path: path.chmod(0o620),
        lambda path: path.chmod(0o602),
        lambda path: _rewrite(path, at="soon"),
        lambda path: _rewrite(path, at=float("nan")),
        lambda path: _rewrite(path, at=2e9),
        lambda path: _rewrite(path, at=0),
        lambda path: _rewrite(path, model={"slug": "a/b"}),
        lambda path: _rewrite(path, model=[]),
        lambda path: _rewrite(path, model=None),
        _replaced_by_link,
        _replaced_by_pipe,
        _replaced_by_folder,
    ],
)
def test_a_file_that_does_not_count_is_none(machine: Machine, damage: Callable[[Path], object]) -> None:
    machine.look_up()
    [file] = machine.files
    damage(file)
    assert machine.look_up() == Description(MODEL)
    assert machine.asked == 2


def test_another_users_file_does_not_count(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.look_up()
    monkeypatch.setattr(model_cache.os, "geteuid", lambda: 4711)
    assert machine.look_up() == Description(MODEL)
    assert machine.asked == 2


def test_nothing_is_written_into_a_folder_that_others_can_write(machine: Machine) -> None:
    machine.folder.mkdir()
    machine.folder.chmod(0o777)
    assert machine.look_up() == Description(MODEL)
    assert list(machine.folder.iterdir()) == []


def test_nothing_is_written_through_a_link(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    machine.folder.symlink_to(tmp_path / "theirs")
    assert machine.look_up() == Description(MODEL)
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.parametrize("failing", ["mkdir", "open"])
def test_where_nothing_can_be_written_each_task_asks_for_itself_and_waits_for_nobody(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_cache.os, failing, fail)
    assert [machine.look_up(), machine.look_up()] == [Description(MODEL)] * 2
    assert (machine.asked, machine.waits) == (2, [])


def test_on_a_full_disk_nobody_waits_for_a_file_that_will_not_come(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_cache.os, "pwrite", fail)
    first, second = machine.cache().lookup(SLUG), machine.cache().lookup(SLUG)
    assert [next(first), next(second)] == [None, None]
    first.close()
    second.close()


def test_a_file_that_can_be_written_by_half_is_not_kept(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdopen

    def full(descriptor: int, mode: str) -> Any:
        if mode == "wb":
            os.close(descriptor)
            raise OSError(28, "No space left on device")
        return real(descriptor, mode)

    monkeypatch.setattr(model_cache.os, "fdopen", full)
    assert machine.look_up() == Description(MODEL)
    assert [file for file in machine.folder.iterdir() if file.suffix != ".lock"] == []


def test_a_description_that_is_too_large_is_returned_and_not_kept(machine: Machine) -> None:
    large = Description(Model(SLUG, SLUG, description="x" * 5_000_000))
    machine.says = [large]
    assert machine.look_up() == large
    assert machine.files == []


def test_files_of_models_that_are_no_longer_used_are_removed(machine: Machine) -> None:
    machine.look_up("a/old")
    for file in machine.folder.iterdir():
        os.utime(file, (0, 0))
    machine.look_up()
    assert len(machine.files) == 1


# One asks, the others wait.


def test_threads_that_start_together_ask_once(machine: Machine) -> None:
    at_once = threading.Barrier(8)
    asked = threading.Semaphore(0)

    def ask() -> Description:
        asked.release()
        return machine.ask()

    def one(_: int) -> Description:
        cache = machine.cache()
        at_once.wait()
        return look_up(cache.lookup(SLUG), ask, threading.Event().wait)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(8))) == [Description(MODEL)] * 8
    assert machine.asked == 1


def test_who_waits_gets_what_the_one_who_asked_has_got(machine: Machine) -> None:
    first, second = machine.cache().lookup(SLUG), machine.cache().lookup(SLUG)
    assert next(first) is None
    assert isinstance(next(second), float)
    with pytest.raises(StopIteration) as end:
        first.send(Description(MODEL))
    assert end.value.value == Description(MODEL)
    with pytest.raises(StopIteration) as end:
        next(second)
    assert end.value.value == Description(MODEL)


def test_who_waits_asks_itself_once_the_other_has_given_up(machine: Machine) -> None:
    first, second = machine.cache().lookup(SLUG), machine.cache().lookup(SLUG)
    next(first)
    next(second)
    first.close()
    assert next(second) is None


def test_nobody_waits_longer_than_its_bound(machine: Machine) -> None:
    seconds = 0.0
    cache = ModelCache(machine.folder, ("a",), lambda: machine.time, lambda: seconds)
    holder, waiting = cache.lookup(SLUG), cache.lookup(SLUG)
    next(holder)
    for pause in waiting:
        if pause is None:
            break
        assert 0 < pause <= 1
        seconds += pause
    assert model_cache.LONGEST_WAIT_SECONDS <= seconds < model_cache.LONGEST_WAIT_SECONDS + 2
    waiting.close()
    holder.close()


def test_a_dead_holder_keeps_nobody_waiting(machine: Machine) -> None:
    # A process that dies closes its files, and the kernel releases its locks.
    child = os.fork()
    if child == 0:
        next(machine.cache().lookup(SLUG))
        os._exit(0)
    os.waitpid(child, 0)
    assert machine.look_up() == Description(MODEL)
    assert machine.waits == []


def test_an_interruption_ends_the_wait_and_frees_the_lock(machine: Machine) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    holder = machine.cache().lookup(SLUG)
    next(holder)
    with pytest.raises(KeyboardInterrupt):
        look_up(machine.cache().lookup(SLUG), machine.ask, interrupted)
    holder.close()
    assert machine.look_up() == Description(MODEL)
    assert machine.waits == []


def test_on_an_event_loop_it_is_the_same_cache(machine: Machine) -> None:
    async def ask() -> Description:
        return machine.ask()

    async def main() -> list[Description]:
        return await asyncio.gather(
            *(look_up_async(machine.cache().lookup(SLUG), ask, asyncio.sleep) for _ in range(8))
        )

    assert asyncio.run(main()) == [Description(MODEL)] * 8
    assert machine.look_up() == Description(MODEL)
    assert machine.asked == 1
