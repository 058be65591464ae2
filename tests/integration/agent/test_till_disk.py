"""Integration: what does the till do when the disk is full, and when it fails?

Full is a refusal: the verb is taken back alone and the station goes on. Failed is the end: nobody is
answered and no second sync is tried, because after a failed one nothing can be believed.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Instant
from agent.store.database import StoreBroken, StoreFull, Transaction
from agent.store.outbox import SERVICE
from agent.till import TillUnavailable
from tests.integration.agent.tills import PATIENCE_S, RunningTill, bodies, put, running, start
from tests.simulation.agent.power import Operation, Recorder, load_apsw, register

BIG, MANY = b"x" * 3_000, 200


def limit(pages: int) -> Callable[[Transaction, Instant], None]:
    """The file may grow by this many pages from here."""

    def verb(tx: Transaction, at: Instant) -> None:
        connection = tx.outbox._connection
        [(used,)] = connection.execute("PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count={used + pages}")

    return verb


def half_written(tx: Transaction, at: Instant) -> None:
    """A verb whose first rows fit and whose last do not."""
    for _ in range(MANY):
        tx.outbox.put(SERVICE, "adopted", BIG, at.wall_ms)


def reason(heard: object) -> str:
    assert isinstance(heard, TillUnavailable), heard
    return heard.reason


class TestFull:
    @pytest.fixture
    def till(self, tmp_path: Path) -> Iterator[RunningTill]:
        with running(tmp_path / "station.db") as found:
            found.till.submit(limit(20))
            yield found

    def test_it_is_a_refusal_and_nothing_is_half_written(self, till: RunningTill, tmp_path: Path) -> None:
        with pytest.raises(TillUnavailable) as refused:
            till.till.submit(half_written)
        assert refused.value.reason == "DISK_FULL"
        assert bodies(tmp_path / "station.db") == []

    def test_it_works_again_when_there_is_room(self, till: RunningTill, tmp_path: Path) -> None:
        with pytest.raises(TillUnavailable):
            till.till.submit(half_written)
        till.till.submit(limit(10_000))
        till.till.submit(half_written)
        assert bodies(tmp_path / "station.db") == [BIG] * MANY
        assert till.broken == []

    def test_others_of_the_group_are_kept(self, till: RunningTill, tmp_path: Path) -> None:
        with till.one_group() as submissions:
            before = till.hand_in(submissions, put(b"before"))
            full = till.hand_in(submissions, half_written)
            after = till.hand_in(submissions, put(b"after"))
        assert (before.heard(), reason(full.heard()), after.heard()) == (1, "DISK_FULL", 2)
        assert bodies(tmp_path / "station.db") == [b"before", b"after"]

    def test_a_refusal_inside_a_group_that_is_taken_back_is_asked_again(self, till: RunningTill) -> None:
        """Refused alone at first; then its group is, and each is tried alone: now there is room for it."""
        tries: list[int] = []

        def tight_at_first(tx: Transaction, at: Instant) -> str:
            tries.append(1)
            if len(tries) == 1:
                raise StoreFull
            return "fits"

        with till.one_group() as submissions:
            tight = till.hand_in(submissions, tight_at_first)
            full = till.hand_in(submissions, half_written)
        assert (tight.heard(), reason(full.heard())) == ("fits", "DISK_FULL")

    def test_a_verb_that_alone_is_too_much_is_refused_alone(self, till: RunningTill) -> None:
        def too_much(tx: Transaction, at: Instant) -> None:
            tx.outbox.put(SERVICE, "adopted", b"gone", at.wall_ms)
            raise StoreFull

        with till.one_group() as submissions:
            first = till.hand_in(submissions, put(b"first"))
            refused = till.hand_in(submissions, too_much)
            last = till.hand_in(submissions, put(b"last"))
        assert (first.heard(), reason(refused.heard()), last.heard()) == (1, "DISK_FULL", 2)


class FailingDisk:
    """The real disk through a VFS that fails when told so."""

    def __init__(self, name: str) -> None:
        self.apsw = load_apsw()
        self.recorder = Recorder()
        self.name = name
        self._vfs = register(self.apsw, self.recorder, name)
        self.refused: list[Operation] = []

    def connect(self, path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{path}?vfs={self.name}", uri=True, isolation_level=None)

    def fail(self, kind: str, error: type[Exception]) -> None:
        def refuse(operation: Operation) -> None:
            if operation.kind == kind:
                self.refused.append(operation)
                raise error("as the test said")

        self.recorder.fail = refuse

    def heal(self) -> None:
        self.recorder.fail = lambda operation: None


@pytest.fixture
def disk(request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]) -> Iterator[FailingDisk]:
    found = FailingDisk(f"failing_{abs(hash(request.node.name))}")
    yield found
    capfd.readouterr()  # apsw prints what a VFS raised


class TestFullAtTheCommit:
    """The file system itself has no room for the log: SQLITE_FULL comes from the COMMIT."""

    def test_the_whole_group_is_refused_and_later_works_again(
        self, disk: FailingDisk, tmp_path: Path
    ) -> None:
        with running(tmp_path / "station.db", disk.connect) as till:
            till.till.submit(put(b"before"))
            disk.fail("write", disk.apsw.FullError)
            with till.one_group() as submissions:
                group = [till.hand_in(submissions, put(b"lost")) for _ in range(3)]
            assert [reason(one.heard()) for one in group] == ["DISK_FULL"] * 3
            disk.heal()
            assert till.till.submit(put(b"after")) == 2
            assert bodies(tmp_path / "station.db") == [b"before", b"after"]


class TestFailed:
    def broken(self, disk: FailingDisk, path: Path, kind: str) -> tuple[RunningTill, list[Any], list[int]]:
        """A till whose disk fails at the next commit; what three callers heard, refusals at the end."""
        refused_when_told: list[int] = []
        heard_when_told: list[bool] = []
        callers: list[Any] = []

        def note(error: BaseException) -> None:
            refused_when_told.append(len(disk.refused))
            heard_when_told.extend(not one.heard_nothing() for one in callers)

        till = start(path, disk.connect, note)
        till.till.submit(put(b"before"))
        with till.one_group() as submissions:
            callers += [till.hand_in(submissions, put(b"%d" % n)) for n in range(3)]
            disk.fail(kind, disk.apsw.IOError)
        till.thread.join(PATIENCE_S)
        assert heard_when_told == [False] * 3
        return till, callers, refused_when_told

    @pytest.mark.parametrize("kind", ["sync", "write"])
    def test_it_is_the_end(self, disk: FailingDisk, tmp_path: Path, kind: str) -> None:
        till, callers, refused = self.broken(disk, tmp_path / "station.db", kind)
        assert [type(error) for error in till.broken] == [StoreBroken]
        assert refused == [1], "the disk was asked again after it had failed"
        assert len(disk.refused) == 1
        assert [reason(one.heard()) for one in callers] == ["TILL_BUSY"] * 3
        disk.heal()

    def test_the_next_start_finds_what_was_answered(self, disk: FailingDisk, tmp_path: Path) -> None:
        """A failed sync leaves the group on the disk or not; what was answered before is there."""
        self.broken(disk, tmp_path / "station.db", "sync")
        disk.heal()
        with running(tmp_path / "station.db", disk.connect) as again:
            found = bodies(tmp_path / "station.db")
            assert found[0] == b"before"
            assert found[1:] in ([], [b"0", b"1", b"2"])
            assert again.till.submit(put(b"after")) == len(found) + 1


def test_threads_of_this_file_have_ended() -> None:
    assert not [thread for thread in threading.enumerate() if thread.name == "till" and thread.is_alive()]
