"""Unit: does the supervisor revive what dies, give up at last, and feed the watchdog for progress only?"""

import threading
from collections.abc import Iterator

import pytest

from agent.supervisor import (
    DEATHS_ALLOWED,
    DEATHS_WINDOW_MS,
    RESTART_FIRST_MS,
    STALE_AFTER_MS,
    Supervisor,
    TooManyDeaths,
    Worker,
)


class Stand:
    """A supervisor on a clock moved by hand, over one worker that dies when it is told to."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000
        self.ticked_ms = self.now_ms
        self.starts = self.fed = self.chores = 0
        self.till_answers = True
        self.dies = False
        self.stop = threading.Event()
        self.worker = Worker("line:one", self._work, lambda: self.ticked_ms)
        self.supervisor = Supervisor(
            [self.worker], lambda: self.now_ms, lambda: self.till_answers, self._feed, self._chore
        )

    def _work(self, stop: threading.Event) -> None:
        self.starts += 1
        if self.dies:
            raise RuntimeError("the worker's own mistake")
        stop.wait()

    def _feed(self) -> None:
        self.fed += 1

    def _chore(self) -> None:
        self.chores += 1

    def look(self, after_ms: int = 0) -> None:
        self.now_ms += after_ms
        self.supervisor.look(self.stop)
        if self.dies and self.worker.thread is not None:
            self.worker.thread.join()

    def die_once(self) -> int:
        """One death, noticed and waited out; returns the pause before the worker was started again."""
        self.look()
        pause_ms = self.worker.restart_at_ms - self.now_ms
        self.look(pause_ms)
        return pause_ms


@pytest.fixture
def stand() -> Iterator[Stand]:
    stand = Stand()
    yield stand
    stand.stop.set()
    if stand.worker.thread is not None:
        stand.worker.thread.join()


def started(stand: Stand) -> Stand:
    stand.die_once()  # never started yet: the first start is a revival
    stand.worker.deaths_ms.clear()
    stand.ticked_ms = stand.now_ms
    return stand


def test_the_watchdog_is_fed_while_everything_moves(stand: Stand) -> None:
    started(stand)
    fed = stand.fed
    stand.look()
    assert (stand.fed, stand.supervisor.stale(stand.now_ms)) == (fed + 1, [])


def test_it_is_not_fed_for_a_loop_that_does_not_turn(stand: Stand) -> None:
    started(stand)
    fed = stand.fed
    stand.look(STALE_AFTER_MS + 1)
    assert (stand.fed, stand.supervisor.stale(stand.now_ms)) == (fed, ["line:one"])


def test_it_is_not_fed_when_the_till_does_not_answer(stand: Stand) -> None:
    started(stand)
    stand.till_answers = False
    fed = stand.fed
    stand.look()
    assert stand.fed == fed
    assert stand.chores > 0


def test_who_dies_is_started_again_after_a_growing_pause(stand: Stand) -> None:
    stand.dies = True
    pauses = [stand.die_once() for _ in range(4)]
    assert pauses == [RESTART_FIRST_MS, 2 * RESTART_FIRST_MS, 4 * RESTART_FIRST_MS, 8 * RESTART_FIRST_MS]
    assert stand.starts == 4
    assert stand.worker.trouble == "RuntimeError: the worker's own mistake"
    fed = stand.fed
    stand.look()  # it lies dead
    assert stand.fed == fed


def test_old_deaths_are_forgotten(stand: Stand) -> None:
    stand.dies = True
    for _ in range(5):
        stand.die_once()
    stand.now_ms += DEATHS_WINDOW_MS
    assert stand.die_once() == RESTART_FIRST_MS


def test_who_keeps_dying_ends_the_process(stand: Stand) -> None:
    stand.dies = True
    for _ in range(DEATHS_ALLOWED):
        stand.die_once()
    with pytest.raises(TooManyDeaths, match="line:one: RuntimeError"):
        stand.look()
