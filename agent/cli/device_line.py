"""A port on the one loop there is, and everything that passes on it, in order: for watching and recording.

Either nobody speaks (`Mute` on a port that cannot write), or the driver's own session does, with a till that
always says "not now": so nothing is ever acknowledged, and a device keeps what it has for the agent.
"""

import random
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from drivers.events import Answer, DriverEvent, Monotonic, Notice, Outcome
from drivers.line import Line
from drivers.ports import AttendedPort, Port, PortSpec, open_port
from drivers.replay import End
from drivers.session import Session

NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False)
_JOIN_S = 5


class Mute:
    """A session that says nothing and understands nothing."""

    def receive(self, data: bytes, now: Monotonic) -> None:
        """Whoever looks on has the bytes already."""

    def next_event(self) -> DriverEvent | None:
        return None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        """There are no events."""

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """There is nobody to tell."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b""

    def next_timer(self) -> Monotonic | None:
        return None

    def handle_timer(self, now: Monotonic) -> None:
        """Nothing is due."""

    def awaiting(self) -> bool:
        return False

    def disconnected(self, now: Monotonic) -> None:
        """Nothing was begun."""

    def counters(self) -> Mapping[str, int]:
        return {}


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes on the wire, `at_ms` after the beginning. `end` None: heard where others speak."""

    at_ms: int
    end: End | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Reported:
    """What the driver's session told the till."""

    at_ms: int
    event: DriverEvent


class _OverheardPort:
    """Tells what goes through it."""

    def __init__(self, port: Port, tell: Callable[[End, bytes], None]) -> None:
        self._port, self._tell = port, tell
        self.fileno, self.close = port.fileno, port.close

    def attend(self, now: Monotonic) -> None:
        if isinstance(self._port, AttendedPort):
            self._port.attend(now)

    def read(self) -> bytes:
        data = self._port.read()
        if data:
            self._tell("device", data)
        return data

    def write(self, data: bytes) -> int:
        written = self._port.write(data)
        if written:
            self._tell("host", data[:written])
        return written


class Listening:
    """A line in a thread of its own, until `close`. Opening raises `PortRefused`, at once; later the line
    opens its port again by itself."""

    def __init__(
        self, spec: PortSpec, session: Session, clock: Callable[[], Monotonic], rng: random.Random
    ) -> None:
        self._spec, self._session, self._clock = spec, session, clock
        self._knows_ends = not spec.listen_only
        self._passing: SimpleQueue[Passed | Reported] = SimpleQueue()
        self._first: list[Port] = [open_port(spec)]
        self._began = clock()
        self._stop = threading.Event()
        self._line = Line("watched", self._open, session, self._report, clock, rng)
        self._thread = threading.Thread(target=self._line.run, args=(self._stop,), name="watched")
        self._thread.start()

    def passing(self, wait_ms: int) -> list[Passed | Reported]:
        """What has passed since the last call; waits for something at most so long."""
        try:
            taken = [self._passing.get(timeout=wait_ms / 1_000)]
        except Empty:
            return []
        while not self._passing.empty():
            taken.append(self._passing.get())
        return taken

    def now_ms(self) -> int:
        """Since the beginning."""
        return self._clock() - self._began

    @property
    def trouble(self) -> str:
        """Why the port is closed, "" while it is open."""
        return self._line.status().trouble

    def counters(self) -> dict[str, int]:
        """At most a quarter of a second old; after `close` the last word."""
        return dict(self._line.status().counters)

    def close(self) -> None:
        self._stop.set()
        self._line.wake()
        self._thread.join(_JOIN_S)
        self._line.close()

    def _open(self) -> Port:
        port = self._first.pop() if self._first else open_port(self._spec)
        return _OverheardPort(port, self._tell)

    def _tell(self, end: End, data: bytes) -> None:
        self._passing.put(Passed(self.now_ms(), end if self._knows_ends else None, data))

    def _report(self, event: DriverEvent, _: Monotonic) -> Answer:
        self._passing.put(Reported(self.now_ms(), event))
        return NOT_NOW


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM, so that the command ends by its own way out."""
    stop = threading.Event()

    def set_it(*_: Any) -> None:
        stop.set()

    former = {number: signal.signal(number, set_it) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
