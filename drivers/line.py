"""The only loop: it moves bytes between one port and one session, and events between session and till.

One thread per line runs `Line.run`. No wait in it exceeds a second, and none lies between the arrival
of bytes and the report of what they mean. A port that goes away is opened again, with jittered backoff;
the session's timers run on meanwhile, so that a dead device is noticed whatever died.
"""

import os
import random
import select
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Monotonic, Notice
from drivers.ports import AttendedPort, Port, PortGone, PortRefused, wait_writable
from drivers.session import Session
from drivers.tripwire import sift

WAIT_LIMIT_MS = 1_000
BACKOFF_FIRST_MS, BACKOFF_LIMIT_MS = 100, 5_000
INBOX_LIMIT = 64
STATUS_EVERY_MS = 250


@dataclass(frozen=True, slots=True)
class LineStatus:
    """One moment of a line, at most `STATUS_EVERY_MS` old while the line lives.

    Times are of the line's clock; None means never. `trouble` is the last reason why the port was
    refused or went away, "" while it is open. `counters` are the session's and the line's own: of these
    `ANSWERED` counts questions that a valid frame followed, `ANSWER_MS` the milliseconds until then.
    """

    name: str
    port_open: bool
    ticked_ms: Monotonic | None
    last_valid_heard_ms: Monotonic | None
    silent_addresses: tuple[str, ...]
    trouble: str
    counters: Mapping[str, int]


class Line:
    """One line: made in one thread, run in its own, asked for its `status()` from any.

    `open_port` raises `PortRefused`. `report` hands an event to the till, waits, and returns the till's
    answer, which goes to `session.confirm`. `clock` gives milliseconds that never step. No card number is
    reported: `drivers/tripwire.py` says what `card_key` is for.
    """

    def __init__(
        self,
        name: str,
        open_port: Callable[[], Port],
        session: Session,
        report: Callable[[DriverEvent, Monotonic], Answer],
        clock: Callable[[], Monotonic],
        rng: random.Random,
        card_key: bytes = b"",
    ) -> None:
        self.name = name
        self._open_port = open_port
        self._session = session
        self._report = report
        self._clock = clock
        self._rng = rng
        self._card_key = card_key
        self._inbox: deque[Notice] = deque()
        self._inbox_lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._own: Counter[str] = Counter()
        self._backoff_ms = BACKOFF_FIRST_MS
        self._ticked: Monotonic | None = None
        self._heard_count = 0
        self._heard_at: Monotonic | None = None
        self._asked_at: Monotonic | None = None
        self._silent: set[str] = set()
        self._status = LineStatus(name, False, None, None, (), "", MappingProxyType({}))
        self._published_at: Monotonic | None = None

    def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set (noticed within `WAIT_LIMIT_MS`, at once after `wake`)."""
        while not stop.is_set():
            try:
                port = self._open_port()
            except PortRefused as refusal:
                self._own[refusal.code] += 1
                self._rest(stop, str(refusal))
                continue
            self._own["PORT_OPENED"] += 1
            try:
                self._converse(port, stop)
            except PortGone as gone:
                self._own["PORT_GONE"] += 1
                self._session.disconnected(self._clock())
                self._asked_at = None
                self._rest(stop, str(gone))
            finally:
                port.close()
        self._publish(self._clock(), port_open=False, trouble="stopped")

    def post(self, notice: Notice) -> bool:
        """Give the session something to show, from any thread. False: the inbox is full, it was dropped."""
        with self._inbox_lock:
            if len(self._inbox) >= INBOX_LIMIT:
                self._own["NOTICE_DROPPED"] += 1
                return False
            self._inbox.append(notice)
        self.wake()
        return True

    def wake(self) -> None:
        """End the line's present wait, from any thread."""
        try:
            os.write(self._wake_write, b"\0")
        except BlockingIOError:
            return  # the pipe is full of wake-ups already

    def status(self) -> LineStatus:
        """The line as it last said of itself; from any thread."""
        return self._status

    @property
    def ticked(self) -> Monotonic | None:
        """When the loop last turned, for the watchdog; None before the first turn."""
        return self._ticked

    def close(self) -> None:
        """Give back the self-pipe, after `run` has ended."""
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _converse(self, port: Port, stop: threading.Event) -> None:
        attend = port.attend if isinstance(port, AttendedPort) else None
        while not stop.is_set():
            now = self._clock()
            if attend is not None:
                attend(now)
            self._turn(now)
            self._send(port)
            self._publish(now, port_open=True, trouble="")
            if self._wait([port.fileno(), self._wake_read], self._wait_ms()):
                self._hear(port.read())

    def _turn(self, now: Monotonic) -> None:
        """Notices in, due timers, events out to the till and its answers back."""
        self._ticked = now
        self._deliver_notices(now)
        timer = self._session.next_timer()
        if timer is not None and timer <= now:
            self._session.handle_timer(now)
        while (event := self._session.next_event()) is not None:
            self._remember_silence(event)
            answer = self._hand_over(event)
            self._session.confirm(event, answer, self._clock())

    def _hand_over(self, event: DriverEvent) -> Answer:
        """To the till and back, without card numbers. The session confirms the event as it made it."""
        sifted = sift(event, self._card_key)
        if sifted.dropped_count:
            self._own["CARD_NUMBER_DROPPED"] += sifted.dropped_count
        return sifted.refusal or self._report(sifted.event, self._clock())

    def _hear(self, data: bytes) -> None:
        if not data:
            return
        now = self._clock()
        self._session.receive(data, now)
        heard_count = self._session.counters().get("HEARD", 0)
        if heard_count != self._heard_count:
            self._heard_count, self._heard_at = heard_count, now
            self._backoff_ms = BACKOFF_FIRST_MS
            self._count_answer(now)

    def _count_answer(self, now: Monotonic) -> None:
        """The time from the last byte of a question, for `drivers/quality.py`. What nobody asked has none."""
        if self._asked_at is not None:
            self._own["ANSWERED"] += 1
            self._own["ANSWER_MS"] += now - self._asked_at
            self._asked_at = None

    def _send(self, port: Port) -> None:
        while data := self._session.bytes_to_send(self._clock()):
            while data:
                data = data[port.write(data) :]
                if data and not wait_writable(port, WAIT_LIMIT_MS / 1_000):
                    raise PortGone("write: the port takes no bytes (flow control or dead converter)")
            self._asked_at = self._clock() if self._session.awaiting() else None

    def _wait_ms(self) -> int:
        timer = self._session.next_timer()
        if timer is None:
            return WAIT_LIMIT_MS
        return max(0, min(WAIT_LIMIT_MS, timer - self._clock()))

    def _wait(self, descriptors: list[int], wait_ms: int) -> bool:
        """Wait for bytes or a wake-up; True if the port (the first descriptor) has something to say."""
        readable, _, _ = select.select(descriptors, [], [], wait_ms / 1_000)
        if self._wake_read in readable:
            os.read(self._wake_read, 4_096)
        return descriptors[0] in readable and descriptors[0] != self._wake_read

    def _rest(self, stop: threading.Event, trouble: str) -> None:
        """Wait out a jittered backoff before the port is tried again; timers and events go on."""
        until = self._clock() + self._rng.randint(self._backoff_ms // 2, self._backoff_ms)
        self._backoff_ms = min(2 * self._backoff_ms, BACKOFF_LIMIT_MS)
        while not stop.is_set() and (now := self._clock()) < until:
            self._turn(now)
            self._publish(now, port_open=False, trouble=trouble)
            # A question that cannot be sent may leave the session's timer in the past: 20 ms at least.
            self._wait([self._wake_read], min(until - now, max(20, self._wait_ms())))

    def _deliver_notices(self, now: Monotonic) -> None:
        while self._inbox:
            with self._inbox_lock:
                notice = self._inbox.popleft()
            self._session.tell(notice, now)

    def _remember_silence(self, event: DriverEvent) -> None:
        if isinstance(event, DeviceSilent):
            self._silent.add(event.address)
        elif isinstance(event, DeviceBack):
            self._silent.discard(event.address)
        else:
            return
        self._published_at = None

    def _publish(self, now: Monotonic, *, port_open: bool, trouble: str) -> None:
        stale = self._published_at is None or now - self._published_at >= STATUS_EVERY_MS
        if not stale and port_open == self._status.port_open:
            return
        self._published_at = now
        self._status = LineStatus(
            name=self.name,
            port_open=port_open,
            ticked_ms=now,
            last_valid_heard_ms=self._heard_at,
            silent_addresses=tuple(sorted(self._silent)),
            trouble=trouble,
            counters=MappingProxyType({**self._session.counters(), **self._own}),
        )
