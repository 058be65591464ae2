"""A line over a real port for tests of POS feeds: a till that is sometimes not there, and raw terminals."""

import os
import random
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drivers.events import Answer, DriverEvent, Monotonic, Outcome, PosRequest
from drivers.line import Line
from drivers.ports import Port
from drivers.session import Session

WAIT_LIMIT_S = 20


def clock() -> Monotonic:
    return Monotonic(time.monotonic_ns() // 1_000_000)


def wait_until(holds: Callable[[], bool]) -> None:
    limit, pause = time.monotonic() + WAIT_LIMIT_S, threading.Event()
    while not holds():
        assert time.monotonic() < limit, "it did not happen in time"
        pause.wait(0.002)


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
def serving(open_line_port: Callable[[], Port], session: Session, till: Till) -> Iterator[Line]:
    line = Line("feed", open_line_port, session, till.report, clock, random.Random(1), b"key")
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
