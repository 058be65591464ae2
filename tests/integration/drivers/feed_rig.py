"""A line over a real port for tests of POS feeds: a till that is sometimes not there, and raw terminals."""

import os
import random
import select
import sqlite3
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent.app.desk import Desk
from drivers.events import Answer, DriverEvent, Monotonic, Outcome, PosRequest
from drivers.line import Line
from drivers.ports import Port
from drivers.session import Session
from tests.integration.agent.tills import running
from tests.world import World

WAIT_LIMIT_S = 20


def clock() -> Monotonic:
    return Monotonic(time.monotonic_ns() // 1_000_000)


def wait_until(holds: Callable[[], bool]) -> None:
    limit, pause = time.monotonic() + WAIT_LIMIT_S, threading.Event()
    while not holds():
        assert time.monotonic() < limit, "it did not happen in time"
        pause.wait(0.002)


Report = Callable[[DriverEvent, Monotonic], Answer]


class Till:
    """Keeps what it is told, in order; `refusals` is how often it says "not now" first."""

    def __init__(self, refusals: int = 0) -> None:
        self.booked: list[PosRequest] = []
        self.refusals = refusals

    def report(self, event: DriverEvent, at: Monotonic) -> Answer:
        if not isinstance(event, PosRequest):
            return Answer(Outcome.DONE, durable=False)
        if self.refusals:
            self.refusals -= 1
            return Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")
        self.booked.append(event)
        return Answer(Outcome.DONE, durable=True)


@contextmanager
def serving(open_line_port: Callable[[], Port], session: Session, till: Till | Report) -> Iterator[Line]:
    report = till.report if isinstance(till, Till) else till
    line = Line("feed", open_line_port, session, report, clock, random.Random(1), b"key")
    stop = threading.Event()
    thread = threading.Thread(target=line.run, args=(stop,), name="line:feed")
    thread.start()
    try:
        yield line
    finally:
        stop.set()
        line.wake()
        thread.join(WAIT_LIMIT_S)
        line.close()


@contextmanager
def station(path: Path) -> Iterator[Desk]:
    """The agent's own desk and till over a real SQLite file, with the demo's rules and members."""
    world = World(path=path).stock()
    world.store.close()
    with running(path) as found:
        yield Desk(found.till, world.site, found.clock, (), lambda line, notice: None)


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    """What stands on the disk, read by somebody else than the writer."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
        return reader.execute(sql).fetchall()


class Terminal:
    """One raw pseudo-terminal: `path` is what is opened, this end is the POS or the printer."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)

    def write(self, data: bytes) -> None:
        while data:
            select.select([], [self._master], [], WAIT_LIMIT_S)
            data = data[os.write(self._master, data) :]

    def read(self, size_bytes: int) -> bytes:
        """Exactly so many bytes; an assertion fails if they do not come."""
        data = b""
        while len(data) < size_bytes:
            readable, _, _ = select.select([self._master], [], [], WAIT_LIMIT_S)
            assert readable, f"only {len(data)} of {size_bytes} bytes came"
            data += os.read(self._master, size_bytes - len(data))
        return data

    def is_quiet(self) -> bool:
        return not select.select([self._master], [], [], 0)[0]

    def close(self) -> None:
        for descriptor in (self._master, self._slave):
            os.close(descriptor)
