"""A till on its own thread, as the app runs it, and what a test needs to see of it."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

from agent.clock import ClockQuality, Instant
from agent.store.database import Store, Transaction
from agent.store.outbox import SERVICE
from agent.till import Till, TillUnavailable, _Request
from drivers.events import Monotonic

AT_MS = 1_783_476_000_000
PATIENCE_S = 20


class StillClock:
    """`wall_ms` is what the test says; monotonic time does not matter here."""

    def __init__(self, at_ms: int = AT_MS) -> None:
        self.at_ms = at_ms

    def wall_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> Monotonic:
        return Monotonic(0)

    def quality(self, floor_ms: int) -> ClockQuality:
        return ClockQuality.SYNCED if self.at_ms >= floor_ms else ClockQuality.UNTRUSTED


@dataclass
class RunningTill:
    till: Till
    clock: StillClock
    stop: threading.Event
    thread: threading.Thread
    broken: list[BaseException] = field(default_factory=list)

    def end(self) -> None:
        """Stop, without waiting until the till looks by itself whether it should."""
        self.stop.set()
        self.till._inbox.put(_Request(lambda tx, at: None))
        self.thread.join(PATIENCE_S)

    @contextmanager
    def one_group(self) -> Iterator[list["Submission"]]:
        """What is submitted inside the block is committed together: the till is held until its end."""
        held, release = threading.Event(), threading.Event()

        def hold(tx: Transaction, at: Instant) -> None:
            held.set()
            assert release.wait(PATIENCE_S)

        submissions = [Submission(self.till, hold)]
        assert held.wait(PATIENCE_S)
        try:
            yield submissions
        finally:
            release.set()

    def hand_in(
        self, submissions: list["Submission"], verb: Callable[[Transaction, Instant], object]
    ) -> "Submission":
        """Submit from a thread of its own, and wait until it stands in the inbox."""
        before = self.till._inbox.qsize()
        submission = Submission(self.till, verb)
        while self.till._inbox.qsize() <= before:
            assert submission.thread.is_alive()
        submissions.append(submission)
        return submission


class Submission:
    """One caller of `submit`: its answer or why there is none."""

    def __init__(self, till: Till, verb: Callable[[Transaction, Instant], object]) -> None:
        self._heard: Queue[object] = Queue()
        self.thread = threading.Thread(target=self._submit, args=(till, verb), daemon=True)
        self.thread.start()

    def _submit(self, till: Till, verb: Callable[[Transaction, Instant], object]) -> None:
        try:
            self._heard.put(till.submit(verb))
        except TillUnavailable as refusal:
            self._heard.put(refusal)

    def heard(self) -> object:
        """The answer, or the `TillUnavailable`."""
        return self._heard.get(timeout=PATIENCE_S)

    def heard_nothing(self) -> bool:
        try:
            self._heard.get_nowait()
        except Empty:
            return True
        return False


def start(
    path: Path,
    connect: Callable[[Path], sqlite3.Connection] | None = None,
    on_broken: Callable[[BaseException], None] = lambda error: None,
    clock: StillClock | None = None,
) -> RunningTill:
    clock = clock or StillClock()
    stop, broken = threading.Event(), list[BaseException]()

    def open_store() -> Store:
        return Store.open(path, "station-0042", "demo-cn", Instant(AT_MS), connect=connect)

    def note(error: BaseException) -> None:
        broken.append(error)
        on_broken(error)

    till = Till(open_store, clock, lambda store: None, note)

    def run() -> None:
        try:
            till.run(stop)
        except BaseException as error:
            if error not in broken:
                raise

    thread = threading.Thread(target=run, name="till", daemon=True)
    thread.start()
    running = RunningTill(till, clock, stop, thread, broken)
    assert till.opened.wait(PATIENCE_S) or broken
    return running


@contextmanager
def running(path: Path, connect: Callable[[Path], sqlite3.Connection] | None = None) -> Iterator[RunningTill]:
    """Started, and stopped at the end of the block; it must not have broken."""
    found = start(path, connect)
    try:
        yield found
    finally:
        found.end()
    assert not found.thread.is_alive()
    assert found.broken == []


def put(body: bytes) -> Callable[[Transaction, Instant], int]:
    """A small durable verb: one row of the service stream; answers with its seq."""
    return lambda tx, at: tx.outbox.put(SERVICE, "adopted", body, at.wall_ms)


def bodies(path: Path) -> list[bytes]:
    """What somebody else reads from the disk, in order."""
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [body for (body,) in reader.execute("SELECT body FROM outbox ORDER BY seq")]
    finally:
        reader.close()
