"""Integration: does the one writer answer everybody once, after the commit, and share the commits?"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.clock import ClockQuality, Instant
from agent.store.database import Store, StoreMismatch, Transaction
from agent.till import GROUP_SIZE, INBOX_SIZE, Till, TillUnavailable
from tests.integration.agent.tills import (
    AT_MS,
    PATIENCE_S,
    RunningTill,
    StillClock,
    Submission,
    bodies,
    put,
    running,
    start,
)

THREADS, VERBS = 8, 200


@pytest.fixture
def till(tmp_path: Path) -> Iterator[RunningTill]:
    with running(tmp_path / "station.db") as found:
        yield found


def test_eight_threads_are_each_answered_once_and_share_commits(till: RunningTill, tmp_path: Path) -> None:
    heard: dict[bytes, int] = {}

    def sell(name: int) -> None:
        for number in range(VERBS):
            body = b'{"n":"%d-%d"}' % (name, number)
            heard[body] = till.till.submit(put(body))

    threads = [threading.Thread(target=sell, args=(name,)) for name in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(heard.values()) == list(range(1, THREADS * VERBS + 1))
    on_disk = bodies(tmp_path / "station.db")
    assert len(on_disk) == THREADS * VERBS
    assert all(on_disk[seq - 1] == body for body, seq in heard.items())
    assert till.till.commits < THREADS * VERBS


def test_an_answer_means_that_others_can_read_it(till: RunningTill, tmp_path: Path) -> None:
    for number in range(20):
        body = b"%d" % number
        till.till.submit(put(body))
        assert bodies(tmp_path / "station.db")[-1] == body


def test_what_waits_together_shares_one_commit(till: RunningTill) -> None:
    before = till.till.commits
    with till.one_group() as submissions:
        waiting = [till.hand_in(submissions, put(b"%d" % number)) for number in range(10)]
    assert [one.heard() for one in waiting] == list(range(1, 11))
    assert till.till.commits == before + 2  # the one that was held, and one for the ten


def test_nobody_is_answered_before_the_commit_of_the_group(till: RunningTill) -> None:
    """The first of a group has run and waits for its slowest neighbour."""
    reached, release = threading.Event(), threading.Event()

    def slow(tx: Transaction, at: Instant) -> str:
        reached.set()
        assert release.wait(PATIENCE_S)
        return "slow"

    with till.one_group() as submissions:
        first = till.hand_in(submissions, put(b"first"))
        last = till.hand_in(submissions, slow)
    assert reached.wait(PATIENCE_S)
    assert first.heard_nothing()
    release.set()
    assert (first.heard(), last.heard()) == (1, "slow")


def test_a_group_is_bounded(till: RunningTill) -> None:
    before = till.till.commits
    with till.one_group() as submissions:
        waiting = [till.hand_in(submissions, put(b"%d" % number)) for number in range(GROUP_SIZE + 1)]
    assert [one.heard() for one in waiting] == list(range(1, GROUP_SIZE + 2))
    assert till.till.commits == before + 3


def test_a_full_inbox_is_busy(till: RunningTill) -> None:
    with till.one_group():
        while not till.till._inbox.full():
            Submission(till.till, put(b"{}"))
        assert till.till._inbox.qsize() == INBOX_SIZE
        with pytest.raises(TillUnavailable) as refused:
            till.till.submit(put(b"{}"))
    assert refused.value.reason == "TILL_BUSY"


def test_what_was_handed_in_before_the_stop_is_still_answered(tmp_path: Path) -> None:
    with running(tmp_path / "station.db") as till:
        with till.one_group() as submissions:
            waiting = [till.hand_in(submissions, put(b"%d" % number)) for number in range(100)]
            till.stop.set()
        assert [one.heard() for one in waiting] == list(range(1, 101))


def test_after_the_stop_it_is_busy(tmp_path: Path) -> None:
    with running(tmp_path / "station.db") as till:
        pass
    with pytest.raises(TillUnavailable) as refused:
        till.till.submit(put(b"{}"))
    assert refused.value.reason == "TILL_BUSY"
    assert bodies(tmp_path / "station.db") == []


def test_a_mistake_of_our_own_is_fatal_and_nothing_of_its_group_is_kept(tmp_path: Path) -> None:
    class Mistake(Exception):
        pass

    def wrong(tx: Transaction, at: Instant) -> None:
        raise Mistake

    till = start(tmp_path / "station.db")
    till.till.submit(put(b"before"))
    with till.one_group() as submissions:
        neighbour = till.hand_in(submissions, put(b"neighbour"))
        mistaken = till.hand_in(submissions, wrong)
    till.thread.join(PATIENCE_S)
    assert [type(error) for error in till.broken] == [Mistake]
    for submission in (neighbour, mistaken):
        heard = submission.heard()
        assert isinstance(heard, TillUnavailable)
        assert heard.reason == "TILL_BUSY"
    assert bodies(tmp_path / "station.db") == [b"before"]


def test_a_store_that_does_not_open_is_fatal(tmp_path: Path) -> None:
    with running(tmp_path / "station.db"):
        pass
    broken: list[BaseException] = []

    def open_other() -> Store:
        return Store.open(tmp_path / "station.db", "station-0043", "demo-cn", Instant(AT_MS))

    other = Till(open_other, StillClock(), lambda store: None, broken.append)
    with pytest.raises(StoreMismatch):
        other.run(threading.Event())
    assert [type(error) for error in broken] == [StoreMismatch]


def test_time_never_runs_below_what_is_written(tmp_path: Path) -> None:
    """The clock was set back a day while the station was off: the floor is the newest row."""
    with running(tmp_path / "station.db") as till:
        till.till.submit(put(b"today"))
    yesterday = StillClock(AT_MS - 86_400_000)
    again = start(tmp_path / "station.db", clock=yesterday)
    at = again.till.submit(lambda tx, at: at)
    assert at == Instant(AT_MS, ClockQuality.UNTRUSTED)
    yesterday.at_ms = AT_MS + 5_000
    assert again.till.submit(lambda tx, at: at) == Instant(AT_MS + 5_000, ClockQuality.SYNCED)
    yesterday.at_ms = AT_MS
    assert again.till.submit(lambda tx, at: at).wall_ms == AT_MS + 5_000
    again.end()
