"""A line in its own thread, for tests on real pseudo-terminals and sockets: ends by itself."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drivers.events import Answer, DriverEvent, Fuelling, Monotonic, Outcome
from drivers.line import Line
from drivers.ports import PortSpec, open_port
from drivers.session import Session


def monotonic_ms() -> Monotonic:
    return Monotonic(time.monotonic_ns() // 1_000_000)


def wait_until(holds: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Wait for a condition; an assertion fails if it does not come."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


class Ledger:
    """A till that keeps what it is told in memory and notes the order of everything."""

    def __init__(self) -> None:
        self.events: list[DriverEvent] = []
        self.durable: dict[int | None, Fuelling] = {}
        self.order: list[tuple[str, int | None]] = []
        self.threads: set[str] = set()

    def report(self, event: DriverEvent, now: Monotonic) -> Answer:
        self.events.append(event)
        self.threads.add(threading.current_thread().name)
        if not isinstance(event, Fuelling):
            return Answer(Outcome.DONE, durable=False)
        known = event.sequence_no in self.durable
        self.durable[event.sequence_no] = event
        self.order.append(("committed", event.sequence_no))
        return Answer(Outcome.REPEATED if known else Outcome.DONE, durable=True)


@contextmanager
def running(
    device: str, session: Session, ledger: Ledger, *, pty: bool = True, seed: int = 1
) -> Iterator[Line]:
    """A line that serves `session` on `device` until the block ends."""
    spec = PortSpec(device, parity="even", pty=pty)
    stop = threading.Event()
    line = Line("test", lambda: open_port(spec), session, ledger.report, monotonic_ms, random.Random(1))
    thread = threading.Thread(target=line.run, args=(stop,), name="line:test")
    thread.start()
    try:
        yield line
    finally:
        stop.set()
        line.wake()
        thread.join(5)
        assert not thread.is_alive(), "the line did not stop"
        line.close()
